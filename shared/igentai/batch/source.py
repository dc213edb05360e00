"""Prompts as they are read: from a list, a generator or an asynchronous source, one at a time, only when wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Sized
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Source: TypeAlias = Iterable[T] | AsyncIterable[T]


class Feed(Generic[T]):
    """Reads a source. An ordinary iterable is read at once when asked; an asynchronous one by `run`, at most two
    items ahead.

    Args:
        source: see above.
        woken: called when an item came or the source ended.
    """

    def __init__(self, source: Source[T], woken: Callable[[], None]) -> None:
        self.total = len(source) if isinstance(source, Sized) else None
        self.asynchronous = isinstance(source, AsyncIterable)
        self._exhausted = False
        self.error: Exception | None = None
        self._source = source
        self._iterator = None if isinstance(source, AsyncIterable) else iter(source)
        self._woken = woken
        self._ahead: list[T] = []
        self._wanted = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether every item has been read."""
        return self._exhausted and not self._ahead

    def end(self) -> None:
        """Read no more; what is ahead is dropped."""
        self._exhausted = True
        self._ahead.clear()

    def read(self) -> tuple[T] | None:
        """The next item in a tuple, None where there is none now; then look at `ended`."""
        if self._iterator is not None:
            try:
                return (next(self._iterator),)
            except StopIteration:
                self._exhausted = True
                return None
        if self._ahead:
            return (self._ahead.pop(0),)
        if self.error is not None:
            raise self.error
        self._wanted.set()
        return None

    async def run(self) -> None:
        """Read an asynchronous source, an item for each time one was wanted."""
        assert isinstance(self._source, AsyncIterable)
        iterator = aiter(self._source)
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                self._ahead.append(await anext(iterator))
                self._woken()
        except StopAsyncIteration:
            self._exhausted = True
        except Exception as error:  # raised to whoever reads: an exception out of a task would cancel the wrong one
            self.error = error
        self._woken()
