"""How far a batch is: a bar on a terminal, a plain line a second elsewhere; and the line at its end."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

from igentai_orchestrator.progress import clock

if TYPE_CHECKING:
    from types import TracebackType

    from igentai.batch.running import Batch
    from igentai.batch.stats import Progress

PLAIN_EVERY_S: Final = 1.0
BAR_EVERY_S: Final = 0.1


class BatchProgress:
    """Says how far `batch` is, on standard error, while it is entered. By a timer: also while nothing comes."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task("", total=None, said="")
            self._bar.start()
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._bar is not None:
            self._show()
            self._bar.stop()

    def _wait(self) -> None:
        every_s = PLAIN_EVERY_S if self._bar is None else BAR_EVERY_S
        self._timer = asyncio.get_running_loop().call_later(every_s, self._tick)

    def _tick(self) -> None:
        self._show()
        self._wait()

    def _show(self) -> None:
        progress = self._batch.progress()
        said = line(progress, time.monotonic() - self._began, self._batch.resumed)
        if self._bar is not None:
            self._bar.update(self._task, total=progress.total, completed=progress.completed, said=said)
            return
        sys.stderr.write(f"{_count(progress)} · {said}\n")
        sys.stderr.flush()


def line(progress: Progress, elapsed_s: float, resumed: int) -> str:
    """Running, failed, money and the time left, as far as that can be known.

    Args:
        elapsed_s: seconds since this run began.
        resumed: answers that an earlier run had paid for; they tell nothing of how fast this one is.
    """
    parts = [f"{progress.running} running", f"{progress.failed} failed"]
    if progress.retrying:
        parts.append(f"{progress.retrying} to be asked again")
    parts.append(f"${progress.cost_usd:.4f}")
    done = progress.completed - resumed
    if progress.total is not None and done > 0:
        left = (progress.total - progress.completed) * elapsed_s / done
        parts.append(f"ETA {clock(left)}")
    return " · ".join(parts)


def summary(batch: Batch) -> str:
    """What a batch came to, in one line."""
    stats = batch.tally.snapshot()
    kinds = ", ".join(f"{n} {kind}" for kind, n in batch.failures.most_common())
    failed = f"{stats.failed} failed ({kinds})" if kinds else f"{stats.failed} failed"
    parts = [f"{stats.succeeded} answered", failed, f"{stats.calls} calls", f"${stats.cost_usd:.4f}"]
    if batch.resumed:
        parts.insert(1, f"{batch.resumed} of them before")
    if stats.cache_hits:
        parts.append(f"{stats.cache_hits} from the cache")
    if batch.cut_short:
        parts.append(f"{batch.cut_short} replies reached --max-tokens")
    return " · ".join(parts)


def _count(progress: Progress) -> str:
    return f"{progress.completed}/{progress.total}" if progress.total is not None else f"{progress.completed} done"


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    return Progress(*columns, console=Console(stderr=True), auto_refresh=True)
