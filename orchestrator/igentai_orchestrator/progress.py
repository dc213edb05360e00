"""The progress line of a run in the terminal: live on a terminal, one plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from igentai_orchestrator.run import Daemon

PLAIN_EVERY_S: Final = 10.0
CLEAR: Final = "\r\x1b[2K"


def line(numbers: dict[str, Any]) -> str:
    """What a run has brought, in one line of plain text."""
    requests = numbers["requests"]
    repeats = numbers.get("repeats_share")
    parts = [
        f"{numbers['unique_attributes']} unique",
        f"{numbers.get('unique_per_minute') or 0:.0f}/min",
        f"{requests['ok'] + requests['failed']} requests"
        + (f" ({requests['failed']} failed)" if requests["failed"] else ""),
        f"{100 * repeats:.0f} % repeats" if repeats is not None else "no repeats yet",
        f"${numbers['cost_usd']:.4f}",
        clock(numbers["elapsed_s"]),
    ]
    return " · ".join(parts)


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ProgressLine:
    """Rewrites one line on a terminal; elsewhere writes a new one every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._last = time.monotonic() - PLAIN_EVERY_S + 2.0

    def __call__(self, daemon: Daemon) -> None:
        spec, campaign = daemon.spec, daemon.desk.books.campaign
        if spec is None or campaign is None:
            return
        now = time.monotonic()
        if not self._live and now - self._last < PLAIN_EVERY_S:
            return
        self._last = now
        text = f"{spec.topic}: {line(campaign.statistics.snapshot(now))}"
        self._stream.write(f"{CLEAR}{text[: _width()]}" if self._live else f"{text}\n")
        self._stream.flush()

    def done(self) -> None:
        if self._live:
            self._stream.write(CLEAR)
            self._stream.flush()


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns - 1
