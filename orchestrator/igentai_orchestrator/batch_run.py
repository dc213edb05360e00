"""What `igentai batch` does: a plan, rows in, rows out, a progress line beside it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import uvloop

from igentai import logs
from igentai.batch.outputs import JsonLines, Output
from igentai.batch.query import Plan, opened
from igentai.batch.rows import Row, shown
from igentai.errors import NoUsableProvider
from igentai_orchestrator.batch_embedded import with_embedded
from igentai_orchestrator.batch_files import STANDARD, check_files, open_failed, open_journal, open_output, open_rows
from igentai_orchestrator.batch_plan import Asked, plan_of, with_table
from igentai_orchestrator.batch_progress import BatchProgress, summary
from igentai_orchestrator.settings import load

if TYPE_CHECKING:
    from igentai.batch.request import Query, Unasked
    from igentai.batch.result import Result
    from igentai.batch.running import Batch

INTERRUPTED: Final = 130


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
    check_files(asked)
    return asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_guarded(asked, plan, as_json=as_json))


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
        plan = replace(plan, routes=await stack.enter_async_context(with_embedded(plan.routes)))
        files = stack.enter_context(ExitStack())
        rows, total = open_rows(asked, files)
        journal = open_journal(asked, files)
        if journal is not None:
            journal.settle_unknown()
            plan = replace(plan, options=replace(plan.options, spent_usd=journal.spent_usd()))
        output = open_output(asked.output)
        files.callback(output.close)
        failures = open_failed(asked.failed) if asked.failed else None
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
