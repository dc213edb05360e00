"""Every command of `igentai`. The only place that reaches into the producer package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import orjson
import typer
from typer.exceptions import TyperException

import igentai
from igentai import logs
from igentai.errors import ConfigurationError, IgentaiError, UsageError
from igentai.providers.base import Secret
from igentai_orchestrator import options as opt
from igentai_orchestrator.batch_command import batch
from igentai_orchestrator.commission import Commission, read_categories
from igentai_orchestrator.remote import cert
from igentai_orchestrator.service import app as service
from igentai_orchestrator.settings import Settings, load, read_secret

INTERRUPTED: Final = 130

app = typer.Typer(
    name="igentai",
    help="Give it a topic; it gets every item language models know about it, and stops when there is no more to get.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The console script: one line for what a person can mend, and the exit code that goes with it."""
    try:
        code = app(prog_name="igentai", standalone_mode=False)
    except TyperException as error:
        if not error.format_message():  # `igentai` alone: the help was shown
            sys.exit(UsageError.exit_code)
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "igentai"
        _say_and_leave(f"{error.format_message()} (see {command} --help)", UsageError.exit_code)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except IgentaiError as error:
        _say_and_leave(str(error), error.exit_code)
    except BaseExceptionGroup as group:
        ours = _deliberate(group)
        if ours is None:
            raise
        _say_and_leave(str(ours), ours.exit_code)
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _say_and_leave(line: str, code: int) -> NoReturn:
    typer.echo(f"igentai: {' '.join(line.split())}", err=True)
    sys.exit(code)


def _deliberate(group: BaseExceptionGroup[BaseException]) -> IgentaiError | None:
    """The first error of ours in a group, None where there is another kind beside it."""
    ours, others = group.split(IgentaiError)
    if others is not None or ours is None:
        return None
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, IgentaiError) else None


def _settings(**flags: Any) -> Settings:
    settings = load(**flags)
    names = ("openai", "anthropic", "gemini", *settings.providers)
    keys: list[Secret] = []
    for name in names:
        try:
            keys += settings.provider(name).keys
        except IgentaiError:
            continue
    logs.configure(level=settings.log_level, secrets=keys)
    return settings


def _run(main: Any) -> int:
    import uvloop

    code: int = uvloop.run(main)
    return code


@app.command(rich_help_panel="Run")
def explore(
    topic: Annotated[str, typer.Argument(help='What to list, for instance "Paris attractions".')],
    producers: opt.Producers = None,
    provider: opt.Providers = None,
    outputs: opt.Outputs = None,
    max_attributes: opt.MaxAttributes = None,
    max_requests: opt.MaxRequests = None,
    budget: opt.Budget = None,
    budget_per_hour: opt.BudgetPerHour = None,
    max_minutes: opt.MaxMinutes = None,
    until_coverage: opt.UntilCoverage = None,
    min_yield: opt.MinYield = None,
    saturation: opt.Saturation = True,
    prompt: opt.Prompt = None,
    request_size: opt.RequestSize = None,
    concurrency: opt.Concurrency = None,
    temperature: opt.Temperature = None,
    optimise: opt.OptimiseFor = opt.Optimise.cost,
    policy: opt.PolicyName = opt.PolicyChoice.learned,
    partition: opt.Partition = opt.PartitionChoice.auto,
    categories: opt.Categories = None,
    verify: opt.Verify = False,
    near_duplicates: opt.NearDuplicates = opt.Near.group,
    overwrite: opt.Overwrite = False,
    resume: opt.Resume = False,
    port: opt.Port = None,
    host: opt.Host = None,
    no_auth: opt.NoAuth = False,
    insecure: opt.Insecure = False,
    as_json: opt.Json = False,
    seed: opt.Seed = 0,
    config: opt.Config = None,
    log_level: opt.LogLevel = None,
) -> None:
    """Get every item of one topic, then end.

    [bold]Examples[/bold]

    igentai explore "dog breeds"
    igentai explore "Paris attractions" --provider openai:gpt-4o-mini --budget 0.50
    igentai explore "cities" -n 8 --max-requests 200 --json
    """
    from igentai_orchestrator.live_view import LiveView
    from igentai_orchestrator.run import Daemon

    settings = _settings(
        outputs=outputs, host=host, auth=False if no_auth else None, insecure=insecure or None, config=config,
        log_level=log_level or "warning", budget_per_hour=budget_per_hour,
    )  # fmt: skip
    asked = Commission(
        topic, tuple(provider or ()), producers, concurrency, request_size, prompt, temperature, max_attributes,
        max_requests, budget, max_minutes, until_coverage, min_yield, saturation, optimise.value, policy.value,
        partition.value, read_categories(categories) if categories else (), verify, near_duplicates.value, seed,
        overwrite, resume,
    )  # fmt: skip
    asked = _ask_what_to_do(asked, settings)
    view = LiveView()
    daemon = Daemon(settings, until_done=True, watch=None if as_json else view.show, announce=_announce)
    code = 1
    try:
        code = _run(daemon.main([asked], port=port))
    finally:
        view.done()
    _tell_end(daemon, settings, as_json)
    raise typer.Exit(code)


def _announce(text: str) -> None:
    typer.echo(text, err=True)


def _ask_what_to_do(asked: Commission, settings: Settings) -> Commission:
    """A topic that exists: ask on a terminal, unless a flag said it."""
    from dataclasses import replace

    from igentai_orchestrator.shell.archive import Archive

    if asked.overwrite or asked.resume or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return asked
    if not asked.topic.strip() or Archive(settings.outputs).existing(asked.topic) is None:
        return asked
    answer = typer.prompt(
        f"{asked.topic!r} is there already. [r]esume it, [o]verwrite it, or [c]ancel?", default="r", err=True
    )
    choice = answer.strip().lower()[:1]
    if choice not in ("r", "o"):
        raise typer.Exit(2)
    return replace(asked, resume=choice == "r", overwrite=choice == "o")


def _tell_end(daemon: Any, settings: Settings, as_json: bool) -> None:
    from igentai_orchestrator.progress import line

    for ended in daemon.state.ended:
        if as_json:
            typer.echo(orjson.dumps(ended.metrics).decode())
            continue
        path = settings.outputs / ended.spec.folder / "output.txt"
        typer.echo(f"{path}: {line(ended.metrics)}")
        typer.echo(f"{ended.status}: {ended.reason}")


@app.command(rich_help_panel="Run")
def orchestrator(
    producers: opt.Producers = None,
    port: opt.Port = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Start with this topic.")] = None,
    provider: opt.Providers = None,
    outputs: opt.Outputs = None,
    max_attributes: opt.MaxAttributes = None,
    max_requests: opt.MaxRequests = None,
    budget: opt.Budget = None,
    budget_per_hour: opt.BudgetPerHour = None,
    max_minutes: opt.MaxMinutes = None,
    prompt: opt.Prompt = None,
    request_size: opt.RequestSize = None,
    concurrency: opt.Concurrency = None,
    overwrite: opt.Overwrite = False,
    resume: opt.Resume = False,
    host: opt.Host = None,
    no_auth: opt.NoAuth = False,
    insecure: opt.Insecure = False,
    producer_host: Annotated[str | None, typer.Option(help="Where producers connect. [default: 127.0.0.1]")] = None,
    producer_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port for producers.")] = None,
    seed: opt.Seed = 0,
    config: opt.Config = None,
    log_level: opt.LogLevel = None,
) -> None:
    """The daemon: keeps producers at work on one topic after the other, with a page on -p.

    [bold]Examples[/bold]

    igentai orchestrator -n 8 -p 8080
    igentai orchestrator -p 8080 --topic "dog breeds"
    """
    from igentai_orchestrator.run import Daemon

    flags = {
        "producers": producers, "port": port, "outputs": outputs, "host": host, "auth": False if no_auth else None,
        "insecure": insecure or None, "producer_host": producer_host, "producer_port": producer_port,
        "config": config, "log_level": log_level, "budget_per_hour": budget_per_hour,
    }  # fmt: skip
    settings = _settings(**flags)
    first = []
    if topic is not None:
        asked = Commission(
            topic, tuple(provider or ()), None, concurrency, request_size, prompt, None, max_attributes, max_requests,
            budget, max_minutes, seed=seed, overwrite=overwrite, resume=resume,
        )  # fmt: skip
        first.append(_ask_what_to_do(_resume_by_itself(asked, settings), settings))
    daemon = Daemon(settings, reload=lambda: load(**flags), announce=_announce)
    raise typer.Exit(_run(daemon.main(first, port=settings.port)))


def _resume_by_itself(asked: Commission, settings: Settings) -> Commission:
    """A daemon that was killed and is started with the same words goes on where it was."""
    from dataclasses import replace

    from igentai_orchestrator.shell.archive import Archive

    if asked.overwrite or asked.resume or not asked.topic.strip():
        return asked
    archive = Archive(settings.outputs)
    folder = archive.existing(asked.topic)
    cut_off = any(s.folder == folder and s.status == "interrupted" for s in archive.topics())
    return replace(asked, resume=True) if cut_off else asked


@app.command(rich_help_panel="Run")
def producer(
    orchestrator_addr: Annotated[
        str, typer.Option("--orchestrator-addr", metavar="HOST:PORT", help="Whom to work for.")
    ],
    secret_file: Annotated[
        Path | None, typer.Option(help="File (0600) with the secret of the run. [env: IGENTAI_PRODUCER_SECRET_FILE]")
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="TLS: certificate of the authority.")] = None,
    cert: Annotated[Path | None, typer.Option("--cert", help="TLS: this producer's certificate.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="TLS: its key.")] = None,
    spool: Annotated[Path | None, typer.Option(help="Folder for answers not yet acknowledged.")] = None,
    reconnect_for: Annotated[float, typer.Option(min=0.0, help="Minutes to wait for a lost orchestrator.")] = 10.0,
    config: opt.Config = None,
    log_level: opt.LogLevel = None,
) -> None:
    """One worker for an orchestrator, also on another machine. The orchestrator spawns its own by itself.

    One on another machine needs the files that `igentai cert` makes.
    """
    from igentai_orchestrator.remote import tls_of_producer
    from igentai_orchestrator.settings import KNOWN
    from igentai_producer.run import run

    settings = _settings(
        producer_secret_file=secret_file, producer_ca=ca, producer_cert=cert, producer_key=key, config=config,
        log_level=log_level,
    )  # fmt: skip
    path = settings.producer_secret_file
    if path is None:
        raise ConfigurationError(
            "a producer needs the secret of its orchestrator: say --secret-file, or set IGENTAI_PRODUCER_SECRET_FILE"
        )
    secret, tls = read_secret(path), tls_of_producer(orchestrator_addr, settings)
    specs = {}
    for name in {*KNOWN, *settings.providers}:
        try:
            specs[name] = settings.provider(name)
        except IgentaiError:
            continue  # no key for it here: this producer will say so if it is asked
    folder = spool or Path.home() / ".local" / "state" / "igentai" / "spool"
    code = run(
        orchestrator_addr, secret=secret, providers=specs, spool=folder, reconnect_for_s=60 * reconnect_for, tls=tls
    )
    raise typer.Exit(code)


app.command(rich_help_panel="Run")(batch)


@app.command(rich_help_panel="Results")
def topics(outputs: opt.Outputs = None, as_json: opt.Json = False, config: opt.Config = None) -> None:
    """List the topics there are."""
    from dataclasses import asdict

    from igentai_orchestrator.shell.archive import Archive

    settings = _settings(outputs=outputs, config=config)
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


@app.command(rich_help_panel="Results")
def export(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    fmt: Annotated[str, typer.Option("--format", "-f", help="txt, jsonl, csv or sqlite.")] = "txt",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write. [default: standard output]")
    ] = None,
    outputs: opt.Outputs = None,
    config: opt.Config = None,
) -> None:
    """Write a topic's attributes with where they came from.

    [bold]Example[/bold]: igentai export "dog breeds" -f csv -o breeds.csv
    """
    from igentai_orchestrator.shell import archive

    if fmt not in ("txt", "jsonl", "csv", "sqlite"):
        raise UsageError(f"--format {fmt} is not known; say txt, jsonl, csv or sqlite")
    settings = _settings(outputs=outputs, config=config)
    reader = archive.Reader(settings.outputs / _folder(topic, settings))
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


@app.command(rich_help_panel="Results")
def replay(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    policy: opt.PolicyName = opt.PolicyChoice.fixed,
    outputs: opt.Outputs = None,
    as_json: opt.Json = False,
    config: opt.Config = None,
) -> None:
    """How another policy would have fared with the answers that a topic has paid for. Makes no request."""
    from dataclasses import asdict

    from igentai_orchestrator.core import replay as again
    from igentai_orchestrator.core.asking import expected_cost
    from igentai_orchestrator.daemon.terms import price_table
    from igentai_orchestrator.shell.archive import Archive, Reader

    settings = _settings(outputs=outputs, config=config)
    folder = _folder(topic, settings)
    spec = Archive(settings.outputs).load_spec(folder)
    prices = price_table(settings)
    costs = {m.key: expected_cost(prices, m.provider, m.model, 40) for m in spec.models}
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


def _folder(topic: str, settings: Settings) -> str:
    from igentai_orchestrator.shell.archive import Archive

    archive = Archive(settings.outputs)
    if any(topic == s.folder for s in archive.topics()):
        return topic
    folder = archive.existing(topic) if topic.strip() else None
    if folder is None:
        raise UsageError(f"there is no topic {topic!r} in {settings.outputs}; `igentai topics` lists them")
    return folder


@app.command(rich_help_panel="Daemon")
def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing it until Ctrl-C.")] = False,
    outputs: opt.Outputs = None,
    as_json: opt.Json = False,
    config: opt.Config = None,
) -> None:
    """What the running daemon is doing.

    [bold]Examples[/bold]

    igentai status --watch
    igentai status --json
    """
    from igentai_orchestrator.client import Client
    from igentai_orchestrator.progress import line
    from igentai_orchestrator.watching import read, watch_status

    settings = _settings(outputs=outputs, config=config)
    if watch:
        watch_status(settings.outputs, as_json=as_json)
    document = read(Client(settings.outputs))
    running = document.get("topic")
    if as_json:
        typer.echo(orjson.dumps(document).decode())
        return
    typer.echo(f"daemon {document['version']} · pid {document['pid']} · {len(document['producers'])} producers")
    if running:
        typer.echo(f"{running['topic']}: {line(document['metrics'])}")
    else:
        typer.echo("no topic is running")
    for queued in document["queue"]:
        typer.echo(f"waiting: {queued}")
    for alert in document["alerts"]:
        typer.echo(f"{alert['level']}: {alert['text']}")


@app.command(rich_help_panel="Daemon")
def start(
    topic: Annotated[str, typer.Argument(help="What to list.")],
    provider: opt.Providers = None,
    producers: opt.Producers = None,
    max_attributes: opt.MaxAttributes = None,
    max_requests: opt.MaxRequests = None,
    budget: opt.Budget = None,
    max_minutes: opt.MaxMinutes = None,
    prompt: opt.Prompt = None,
    request_size: opt.RequestSize = None,
    overwrite: opt.Overwrite = False,
    resume: opt.Resume = False,
    outputs: opt.Outputs = None,
    config: opt.Config = None,
) -> None:
    """Have the running daemon start a topic, or queue it."""
    from igentai_orchestrator.client import Client

    client = Client(_settings(outputs=outputs, config=config).outputs)
    body = {
        "topic": topic, "providers": provider or None, "producers": producers, "max_attributes": max_attributes,
        "max_requests": max_requests, "budget": budget, "max_minutes": max_minutes, "prompt": prompt,
        "request_size": request_size, "overwrite": overwrite, "resume": resume,
    }  # fmt: skip
    row = client.post("/api/topics", {name: value for name, value in body.items() if value is not None})
    typer.echo(f"{row['id']}: {row.get('status', 'queued')}")


@app.command(rich_help_panel="Daemon")
def stop(
    topic: Annotated[str | None, typer.Argument(help="Folder of the topic. [default: the running one]")] = None,
    outputs: opt.Outputs = None,
    config: opt.Config = None,
) -> None:
    """Have the running daemon end a topic; what is under way gets a few seconds."""
    from igentai_orchestrator.client import Client

    settings = _settings(outputs=outputs, config=config)
    client = Client(settings.outputs)
    running = client.get("/api/status").get("topic")
    name = topic or (running["id"] if running else None)
    if name is None:
        raise UsageError("no topic is running; `igentai topics` lists what there is")
    row = client.post(f"/api/topics/{name}/stop")
    typer.echo(f"{row['id']}: stopping")


@app.command(rich_help_panel="Daemon")
def resume(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    outputs: opt.Outputs = None,
    config: opt.Config = None,
) -> None:
    """Have the running daemon go on with a topic that ended."""
    from igentai_orchestrator.client import Client

    settings = _settings(outputs=outputs, config=config)
    row = Client(settings.outputs).post(f"/api/topics/{_folder(topic, settings)}/resume")
    typer.echo(f"{row['id']}: {row.get('status', 'queued')}")


@app.command(rich_help_panel="Daemon")
def providers(
    provider: opt.Providers = None,
    default: Annotated[bool, typer.Option("--default", help="Only what a run without --provider would ask.")] = False,
    as_json: opt.Json = False,
    config: opt.Config = None,
) -> None:
    """Which providers can be asked from here, and which would be."""
    from igentai_orchestrator.check_up import provider_rows
    from igentai_orchestrator.choice import choose, needs_embedded

    settings = _settings(config=config)
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


@app.command(rich_help_panel="Daemon")
def doctor(outputs: opt.Outputs = None, as_json: opt.Json = False, config: opt.Config = None) -> None:
    """Check what a run needs on this machine, and say what to do where something is missing."""
    from igentai_orchestrator.check_up import check_up

    findings = check_up(_settings(outputs=outputs, config=config))
    if as_json:
        typer.echo(orjson.dumps(findings).decode())
    else:
        for finding in findings:
            typer.echo(f"{'ok ' if finding['ok'] else 'no '} {finding['what']}: {finding['detail']}")
    if not all(finding["ok"] for finding in findings if finding["needed"]):
        raise typer.Exit(2)


@app.command(rich_help_panel="Daemon")
def fsck(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    mend: Annotated[bool, typer.Option("--mend", help="Mend what can be mended from the ledger.")] = False,
    outputs: opt.Outputs = None,
    config: opt.Config = None,
) -> None:
    """Check a topic's files against its ledger."""
    from igentai_orchestrator.shell.archive import fsck as check

    settings = _settings(outputs=outputs, config=config)
    report = check(settings.outputs / _folder(topic, settings), mend=mend)
    for finding in report.findings:
        typer.echo(f"{finding.what}{f': {finding.mended}' if finding.mended else ''}")
    if not report.findings:
        typer.echo("everything is as the ledger says")
    raise typer.Exit(0 if report.sound else 1)


app.command(rich_help_panel="Daemon")(cert)
app.add_typer(service, name="service", rich_help_panel="Daemon")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(igentai.__version__)
        raise typer.Exit
