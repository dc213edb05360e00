"""A pipeline in the shape of Broadway: a producer, processors that ask, batchers by size or time, acknowledgement.

    source ──▶ processors (calls in flight) ──▶ route ──▶ batcher ──▶ handler ──▶ acknowledge(succeeded, failed)

Back-pressure runs the other way: a handler that is slow makes its batcher, then the processors, then the reading of the
source wait. A message is acknowledged once, after its handler returned, as failed where its call or its handler failed.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from igentai.batch.flow import Wording, process_stream
from igentai.errors import UsageError

if TYPE_CHECKING:
    from typing import Unpack

    from igentai.batch.query import Asking
    from igentai.batch.result import Result
    from igentai.batch.source import Source

T = TypeVar("T")

DEFAULT: Final = "default"
BATCHES_WAITING: Final = 2  # messages waiting for a batcher, in batches of its size


@dataclass(slots=True)
class Message(Generic[T]):
    """One item on its way. `error` None while nothing failed; a handler may set it to fail this message alone."""

    data: T
    result: Result
    error: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.error is None

    def failed(self, reason: str) -> None:
        """Mark this message as failed."""
        self.error = reason


@dataclass(frozen=True, slots=True)
class Batcher(Generic[T]):
    """Collects messages and hands them over together.

    Args:
        handler: gets a list of messages; an ordinary function or a coroutine function. An exception fails them all.
        size: messages in a batch at most.
        timeout: seconds after its first message that a batch waits for more.
    """

    handler: Callable[[list[Message[T]]], Awaitable[object] | object]
    size: int = 10
    timeout: float = 1.0


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """How many messages were acknowledged, and as what; how many batches were handed over."""

    succeeded: int
    failed: int
    batches: int


class Pipeline(Generic[T]):
    """Ask about every item of a source and hand the answers over in batches.

    Args:
        source: an iterable or an asynchronous one, also without end.
        prompt: a function from an item to a prompt, or a template, as for `igentai.map`.
        batchers: by name; one alone may be given as itself.
        route: the name of the batcher that a message goes to; every message to the only one where not said.
        acknowledge: called with lists of succeeded and failed messages, each message once; may be a coroutine function.
        processors: calls in flight.
        asking: the options of `query_parallel`.

    Messages whose call failed go to no batcher; they are acknowledged as failed.

    >>> stored = []
    >>> pipeline = Pipeline(["rivers", "lakes", "seas"], "List 3 {item}",
    ...     batchers=Batcher(stored.append, size=2), processors=2, provider="simulated:small")
    >>> asyncio.run(pipeline.run())
    PipelineReport(succeeded=3, failed=0, batches=2)
    >>> [len(batch) for batch in stored]
    [2, 1]
    """

    def __init__(
        self,
        source: Source[T],
        prompt: Wording[T],
        *,
        batchers: Batcher[T] | Mapping[str, Batcher[T]],
        route: Callable[[Message[T]], str] | None = None,
        acknowledge: Callable[[list[Message[T]], list[Message[T]]], Awaitable[object] | object] | None = None,
        processors: int = 10,
        **asking: Unpack[Asking],
    ) -> None:
        self._batchers = {DEFAULT: batchers} if isinstance(batchers, Batcher) else dict(batchers)
        if not self._batchers:
            raise UsageError("a pipeline needs a batcher: say batchers=Batcher(handler)")
        for name, batcher in self._batchers.items():
            if batcher.size < 1 or not batcher.timeout > 0:
                raise UsageError(f"batcher {name!r} needs a size of 1 or more and a timeout over 0 s")
        if route is None and len(self._batchers) > 1:
            raise UsageError("with several batchers say route=, a function from a message to the name of one")
        self._only = next(iter(self._batchers))
        self._route = route
        self._acknowledge = acknowledge
        self._source, self._prompt, self._processors, self._asking = source, prompt, processors, asking
        self._succeeded = self._failed = self._batches = 0

    async def run(self) -> PipelineReport:
        """Until the source ends; what has been collected by then is handed over first.

        Raises:
            UsageError: `route` named no batcher.
            Exception: whatever the source or `acknowledge` raised; what runs is called off.
        """
        waiting = {
            name: asyncio.Queue[Message[T] | None](BATCHES_WAITING * batcher.size)
            for name, batcher in self._batchers.items()
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, batcher in self._batchers.items():
                    group.create_task(self._collect(batcher, waiting[name]))
                await self._process(waiting)
                for queue in waiting.values():
                    await queue.put(None)
        except ExceptionGroup as group_of:
            raise group_of.exceptions[0] from None
        return PipelineReport(self._succeeded, self._failed, self._batches)

    async def _process(self, waiting: Mapping[str, asyncio.Queue[Message[T] | None]]) -> None:
        answers = process_stream(self._source, self._prompt, window=self._processors, **self._asking)
        try:
            async for data, result in answers:
                message = Message(data, result, result.error.message if result.error else None)
                if not message.ok:
                    await self._acknowledged([message])
                    continue
                name = self._route(message) if self._route is not None else self._only
                if name not in waiting:
                    raise UsageError(f"route named {name!r}, and the batchers are {', '.join(waiting)}")
                await waiting[name].put(message)
        finally:
            await answers.aclose()

    async def _collect(self, batcher: Batcher[T], queue: asyncio.Queue[Message[T] | None]) -> None:
        """Batches of one batcher, one at a time."""
        while (first := await queue.get()) is not None:
            batch, ended = [first], False
            try:
                async with asyncio.timeout(batcher.timeout):
                    while len(batch) < batcher.size and not ended:
                        message = await queue.get()
                        ended = message is None
                        if message is not None:
                            batch.append(message)
            except TimeoutError:
                pass  # the batch goes as it is
            await self._hand_over(batcher, batch)
            if ended:
                return

    async def _hand_over(self, batcher: Batcher[T], batch: list[Message[T]]) -> None:
        self._batches += 1
        try:
            await _awaited(batcher.handler(batch))
        except Exception as error:  # the handler is the user's; a batch that it could not take fails, the rest goes on
            for message in batch:
                message.failed(f"the handler failed: {type(error).__name__}: {error}")
        await self._acknowledged(batch)

    async def _acknowledged(self, messages: list[Message[T]]) -> None:
        succeeded = [message for message in messages if message.ok]
        failed = [message for message in messages if not message.ok]
        self._succeeded += len(succeeded)
        self._failed += len(failed)
        if self._acknowledge is not None:
            await _awaited(self._acknowledge(succeeded, failed))


async def _awaited(value: Awaitable[object] | object) -> None:
    if inspect.isawaitable(value):
        await value
