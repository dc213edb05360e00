"""Writes what came while the last write ran, in one transaction, off the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class GroupCommit(Generic[T]):
    """One writer. `put` never waits; who puts must bound what is under way.

    Args:
        write: makes a group durable or raises. Called in a thread, never twice at once.
        written: called on the event loop with each group that is durable.
        woken: called on the event loop after each group, and when a write failed.
    """

    def __init__(
        self, write: Callable[[Sequence[T]], None], written: Callable[[Sequence[T]], None], woken: Callable[[], None]
    ) -> None:
        self._write, self._written, self._woken = write, written, woken
        self._pending: list[T] = []
        self._some = asyncio.Event()
        self._closing = False
        self.error: Exception | None = None

    @property
    def pending(self) -> int:
        return len(self._pending)

    def put(self, item: T) -> None:
        self._pending.append(item)
        self._some.set()

    async def run(self) -> None:
        """Until `close`. A write that fails is not tried again: its error is kept for whoever drives."""
        while not (self._closing and not self._pending):
            await self._some.wait()
            self._some.clear()
            if not self._pending:
                continue
            try:
                await self._flush()
            except Exception as error:  # disk full, damaged, read-only: the batch cannot go on
                self.error = error
                self._woken()
                return
            self._woken()

    def close(self) -> None:
        """Write what is left, then end."""
        self._closing = True
        self._some.set()

    async def _flush(self) -> None:
        group, self._pending = self._pending, []
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, group))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing  # a transaction is not left half-way
            self._written(group)
            raise
        self._written(group)
