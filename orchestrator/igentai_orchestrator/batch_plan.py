"""What `igentai batch` was asked, with the `[batch]` table behind it, as a plan: whom to ask, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from igentai.batch.options import DEFAULT_CONCURRENCY, Options, rate_of, retry_list
from igentai.batch.query import Plan
from igentai.batch.route import Route
from igentai.errors import ConfigurationError
from igentai.prices import Price
from igentai_orchestrator.choice import choose
from igentai_orchestrator.settings import Settings

_NOT_IN_TABLE: Final = frozenset({"source", "output", "input_format", "failed", "resume", "overwrite"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The command as it was given; None: not said. Names are those of the flags and of the `[batch]` table."""

    source: Path
    output: Path
    input_format: str | None = None
    providers: tuple[str, ...] = ()
    template: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    parallel: bool | None = None
    concurrency: int | None = None
    rate_limit: float | str | None = None
    burst: int | None = None
    tokens_per_minute: int | None = None
    budget: float | None = None
    cache: Path | None = None
    metrics: Path | None = None
    fail_fast: bool | None = None
    retry_on: Any = None
    retry_delay: float | None = None
    retries: int | None = None
    timeout: float | None = None
    failed: Path | None = None
    resume: bool = False
    overwrite: bool = False


def with_table(asked: Asked, table: Mapping[str, Any]) -> Asked:
    """`asked` with what the `[batch]` table of igentai.toml says where no flag did.

    Raises:
        ConfigurationError: the table holds a name that is no option.
    """
    names = {f.name for f in fields(Asked)} - _NOT_IN_TABLE
    said = {("providers" if name == "provider" else name.replace("-", "_")): value for name, value in table.items()}
    unknown = said.keys() - names
    if unknown:
        raise ConfigurationError(f"[batch] {min(unknown)} is no option; there are {', '.join(sorted(names))}")
    if "providers" in said:
        given = said["providers"]
        said["providers"] = (given,) if isinstance(given, str) else tuple(given)
    for name in ("cache", "metrics"):
        if name in said:
            said[name] = Path(said[name])
    # A number of calls at once that was said on the command line is not undone by a table that says --parallel.
    if asked.parallel is not None or asked.concurrency is not None:
        said = {name: value for name, value in said.items() if name not in ("parallel", "concurrency")}
    return replace(asked, **{name: value for name, value in said.items() if getattr(asked, name) in (None, ())})


def plan_of(asked: Asked, settings: Settings) -> Plan:
    """Whom to ask and how.

    Raises:
        ConfigurationError: a value that cannot be, or a provider that is not understood.
        NoUsableProvider: a key is missing, or there is nobody.
    """
    said = {
        "burst": asked.burst, "tokens_per_minute": asked.tokens_per_minute, "fail_fast": asked.fail_fast,
        "timeout": asked.timeout, "budget_usd": asked.budget, "max_retries": asked.retries,
        "retry_delay": asked.retry_delay, "system": asked.system, "max_tokens": asked.max_tokens,
        "temperature": asked.temperature, "seed": asked.seed,
    }  # fmt: skip
    try:
        options = Options(
            max_concurrency=asked.concurrency or (DEFAULT_CONCURRENCY if asked.parallel else 1),
            rate=rate_of(asked.rate_limit),
            retry_on=retry_list(asked.retry_on),
            prices={name: Price(p.input, p.output, p.cached) for name, p in settings.prices.items()},
            limit_share=settings.limit_share,
            **{name: value for name, value in said.items() if value is not None},  # type: ignore[arg-type]  # as said
        )
    except TypeError as error:
        raise ConfigurationError(f"[batch] holds a value of the wrong type: {error}") from None
    return Plan(_routes(asked, settings), options, asked.cache, asked.metrics)


def _routes(asked: Asked, settings: Settings) -> tuple[Route, ...]:
    models = choose(asked.providers, settings).models
    if not asked.providers:
        models = models[:1]  # the rows of one output should come from one model unless a person says otherwise
    routes = []
    for model in models:
        table = settings.providers.get(model.provider)
        routes.append(
            Route(
                model.provider,
                model.model,
                settings.provider(model.provider),
                weight=model.weight or 1.0,
                requests_per_minute=int(table.requests_per_minute) if table and table.requests_per_minute else None,
                tokens_per_minute=int(table.tokens_per_minute) if table and table.tokens_per_minute else None,
                concurrency=settings.concurrency(model.provider),
            )
        )
    return tuple(routes)
