"""Batches that follow each other, and windows that overlap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from igentai.batch.flow import Wording, ask_about
from igentai.batch.query import Asking, plan_of
from igentai.batch.request import Prompt
from igentai.batch.template import filled
from igentai.errors import UsageError

if TYPE_CHECKING:
    from typing import Unpack

    from igentai.batch.result import Result
    from igentai.batch.source import Source

T = TypeVar("T")


async def batch_process(
    items: Source[T],
    prompt: Wording[T],
    *,
    batch_size: int = 10,
    on_batch: Callable[[list[tuple[T, Result]]], object] | None = None,
    **asking: Unpack[Asking],
) -> AsyncGenerator[tuple[T, Result], None]:
    """As `map`, batch after batch: the next begins when one is answered and `on_batch` has returned.

    Args:
        batch_size: items in a batch.
        on_batch: called with each batch of (item, result), for instance to store it.

    The limits hold across batches; unless said otherwise a batch is asked all at once.

    >>> import asyncio
    >>> async def main():
    ...     sizes = []
    ...     async for item, result in batch_process(
    ...             range(5), "List 2 of {item}", batch_size=2, on_batch=lambda batch: sizes.append(len(batch)),
    ...             provider="simulated:small"):
    ...         assert result.ok
    ...     return sizes
    >>> asyncio.run(main())
    [2, 2, 1]
    """
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, not {batch_size}")
    asking.setdefault("max_concurrency", batch_size)
    gate = _BatchGate(items, batch_size)
    answers = ask_about(gate.items(), prompt, plan_of(asking))
    batch: list[tuple[T, Result]] = []
    try:
        async for answer in answers:
            batch.append(answer)
            if len(batch) < batch_size and not gate.is_last(len(batch)):
                continue
            if on_batch is not None:
                on_batch(batch)
            done, batch = batch, []
            for pair in done:
                yield pair
            gate.open()
        if batch:
            if on_batch is not None:
                on_batch(batch)
            for pair in batch:
                yield pair
    finally:
        await answers.aclose()


class _BatchGate(Generic[T]):
    """Lets a batch's worth of items through, then none until it is opened again."""

    def __init__(self, items: Source[T], size: int) -> None:
        self._source, self._size = items, size
        self._left = size
        self._opened = asyncio.Event()
        self._ended_after: int | None = None  # items of the last batch, when the source has ended

    async def items(self) -> AsyncGenerator[T, None]:
        async for item in _asynchronous(self._source):
            while not self._left:
                self._opened.clear()
                await self._opened.wait()
            self._left -= 1
            yield item
        self._ended_after = self._size - self._left

    def is_last(self, answered: int) -> bool:
        return self._ended_after is not None and answered == self._ended_after

    def open(self) -> None:
        self._left = self._size
        self._opened.set()


async def windowed_analysis(
    items: Source[T],
    prompt: str | Callable[[list[T]], Prompt] = "Analyse trends in:\n{items}",
    *,
    window_size: int = 100,
    overlap: int = 10,
    **asking: Unpack[Asking],
) -> AsyncGenerator[tuple[list[T], Result], None]:
    """Ask about windows of a stream that overlap; gives (window, result) in order.

    Args:
        prompt: a function from a window to a prompt, or a template with `{items}`: the items, one a line.
        window_size: items in a window. The last may be shorter.
        overlap: items that a window shares with the one before; fewer than `window_size`.

    >>> import asyncio
    >>> async def main():
    ...     return [(window, r.ok) async for window, r in windowed_analysis(
    ...         range(7), window_size=4, overlap=1, provider="simulated:small")]
    >>> asyncio.run(main())
    [([0, 1, 2, 3], True), ([3, 4, 5, 6], True)]
    """
    if not 0 <= overlap < window_size:
        raise UsageError(f"overlap must be from 0 to {window_size - 1}, not {overlap}")

    def question(window: list[T]) -> Prompt:
        if callable(prompt):
            return prompt(window)
        return filled(prompt, {"items": "\n".join(str(item) for item in window)})

    answers = ask_about(_windows(items, window_size, overlap), question, plan_of(asking))
    try:
        async for answer in answers:
            yield answer
    finally:
        await answers.aclose()


async def _asynchronous(items: Source[T]) -> AsyncGenerator[T, None]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def _windows(items: Source[T], size: int, overlap: int) -> AsyncGenerator[list[T], None]:
    window: list[T] = []
    fresh = 0  # items of `window` that no window has had
    async for item in _asynchronous(items):
        window.append(item)
        fresh += 1
        if len(window) == size:
            yield window
            window = window[size - overlap :]
            fresh = 0
    if fresh:
        yield window
