"""`igentai topics`, `export`, `replay` and `fsck`: what is there already, without a daemon."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from igentai.errors import UsageError
from igentai_orchestrator.commands import flags as flag
from igentai_orchestrator.commands.configuration import configured
from igentai_orchestrator.commands.existing import folder_of


def topics(outputs: flag.Outputs = None, as_json: flag.Json = False, config: flag.Config = None) -> None:
    """List the topics there are."""
    from igentai_orchestrator.shell.archive import Archive

    settings = configured(outputs=outputs, config=config)
    found = Archive(settings.outputs).topics()
    if as_json:
        typer.echo(orjson.dumps([asdict(s) for s in found]).decode())
        return
    if not found:
        typer.echo(f'No topics in {settings.outputs} yet. Start one: igentai explore "dog breeds"', err=True)
    for s in found:
        typer.echo(
            f"{s.folder:<40} {s.status:<12} {s.unique:>8} attributes  ${s.cost:.4f}  {s.stop_reason or ''}".rstrip()
        )


def export(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    fmt: Annotated[str, typer.Option("--format", "-f", help="txt, jsonl, csv or sqlite.")] = "txt",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [default: standard output]")
    ] = None,
    outputs: flag.Outputs = None,
    config: flag.Config = None,
) -> None:
    """Write a topic's attributes with where they came from.

    [bold]Example[/bold]: igentai export "dog breeds" -f csv -o breeds.csv
    """
    from igentai_orchestrator.shell import archive

    if fmt not in ("txt", "jsonl", "csv", "sqlite"):
        raise UsageError(f"--format {fmt} is not known; say txt, jsonl, csv or sqlite")
    settings = configured(outputs=outputs, config=config)
    reader = archive.Reader(settings.outputs / folder_of(topic, settings))
    pieces = archive.export(reader, fmt)  # type: ignore[arg-type]  # checked above
    if output is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        return
    try:
        with output.open("wb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}; choose another -o") from None


def replay(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    policy: flag.PolicyName = flag.PolicyChoice.fixed,
    outputs: flag.Outputs = None,
    as_json: flag.Json = False,
    config: flag.Config = None,
) -> None:
    """How another policy would have fared with the answers that a topic has paid for. Makes no request."""
    from igentai_orchestrator.core import replay as again
    from igentai_orchestrator.core import request_size
    from igentai_orchestrator.core.wording import expected_cost
    from igentai_orchestrator.daemon.terms import price_table
    from igentai_orchestrator.shell.archive import Archive, Reader

    settings = configured(outputs=outputs, config=config)
    folder = folder_of(topic, settings)
    spec = Archive(settings.outputs).load_spec(folder)
    prices = price_table(settings)
    costs = {m.key: expected_cost(prices, m.provider, m.model, request_size.START) for m in spec.models}
    answers = again.recorded(Reader(settings.outputs / folder).history())
    was, would = again.as_it_was(answers), again.replay(answers, spec, policy.value, costs)
    if as_json:
        typer.echo(orjson.dumps({"was": asdict(was), "would": asdict(would)}).decode())
        return
    typer.echo(f"{'of the answers':>15} {'as it was':>22} {policy.value:>22}")
    for (share, found, usd), (_, other, other_usd) in zip(was.at, would.at, strict=True):
        left, right = f"{found} for ${usd:.4f}", f"{other} for ${other_usd:.4f}"
        typer.echo(f"{share:>14.0%}  {left:>21} {right:>22}")
    typer.echo(f"{would.answers} answers; {would.substitutes:.0%} of them stood in for one that was never asked for")


def fsck(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    mend: Annotated[bool, typer.Option("--mend", help="Mend what can be mended from the ledger.")] = False,
    outputs: flag.Outputs = None,
    config: flag.Config = None,
) -> None:
    """Check a topic's files against its ledger."""
    from igentai_orchestrator.shell.archive import fsck as check

    settings = configured(outputs=outputs, config=config)
    report = check(settings.outputs / folder_of(topic, settings), mend=mend)
    for finding in report.findings:
        typer.echo(f"{finding.what}{f': {finding.mended}' if finding.mended else ''}")
    if not report.findings:
        typer.echo("everything is as the ledger says")
    raise typer.Exit(0 if report.sound else 1)
