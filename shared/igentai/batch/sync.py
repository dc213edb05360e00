"""The library for programs without an event loop: the same names, the same arguments, answers instead of awaitables.

    from igentai import sync

    for result in sync.query_parallel(["Capital of France?", "Capital of Peru?"], provider="openai:gpt-4o-mini"):
        print(result.text)

Functions that stream in the asynchronous form give an iterator here too; it reads its source as it is read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from igentai.batch import flow, query, templates, windows
from igentai.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from igentai.batch.flow import Processed, Wording
    from igentai.batch.query import Asking, PipelineResult, Step
    from igentai.batch.request import Prompt
    from igentai.batch.result import Result
    from igentai.batch.templates import Categorised, Finding

T = TypeVar("T")
R = TypeVar("R")


def query_parallel(prompts: Iterable[Prompt], **asking: Unpack[Asking]) -> list[Result]:
    """See `igentai.query_parallel`.

    >>> [result.ok for result in query_parallel(["List 3 rivers", "List 3 lakes"], provider="simulated:small")]
    [True, True]
    """
    return _run(lambda: query.query_parallel(prompts, **asking))


def query_pipeline(
    steps: Sequence[Step | Prompt], *, use_context: bool = False, **asking: Unpack[Asking]
) -> PipelineResult:
    """See `igentai.query_pipeline`."""
    return _run(lambda: query.query_pipeline(steps, use_context=use_context, **asking))


def query_with_retry(prompt: Prompt, **asking: Unpack[Asking]) -> Result:
    """See `igentai.query_with_retry`."""
    return _run(lambda: query.query_with_retry(prompt, **asking))


def map(  # noqa: A001 - the name of the asynchronous form
    items: Iterable[T], prompt: Wording[T], **asking: Unpack[Asking]
) -> Iterator[tuple[T, Result]]:
    """See `igentai.map`.

    >>> [(item, result.ok) for item, result in map(["rivers", "lakes"], "List 3 {item}", provider="simulated:small")]
    [('rivers', True), ('lakes', True)]
    """
    return _iterated(lambda: flow.map(items, prompt, **asking))


def filter_map(
    items: Iterable[T],
    prompt: Wording[T],
    *,
    on_unclear: Callable[[T, Result], object] | None = None,
    **asking: Unpack[Asking],
) -> Iterator[T]:
    """See `igentai.filter_map`."""
    return _iterated(lambda: flow.filter_map(items, prompt, on_unclear=on_unclear, **asking))


def batch_process(
    items: Iterable[T],
    prompt: Wording[T],
    *,
    batch_size: int = 10,
    on_batch: Callable[[list[tuple[T, Result]]], object] | None = None,
    **asking: Unpack[Asking],
) -> Iterator[tuple[T, Result]]:
    """See `igentai.batch_process`."""
    return _iterated(lambda: windows.batch_process(items, prompt, batch_size=batch_size, on_batch=on_batch, **asking))


def process_stream(
    items: Iterable[T], prompt: Wording[T], *, window: int | None = None, **asking: Unpack[Asking]
) -> Iterator[tuple[T, Result]]:
    """See `igentai.process_stream`."""
    return _iterated(lambda: flow.process_stream(items, prompt, window=window, **asking))


def windowed_analysis(
    items: Iterable[T],
    prompt: str | Callable[[list[T]], Prompt] = "Analyse trends in:\n{items}",
    *,
    window_size: int = 100,
    overlap: int = 10,
    **asking: Unpack[Asking],
) -> Iterator[tuple[list[T], Result]]:
    """See `igentai.windowed_analysis`."""
    return _iterated(
        lambda: windows.windowed_analysis(items, prompt, window_size=window_size, overlap=overlap, **asking)
    )


def process_with_retry(
    items: Iterable[T], prompt: Wording[T], *, rounds: int = 2, **asking: Unpack[Asking]
) -> Processed[T]:
    """See `igentai.process_with_retry`."""
    return _run(lambda: flow.process_with_retry(items, prompt, rounds=rounds, **asking))


def analyze_codebase(
    path: str | Path,
    analyses: Sequence[str] | Mapping[str, str] = ("security", "quality", "documentation"),
    *,
    suffixes: Sequence[str] = templates.SUFFIXES,
    **asking: Unpack[Asking],
) -> dict[str, list[Finding]]:
    """See `igentai.analyze_codebase`."""
    return _run(lambda: templates.analyze_codebase(path, analyses, suffixes=suffixes, **asking))


def categorize_documents(
    documents: Iterable[T],
    categories: Sequence[str],
    *,
    content: Callable[[T], str] | None = None,
    **asking: Unpack[Asking],
) -> Categorised:
    """See `igentai.categorize_documents`."""
    return _run(lambda: templates.categorize_documents(documents, categories, content=content, **asking))


def _run(call: Callable[[], Coroutine[Any, Any, R]]) -> R:
    _no_loop_here()
    with asyncio.Runner(loop_factory=_loop()) as runner:
        return runner.run(call())


def _iterated(call: Callable[[], AsyncGenerator[R, None]]) -> Iterator[R]:
    """Drives the stream one answer at a time; calls in flight go on only while an answer is waited for."""
    _no_loop_here()
    return _driven(call)


def _driven(call: Callable[[], AsyncGenerator[R, None]]) -> Iterator[R]:
    with asyncio.Runner(loop_factory=_loop()) as runner:
        stream = call()
        try:
            while True:
                try:
                    yield runner.run(_next(stream))
                except StopAsyncIteration:
                    return
        finally:
            runner.run(stream.aclose())


async def _next(stream: AsyncGenerator[R, None]) -> R:
    return await anext(stream)


def _loop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


def _no_loop_here() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        "an event loop runs here already: await the asynchronous form, igentai.query_parallel and its like"
    )
