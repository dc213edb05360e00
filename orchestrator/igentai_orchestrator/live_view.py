"""How a run goes, in the terminal: a live picture on one that can show it, a plain line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final, TextIO

from igentai.lines import legal_line
from igentai_orchestrator.progress import line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import RenderableType
    from rich.live import Live

PLAIN_EVERY_S: Final = 10.0
FIRST_AFTER_S: Final = 2.0
REFRESHED: Final = 2.0  # times a second
CLEAR_SCREEN: Final = "\x1b[H\x1b[2J"


class LiveView:
    """Shows the numbers of a run until `done`.

    Drawn by a thread of its own: a terminal that is held (Ctrl-S) stops the drawing and nothing else.

    Args:
        stream: where to; standard error by default, so that standard output stays for results.
        now: monotonic seconds.
    """

    def __init__(self, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._can_draw = self._stream.isatty() and os.environ.get("TERM") not in (None, "", "dumb", "unknown")
        self._now = now
        self._last = now() - PLAIN_EVERY_S + FIRST_AFTER_S
        self._numbers: Mapping[str, Any] = {}
        self._note = ""
        self._live: Live | None = None
        self._width = 0

    def show(self, numbers: Mapping[str, Any], note: str = "") -> None:
        """`numbers` as in metrics.json; `note` is what else there is to say, in one line."""
        self._numbers, self._note = numbers, note
        if self._can_draw:
            self._draw()
        elif self._now() - self._last >= PLAIN_EVERY_S:
            self._last = self._now()
            said = f"{legal_line(str(numbers.get('topic') or ''))}: {line(numbers)}" + (f" · {note}" if note else "")
            self._stream.write(f"{said}\n")
            self._stream.flush()

    def done(self) -> None:
        """Take the picture away and leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        if self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, force_terminal=True)
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=REFRESHED,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )
        self._live.start(refresh=True)

    def _picture(self) -> RenderableType:
        from igentai_orchestrator.panel import Panel  # Rich costs a start its time: only where it is drawn

        # A terminal that becomes narrower wraps what is there: the lines to take back can no longer be counted.
        width = os.get_terminal_size(self._stream.fileno()).columns
        if width < self._width:
            self._stream.write(CLEAR_SCREEN)
        self._width = width
        return Panel(self._numbers, self._note)
