"""How this process ends, and with which exit code. The first word counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from igentai_orchestrator.daemon.state import State

INTERRUPTED: Final = 130


class Outcome:
    """`interrupted`: a person, or for `explore` anybody, wanted it to end. `failure` is what it broke at."""

    def __init__(self) -> None:
        self.interrupted = False
        self.failure: BaseException | None = None
        self._code: int | None = None
        self._decided = asyncio.Event()

    def exit(self, code: int) -> None:
        """Nothing is left to do, or a person does not want to wait."""
        if self._code is None:
            self._code = code
        self._decided.set()

    def fail(self, error: BaseException) -> None:
        """Note at once what cannot be mended; `give_up` ends the process, on the event loop."""
        self.failure = error

    def give_up(self) -> None:
        self._decided.set()

    async def decided(self) -> None:
        """Wait until the process is to end."""
        await self._decided.wait()

    def exit_code(self, state: State) -> int:
        """What the process answers.

        Raises:
            BaseException: what it broke at.
        """
        if self.failure is not None:
            raise self.failure
        if self.interrupted:
            return INTERRUPTED
        if self._code:
            return self._code
        if state.until_done and state.ended:
            return state.ended[-1].exit_code
        return 0
