"""What `igentai batch` does: settings and flags into a plan, rows in, rows out, a progress line beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import orjson
import uvloop

from igentai import logs
from igentai.batch.journal import Journal
from igentai.batch.options import DEFAULT_CONCURRENCY, Options, rate_of, retry_list
from igentai.batch.outputs import JsonLines, Output, check_name, output_at
from igentai.batch.query import Plan, opened
from igentai.batch.route import Route
from igentai.batch.rows import InputFormat, Row, count_rows, format_of, format_of_line, read_rows, shown
from igentai.errors import ConfigurationError, NoUsableProvider, UsageError
from igentai.prices import Price
from igentai.providers import embedded
from igentai_orchestrator.batch_progress import BatchProgress, summary
from igentai_orchestrator.choice import choose
from igentai_orchestrator.settings import Settings, load

if TYPE_CHECKING:
    from igentai.batch.request import Query
    from igentai.batch.result import Result
    from igentai.batch.running import Batch, Unasked

STANDARD: Final = Path("-")
EMBEDDED_READY_S: Final = 60.0
INTERRUPTED: Final = 130
_NOT_IN_TABLE: Final = frozenset({"source", "output", "input_format", "failed", "resume", "overwrite"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The command as it was given; None: not said. Names are those of the flags and of the `[batch]` table."""

    source: Path
    output: Path
    input_format: str | None = None
    providers: tuple[str, ...] = ()
    template: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    parallel: bool | None = None
    concurrency: int | None = None
    rate_limit: float | str | None = None
    burst: int | None = None
    tokens_per_minute: int | None = None
    budget: float | None = None
    cache: Path | None = None
    metrics: Path | None = None
    fail_fast: bool | None = None
    retry_on: Any = None
    retry_delay: float | None = None
    retries: int | None = None
    timeout: float | None = None
    failed: Path | None = None
    resume: bool = False
    overwrite: bool = False


def run(asked: Asked, *, config: Path | None = None, log_level: str | None = None, as_json: bool = False) -> int:
    """The exit code.

    Raises:
        UsageError: something that was said cannot be; nothing has been asked.
        NoUsableProvider: there is nobody to ask.
        StorageError: a file cannot be written; with --resume a later run goes on.
    """
    settings = load(config=config, log_level=log_level or "warning")
    asked = with_table(asked, settings.batch)
    plan = plan_of(asked, settings)
    logs.configure(level=settings.log_level, secrets=[r.spec.key for r in plan.routes if r.spec and r.spec.key])
    _check_files(asked)
    return asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_guarded(asked, plan, as_json=as_json))


def with_table(asked: Asked, table: Mapping[str, Any]) -> Asked:
    """`asked` with what the `[batch]` table of igentai.toml says where no flag did.

    Raises:
        ConfigurationError: the table holds a name that is no option.
    """
    names = {f.name for f in fields(Asked)} - _NOT_IN_TABLE
    said = {("providers" if name == "provider" else name.replace("-", "_")): value for name, value in table.items()}
    unknown = said.keys() - names
    if unknown:
        raise ConfigurationError(f"[batch] {min(unknown)} is no option; there are {', '.join(sorted(names))}")
    if "providers" in said:
        given = said["providers"]
        said["providers"] = (given,) if isinstance(given, str) else tuple(given)
    for name in ("cache", "metrics"):
        if name in said:
            said[name] = Path(said[name])
    # A number of calls at once that was said on the command line is not undone by a table that says --parallel.
    if asked.parallel is not None or asked.concurrency is not None:
        said = {name: value for name, value in said.items() if name not in ("parallel", "concurrency")}
    return replace(asked, **{name: value for name, value in said.items() if getattr(asked, name) in (None, ())})


def plan_of(asked: Asked, settings: Settings) -> Plan:
    """Whom to ask and how.

    Raises:
        ConfigurationError: a value that cannot be, or a provider that is not understood.
        NoUsableProvider: a key is missing, or there is nobody.
    """
    said = {
        "burst": asked.burst, "tokens_per_minute": asked.tokens_per_minute, "fail_fast": asked.fail_fast,
        "timeout": asked.timeout, "budget_usd": asked.budget, "max_retries": asked.retries,
        "retry_delay": asked.retry_delay, "system": asked.system, "max_tokens": asked.max_tokens,
        "temperature": asked.temperature, "seed": asked.seed,
    }  # fmt: skip
    try:
        options = Options(
            max_concurrency=asked.concurrency or (DEFAULT_CONCURRENCY if asked.parallel else 1),
            rate=rate_of(asked.rate_limit),
            retry_on=retry_list(asked.retry_on),
            prices={name: Price(p.input, p.output, p.cached) for name, p in settings.prices.items()},
            limit_share=settings.limit_share,
            **{name: value for name, value in said.items() if value is not None},  # type: ignore[arg-type]  # as said
        )
    except TypeError as error:
        raise ConfigurationError(f"[batch] holds a value of the wrong type: {error}") from None
    return Plan(_routes(asked, settings), options, asked.cache, asked.metrics)


def _routes(asked: Asked, settings: Settings) -> tuple[Route, ...]:
    models = choose(asked.providers, settings).models
    if not asked.providers:
        models = models[:1]  # the rows of one output should come from one model unless a person says otherwise
    routes = []
    for model in models:
        table = settings.providers.get(model.provider)
        routes.append(
            Route(
                model.provider,
                model.model,
                settings.provider(model.provider),
                weight=model.weight or 1.0,
                requests_per_minute=int(table.requests_per_minute) if table and table.requests_per_minute else None,
                tokens_per_minute=int(table.tokens_per_minute) if table and table.tokens_per_minute else None,
                concurrency=settings.concurrency(model.provider),
            )
        )
    return tuple(routes)


def journal_path(output: Path) -> Path:
    """Where the journal of an output stands: beside it."""
    return output.with_name(f"{output.name}.journal")


def _check_files(asked: Asked) -> None:
    if asked.source != STANDARD and not asked.source.is_file():
        raise UsageError(f"there is no file {asked.source}; check the path, or say - for standard input")
    named = [path.resolve() for path in (asked.source, asked.output, asked.failed) if path and path != STANDARD]
    if len(set(named)) < len(named):
        raise UsageError("IN, OUT and --failed must be different files")
    if asked.resume and asked.overwrite:
        raise UsageError("--overwrite and --resume contradict each other; say one")
    if asked.output == STANDARD:
        if asked.resume:
            raise UsageError("--resume needs an output file: say -o OUT.jsonl")
        return
    check_name(asked.output)
    for path, flag in ((asked.output, "-o"), (asked.failed, "--failed")):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}; make it, or choose another {flag}")
    there = asked.output.exists() or journal_path(asked.output).exists()
    if there and not (asked.resume or asked.overwrite):
        raise UsageError(
            f"{asked.output} is there already: say --resume to ask what is missing, or --overwrite to start again"
        )


async def _guarded(asked: Asked, plan: Plan, *, as_json: bool) -> int:
    """Ctrl-C and SIGTERM call off what runs and keep what was answered; a second one ends at once."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def interrupted() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        return await _run(asked, plan, as_json=as_json)
    except asyncio.CancelledError:
        sys.stderr.write("igentai: interrupted; what was answered is kept: run again with --resume\n")
        return INTERRUPTED


async def _run(asked: Asked, plan: Plan, *, as_json: bool) -> int:
    async with AsyncExitStack() as stack:
        plan = replace(plan, routes=await stack.enter_async_context(_started(plan.routes)))
        files = stack.enter_context(ExitStack())
        rows, total = _rows(asked, files)
        journal = _journal(asked, files)
        if journal is not None:
            journal.settle_unknown()
            plan = replace(plan, options=replace(plan.options, spent_usd=journal.spent_usd()))
        output = _output(asked.output)
        files.callback(output.close)
        failures = JsonLines(_open_failed(asked.failed), str(asked.failed)) if asked.failed else None
        if failures is not None:
            files.callback(failures.close)
        batch = await stack.enter_async_context(opened(plan, journal=journal))
        with BatchProgress(batch):
            await _write(batch, rows, total, output, failures)
    return _tell_end(asked, batch, as_json=as_json)


async def _write(
    batch: Batch, rows: Iterator[Row], total: int | None, output: Output, failures: JsonLines | None
) -> None:
    under_way: deque[Row] = deque()  # as many as the batch's window

    def prompts() -> Iterator[Query | Unasked]:
        for row in rows:
            under_way.append(row)
            yield row.asks

    results = batch.results(prompts(), total)
    try:
        async for result in results:
            row = under_way.popleft()
            output.write(result)
            if failures is not None and not result.ok:
                failures.put(_failed_row(row, result))
    finally:
        await results.aclose()


def _failed_row(row: Row, result: Result) -> dict[str, Any]:
    """The row as it stood, so that the file can be asked again as it is, with why it failed."""
    assert result.error is not None
    error = {"kind": result.error.kind, "message": result.error.message, "status": result.error.status}
    return {**shown(row.fields), "index": result.index, "error": error}


def _rows(asked: Asked, files: ExitStack) -> tuple[Iterator[Row], int | None]:
    """The rows, the first read already: where it cannot be asked the command ends before anything is written."""
    fmt = cast("InputFormat | None", asked.input_format)
    total: int | None = None
    lines: Iterator[str]
    if asked.source == STANDARD:
        first_line = sys.stdin.readline()
        fmt = fmt or format_of_line(first_line)
        lines = _and_then([first_line] if first_line else [], sys.stdin)
    else:
        fmt = fmt or format_of(asked.source)
        total = count_rows(asked.source, fmt)
        lines = files.enter_context(
            asked.source.open(encoding="utf-8-sig", errors="replace", newline="" if fmt == "csv" else None)
        )
    rows = read_rows(lines, fmt, asked.template)
    first = next(rows, None)
    return _and_then([] if first is None else [first], rows), total


def _and_then(first: list[Any], rest: Any) -> Iterator[Any]:
    yield from first
    yield from rest


def _journal(asked: Asked, files: ExitStack) -> Journal | None:
    if asked.output == STANDARD:
        return None
    path = journal_path(asked.output)
    if not asked.resume:
        path.unlink(missing_ok=True)
    journal = Journal(path)
    files.callback(journal.close)
    return journal


def _output(path: Path) -> Output:
    if path == STANDARD:
        return JsonLines(os.fdopen(os.dup(sys.stdout.fileno()), "wb"), "standard output")
    return output_at(path)


def _open_failed(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another --failed") from None


def _tell_end(asked: Asked, batch: Batch, *, as_json: bool) -> int:
    stats = batch.tally.snapshot()
    if as_json and asked.output != STANDARD:
        document = {f.name: getattr(stats, f.name) for f in fields(stats)} | {
            "average_cost_usd": stats.average_cost_usd, "average_duration_ms": stats.average_duration_ms,
            "cache_hit_rate": stats.cache_hit_rate, "failures": dict(batch.failures), "resumed": batch.resumed,
        }  # fmt: skip
        sys.stdout.write(orjson.dumps(document).decode() + "\n")
    sys.stderr.write(f"{summary(batch)}\n")
    out = batch.schedule.all_out
    if out is not None and not stats.succeeded:
        raise NoUsableProvider(out[1])
    return 4 if stats.failed else 0


@asynccontextmanager
async def _started(routes: tuple[Route, ...]) -> AsyncIterator[tuple[Route, ...]]:
    """The routes, with the embedded model running where one of them asks it."""
    if all(route.provider != "embedded" for route in routes):
        yield routes
        return
    missing = embedded.available()
    if missing is not None:
        raise NoUsableProvider(missing)
    sys.stderr.write(f"igentai: asking {embedded.BANNER}\n")
    process = await asyncio.create_subprocess_exec(
        *embedded.command(os.getpid()), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(EMBEDDED_READY_S):
                ready = await process.stdout.readline()
        except TimeoutError:
            raise NoUsableProvider(f"the embedded model was not ready in {EMBEDDED_READY_S:g} s; run again") from None
        url = embedded.base_url(ready)
        yield tuple(
            replace(r, spec=replace(r.spec, base_url=url)) if r.provider == "embedded" and r.spec else r for r in routes
        )
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
