"""`igentai providers` and `doctor`: what a run would find on this machine."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer

from igentai_orchestrator.commands import flags as flag
from igentai_orchestrator.commands.configuration import configured


def providers(
    provider: flag.Providers = None,
    default: Annotated[bool, typer.Option("--default", help="Only what a run without --provider would ask.")] = False,
    as_json: flag.Json = False,
    config: flag.Config = None,
) -> None:
    """Which providers can be asked from here, and which would be."""
    from igentai_orchestrator.check_up import provider_rows
    from igentai_orchestrator.choice import choose, needs_embedded

    settings = configured(config=config)
    if default:
        if needs_embedded(provider or (), settings):
            from igentai.providers.embedded import MODEL

            typer.echo(f"embedded:{MODEL}")
            return
        for model in choose(provider or (), settings).models:
            typer.echo(model.key)
        return
    rows = provider_rows(settings)
    if as_json:
        typer.echo(orjson.dumps(rows).decode())
        return
    for row in rows:
        typer.echo(f"{'yes' if row['usable'] else 'no ':<4} {row['name']:<12} {row['model'] or '':<24} {row['detail']}")


def doctor(outputs: flag.Outputs = None, as_json: flag.Json = False, config: flag.Config = None) -> None:
    """Check what a run needs on this machine, and say what to do where something is missing."""
    from igentai_orchestrator.check_up import check_up

    findings = check_up(configured(outputs=outputs, config=config))
    if as_json:
        typer.echo(orjson.dumps(findings).decode())
    else:
        for finding in findings:
            typer.echo(f"{'ok ' if finding['ok'] else 'no '} {finding['what']}: {finding['detail']}")
    if not all(finding["ok"] for finding in findings if finding["needed"]):
        raise typer.Exit(2)
