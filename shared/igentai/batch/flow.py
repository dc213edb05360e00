"""Ask about items: of a list, of a stream without end, of windows over a stream.

Every function reads its source only as fast as answers are taken, keeps the order, and holds no more than a bounded
number of items. `prompt` is a function from an item to a text or a `Query`, or a template: `"Summarise: {text}"`, with
the item's fields filled in, or the item itself as `{item}`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from igentai.batch.query import Asking, plan_of, results_of
from igentai.batch.request import Prompt, as_query, with_prompt
from igentai.batch.template import filled
from igentai.batch.verdict import ASK_YES_OR_NO, NO, YES, verdict
from igentai.errors import UsageError

if TYPE_CHECKING:
    from typing import Unpack

    from igentai.batch.query import Plan
    from igentai.batch.result import Result
    from igentai.batch.source import Source

T = TypeVar("T")
Wording: TypeAlias = str | Callable[[T], Prompt]


def map(  # noqa: A001 - the name users know; called as igentai.map
    items: Source[T], prompt: Wording[T], **asking: Unpack[Asking]
) -> AsyncGenerator[tuple[T, Result], None]:
    """Ask about each item; gives (item, result) in order, as they come.

    >>> import asyncio
    >>> async def main():
    ...     return [(item, r.ok) async for item, r in map(
    ...         ["rivers", "lakes"], "List 3 {item}", provider="simulated:small")]
    >>> asyncio.run(main())
    [('rivers', True), ('lakes', True)]
    """
    return ask_about(items, prompt, plan_of(asking))


def process_stream(
    items: Source[T], prompt: Wording[T], *, window: int | None = None, **asking: Unpack[Asking]
) -> AsyncGenerator[tuple[T, Result], None]:
    """As `map`, for a source that may never end: a queue, a socket, a log that grows.

    Args:
        window: calls in flight at most, the same as `max_concurrency`.

    The source is read when there is room for another call: a slow provider, or a slow consumer, makes it wait.

    >>> import asyncio, itertools
    >>> async def main():
    ...     answers = process_stream(itertools.count(), "List 2 of {item}", window=3, provider="simulated:small")
    ...     first = [item async for item, result in take(answers, 4)]
    ...     await answers.aclose()
    ...     return first
    >>> asyncio.run(main())
    [0, 1, 2, 3]
    """
    if window is not None:
        asking["max_concurrency"] = window
    return ask_about(items, prompt, plan_of(asking), mark_rest=False)


async def take(answers: AsyncIterable[T], n: int) -> AsyncGenerator[T, None]:
    """The first `n` of a stream."""
    if n < 1:
        return
    left = n
    async for answer in answers:
        yield answer
        left -= 1
        if not left:
            return


async def filter_map(
    items: Source[T],
    prompt: Wording[T],
    *,
    yes: tuple[str, ...] = YES,
    no: tuple[str, ...] = NO,
    on_unclear: Callable[[T, Result], object] | None = None,
    **asking: Unpack[Asking],
) -> AsyncGenerator[T, None]:
    """The items whose answer is yes, in order.

    The verdict is read strictly (`igentai.batch.verdict`): a yes somewhere in a sentence is none. An item whose answer
    is neither yes nor no, or failed, is left out and told to `on_unclear`.

    Args:
        prompt: a question with a yes or a no. "Answer with one word: yes or no." is added where the usual words hold.
        yes, no: the words that count.

    >>> import asyncio
    >>> async def main():
    ...     doubtful = []
    ...     found = [item async for item in filter_map(
    ...         ["water", "stone"], "Is {item} wet?", on_unclear=lambda item, result: doubtful.append(item),
    ...         provider="simulated:small")]
    ...     return found, doubtful
    >>> asyncio.run(main())  # a simulated model answers with a list, which is neither yes nor no
    ([], ['water', 'stone'])
    """
    usual = (yes, no) == (YES, NO)

    def question(item: T) -> Prompt:
        query = as_query(_worded(prompt, item))
        return with_prompt(query, f"{query.prompt}\n\n{ASK_YES_OR_NO}") if usual else query

    answers = ask_about(items, question, plan_of(asking))
    try:
        async for item, result in answers:
            said = verdict(result.text, yes, no) if result.ok else None
            if said:
                yield item
            elif said is None and on_unclear is not None:
                on_unclear(item, result)
    finally:
        await answers.aclose()


@dataclass(frozen=True, slots=True)
class Processed(Generic[T]):
    """What `process_with_retry` came to: (item, result) of those that succeeded and of those that never did."""

    succeeded: tuple[tuple[T, Result], ...]
    dead_letters: tuple[tuple[T, Result], ...]


async def process_with_retry(
    items: Source[T], prompt: Wording[T], *, rounds: int = 2, **asking: Unpack[Asking]
) -> Processed[T]:
    """Ask about each item, and once more about those that failed when all others are done.

    Each attempt has its own retries (`max_retries`); a round comes after all of the one before, which gives a provider
    that was down time to come back. Order is that of the items.

    Args:
        rounds: how often an item is taken up, at most.

    >>> import asyncio
    >>> done = asyncio.run(process_with_retry(
    ...     ["rivers", "lakes"], "List 3 {item}", provider="simulated:small"))
    >>> len(done.succeeded), done.dead_letters
    (2, ())
    """
    if rounds < 1:
        raise UsageError(f"rounds must be 1 or more, not {rounds}")
    plan = plan_of(asking)
    answers = {n: pair async for n, pair in _numbered(ask_about(items, prompt, plan))}
    for _ in range(rounds - 1):
        failed = [(n, item) for n, (item, result) in answers.items() if not result.ok]
        if not failed:
            break
        again = ask_about([item for _, item in failed], prompt, plan)
        async for place, pair in _numbered(again):
            answers[failed[place][0]] = pair
    return Processed(
        tuple(pair for pair in answers.values() if pair[1].ok),
        tuple(pair for pair in answers.values() if not pair[1].ok),
    )


# -- what they share ----------------------------------------------------------------------------------------------


async def ask_about(
    items: Source[T], prompt: Wording[T], plan: Plan, *, mark_rest: bool = True
) -> AsyncGenerator[tuple[T, Result], None]:
    """(item, result) in order; see `igentai.batch.running.Batch` for `mark_rest`."""
    under_way: deque[T] = deque()  # in order, as the results are; as many as the batch holds
    total = len(items) if isinstance(items, Sized) else None
    results = results_of(_prompts(items, prompt, under_way), plan, mark_rest=mark_rest, total=total)
    try:
        async for result in results:
            yield under_way.popleft(), result
    finally:
        await results.aclose()


def _prompts(items: Source[T], prompt: Wording[T], under_way: deque[T]) -> Source[Prompt]:
    if isinstance(items, AsyncIterable):
        return _prompts_asynchronous(items, prompt, under_way)
    return _prompts_at_once(items, prompt, under_way)


def _prompts_at_once(items: Iterable[T], prompt: Wording[T], under_way: deque[T]) -> Iterable[Prompt]:
    for item in items:
        worded = _worded(prompt, item)
        under_way.append(item)
        yield worded


async def _prompts_asynchronous(
    items: AsyncIterable[T], prompt: Wording[T], under_way: deque[T]
) -> AsyncGenerator[Prompt, None]:
    async for item in items:
        worded = _worded(prompt, item)
        under_way.append(item)
        yield worded


def _worded(prompt: Wording[T], item: T) -> Prompt:
    return prompt(item) if callable(prompt) else filled(prompt, item)


async def _numbered(
    answers: AsyncGenerator[tuple[T, Result], None],
) -> AsyncGenerator[tuple[int, tuple[T, Result]], None]:
    number = 0
    try:
        async for pair in answers:
            yield number, pair
            number += 1
    finally:
        await answers.aclose()
