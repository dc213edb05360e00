"""Ask many prompts, a chain of them, or one with patience."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from igentai.batch.accounts import routes_of
from igentai.batch.cache import Cache
from igentai.batch.clients import connected
from igentai.batch.metrics import BatchMetrics, record_metrics
from igentai.batch.options import Options, rate_of, retry_list
from igentai.batch.request import Prompt, Query, Unasked, as_query, with_prompt
from igentai.batch.result import Failure, Result
from igentai.batch.running import Batch
from igentai.batch.stats import TALLY
from igentai.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
    from typing import Unpack

    from igentai.batch.accounts import Whom
    from igentai.batch.journal import Journal
    from igentai.batch.options import RetryOn
    from igentai.batch.route import Route
    from igentai.batch.source import Source
    from igentai.batch.stats import Progress
    from igentai.prices import Price


class Asking(TypedDict, total=False):
    """The options that every function of the library takes, by keyword. All may be left out.

    provider: `"openai:gpt-4o-mini"`, a `Route`, or several; None: the first whose key is set.
    max_concurrency: calls in flight at most (5).
    rate_limit: requests a minute, or `"20/s"`, `"600/min"`.
    burst: requests that may go at once after a rest.
    tokens_per_minute: of prompts and replies together.
    fail_fast: at the first failure call off what runs, mark what was not asked.
    timeout: seconds for one attempt (60).
    budget_usd: spend at most so much.
    cache: a folder (or a file `*.db`) of answers to ask nobody for again.
    metrics: a SQLite file that gets one row a batch.
    on_progress: called with a `Progress` when something ended.
    max_retries, retry_on, retry_delay: see `query_with_retry`.
    system, max_tokens, temperature, seed: what prompts that do not say their own are asked with.
    prices: USD per million tokens by `provider:model`, where the price list is wrong or silent.
    """

    provider: Whom
    max_concurrency: int
    rate_limit: float | str | None
    burst: int | None
    tokens_per_minute: int | None
    fail_fast: bool
    timeout: float
    budget_usd: float | None
    cache: str | Path | None
    metrics: str | Path | None
    on_progress: Callable[[Progress], object] | None
    max_retries: int
    retry_on: RetryOn | None
    retry_delay: float
    system: str | None
    max_tokens: int
    temperature: float | None
    seed: int | None
    prices: dict[str, Price]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a call of the library comes to."""

    routes: tuple[Route, ...]
    options: Options
    cache: Path | None = None
    metrics: Path | None = None


def plan_of(asking: Asking) -> Plan:
    """Check and resolve options.

    Raises:
        UsageError: an option that does not exist, or a value that cannot be.
        NoUsableProvider: a key is missing.
    """
    said: dict[str, Any] = dict(asking)
    unknown = said.keys() - Asking.__annotations__.keys()
    if unknown:
        name, names = min(unknown), sorted(Asking.__annotations__)
        near = get_close_matches(name, names, n=1)
        said_well = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise UsageError(f"no option is called {name!r}; {said_well}")
    cache, metrics = said.pop("cache", None), said.pop("metrics", None)
    routes = routes_of(said.pop("provider", None))
    rate, retry_on = rate_of(said.pop("rate_limit", None)), retry_list(said.pop("retry_on", None))
    options = Options(rate=rate, retry_on=retry_on, **said)
    return Plan(routes, options, Path(cache) if cache else None, Path(metrics) if metrics else None)


@asynccontextmanager
async def opened(plan: Plan, *, journal: Journal | None = None, mark_rest: bool = True) -> AsyncIterator[Batch]:
    """A batch ready to run, its clients connected. What it counted goes into `stats()` when it is over.

    Raises:
        ConfigurationError: a budget, and a price that nobody knows.
        StorageError: the cache cannot be used.
    """
    options = plan.options
    cache = Cache(plan.cache) if plan.cache is not None else None
    try:
        async with connected(plan.routes, options.max_concurrency) as clients:
            batch = Batch(
                plan.routes, clients, options, cache=cache, journal=journal, mark_rest=mark_rest, seed=options.seed
            )
            unknown = batch.schedule.unpriced if options.budget_usd is not None else None
            if unknown is not None:
                raise ConfigurationError(
                    f"a budget needs the price of {unknown}, which is in no price list: say "
                    f"prices={{{unknown!r}: Price(input=…, output=…)}} (USD per million tokens), or "
                    f'[prices."{unknown}"] in igentai.toml; or leave the budget out'
                )
            metrics = BatchMetrics.begun(batch.record.batch, options.max_concurrency)
            try:
                yield batch
            finally:
                TALLY.add(batch.tally)
                if plan.metrics is not None:
                    record_metrics(plan.metrics, metrics.ended(batch.tally.snapshot()))
    finally:
        if cache is not None:
            cache.close()


async def results_of(
    source: Source[Prompt | Unasked], plan: Plan, *, mark_rest: bool = True, total: int | None = None
) -> AsyncGenerator[Result, None]:
    """Results of any source, in its order, as they come."""
    async with opened(plan, mark_rest=mark_rest) as batch:
        results = batch.results(source, total)
        try:
            async for result in results:
                yield result
        finally:
            await results.aclose()


async def query_parallel(prompts: Iterable[Prompt], **asking: Unpack[Asking]) -> list[Result]:
    """Ask many prompts at once. Results stand in the order of the prompts, whatever came first.

    A prompt that failed has its place too, with `error` set and the others' answers beside it. Options: `Asking`.

    Raises:
        UsageError: a prompt or an option that cannot be.
        NoUsableProvider: a key is missing.

    >>> import asyncio
    >>> results = asyncio.run(query_parallel(
    ...     ["List 3 rivers", Query("List 3 lakes", id="lakes")], provider="simulated:small", max_concurrency=2))
    >>> [(r.index, r.id, r.ok, r.attempts) for r in results]
    [(0, None, True, 1), (1, 'lakes', True, 1)]
    """
    if isinstance(prompts, str):
        raise UsageError("prompts is one text, and each of its letters would be asked; say [text]")
    queries = [as_query(prompt) for prompt in prompts]
    return [result async for result in results_of(queries, plan_of(asking))]


async def query_with_retry(prompt: Prompt, **asking: Unpack[Asking]) -> Result:
    """Ask one prompt, again where that can help.

    Args:
        prompt: text or a Query.
        asking: `max_retries` (5) further attempts; `retry_delay` (0.5 s), the first delay, doubles with full jitter,
            and a provider's Retry-After is never undercut; `retry_on` such as `[429, 503, "timeout"]` replaces the rule
            (429, 408, 409, 5xx, timeouts, resets, garbage). And the others of `Asking`.

    >>> import asyncio
    >>> result = asyncio.run(query_with_retry(
    ...     "List 5 rivers", provider="simulated:world?fail=0.5&seed=2", max_retries=8, retry_delay=0.01))
    >>> result.ok, result.attempts >= 1
    (True, True)
    """
    (result,) = await query_parallel([prompt], **asking)
    return result


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pipeline.

    Args:
        prompt: text or a Query with options of its own. `{previous}` stands for the output of the step before; where
            it is not said the output follows the prompt.
        name: how a failure names it; its number otherwise.
        provider: whom this step asks; None: whom the pipeline asks.
    """

    prompt: Prompt
    name: str | None = None
    provider: Whom = None


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """`text` is the last step's output. `failed_step` names the step that failed, None where all succeeded."""

    text: str
    steps: tuple[Result, ...]
    failed_step: str | None = None
    error: Failure | None = None

    @property
    def ok(self) -> bool:
        return self.failed_step is None

    @property
    def cost_usd(self) -> float:
        """USD of all steps; those without a known price count nothing."""
        return sum(step.cost_usd or 0.0 for step in self.steps)


async def query_pipeline(
    steps: Sequence[Step | Prompt], *, use_context: bool = False, **asking: Unpack[Asking]
) -> PipelineResult:
    """Ask one prompt after the other, each with the output of the one before. Stops at the step that fails.

    Args:
        steps: texts, queries with options of their own, or `Step`s with a name.
        use_context: give each step the prompts and outputs of all steps before it, not only the last output.
        asking: as for `query_parallel`; `budget_usd` is for all steps together.

    Raises:
        UsageError: no step, or an option that cannot be.

    >>> import asyncio
    >>> done = asyncio.run(query_pipeline(
    ...     ["List 3 rivers", Step("Give 3 towns for these: {previous}", name="towns")], provider="simulated:small"))
    >>> done.ok, len(done.steps), done.text == done.steps[-1].text
    (True, 2, True)
    """
    if not steps:
        raise UsageError("a pipeline without steps has no result; give at least one")
    plan = plan_of(asking)
    done: list[tuple[str, Result]] = []
    for number, said in enumerate(steps):
        step = said if isinstance(said, Step) else Step(said)
        query = as_query(step.prompt)
        spent = plan.options.spent_usd + sum(result.cost_usd or 0.0 for _, result in done)
        here = replace(
            plan,
            routes=routes_of(step.provider) if step.provider is not None else plan.routes,
            options=replace(plan.options, spent_usd=spent),
        )
        asked = with_prompt(query, _led_on(query.prompt, done, use_context=use_context))
        (result,) = [r async for r in results_of([asked], here)]
        result = replace(result, index=number)
        done.append((query.prompt, result))
        if result.error is not None:
            name = step.name or f"step {number + 1}"
            return PipelineResult("", tuple(r for _, r in done), name, result.error)
    return PipelineResult(done[-1][1].text, tuple(r for _, r in done))


def _led_on(prompt: str, done: list[tuple[str, Result]], *, use_context: bool) -> str:
    """`prompt` with what came before."""
    if not done:
        return prompt
    last = done[-1][1].text
    filled = prompt.replace("{previous}", last)
    if use_context:
        turns = "\n\n".join(f"{number}. {asked}\n{result.text}" for number, (asked, result) in enumerate(done, 1))
        return f"Context from previous steps:\n{turns}\n\nNow:\n{filled}"
    return filled if "{previous}" in prompt else f"{prompt}\n\n{last}"


__all__ = [
    "Asking", "PipelineResult", "Query", "Step", "query_parallel", "query_pipeline", "query_with_retry",
]  # fmt: skip
