"""What holds for a whole batch, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Final, TypeAlias

from igentai.errors import FailureKind, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from igentai.batch.stats import Progress
    from igentai.prices import Price

DEFAULT_CONCURRENCY: Final = 5
DEFAULT_TIMEOUT_S: Final = 60.0
DEFAULT_MAX_TOKENS: Final = 1024
DEFAULT_RETRIES: Final = 5  # the daemon makes 3 tries and asks elsewhere; here a prompt given up is a row lost
LEAST_WINDOW: Final = 1024  # results that may wait for an earlier one, whatever the concurrency

RetryOn: TypeAlias = "Iterable[int | str] | int | str"
_RATE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(s|sec|second|m|min|minute|h|hour))?\s*")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBERS: Final = (
    "max_concurrency", "burst", "tokens_per_minute", "timeout", "budget_usd", "max_retries", "retry_delay", "outage",
    "max_tokens", "temperature", "seed",
)  # fmt: skip
_KINDS: Final = frozenset(kind.value for kind in FailureKind)


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a minute, or a second; None: no such limit."""

    per_minute: int | None = None
    per_second: int | None = None


def rate_of(said: float | str | None) -> Rate:
    """A bare number is requests a minute; `20/s`, `600/min` and `5000/h` say which.

    Raises:
        UsageError: it is none of these, or 0.

    >>> rate_of("20/s")
    Rate(per_minute=None, per_second=20)
    >>> rate_of(600)
    Rate(per_minute=600, per_second=None)
    """
    if said is None:
        return Rate()
    found = _RATE.fullmatch(str(said))
    number = float(found[1]) if found else 0.0
    if not found or number <= 0:
        raise UsageError(f"a rate limit of {said!r} is not understood; say 600 (a minute), 20/s, 600/min or 5000/h")
    per_second = number / _SECONDS[(found[2] or "m")[0]]
    if per_second >= 1 and per_second == int(per_second) and (found[2] or "m")[0] == "s":
        return Rate(per_second=int(per_second))
    return Rate(per_minute=max(1, int(per_second * 60)))


def retry_list(said: RetryOn | None) -> frozenset[int | str] | None:
    """HTTP statuses and kinds of failure to ask again on, in a list or as `"429,503"`; `5xx` is every status from 500.

    Raises:
        UsageError: an entry is neither.
    """
    if said is None:
        return None
    entries: set[int | str] = set()
    listed = str(said).split(",") if isinstance(said, (int, str)) else said
    for entry in listed:
        text = str(entry).strip().lower()
        if text.isdecimal() and 100 <= int(text) <= 599:
            entries.add(int(text))
        elif text == "5xx":
            entries.update(range(500, 600))
        elif text in _KINDS:
            entries.add(text)
        else:
            raise UsageError(f"retry-on {entry!r} is not understood; say statuses such as 429,503 or kinds: {_named()}")
    return frozenset(entries)


def _named() -> str:
    return ", ".join(sorted(_KINDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a batch is run.

    Args:
        max_concurrency: calls in flight at most; 1 is one after the other.
        rate: requests a minute or a second.
        burst: requests that may go at once after a rest; None: evenly.
        tokens_per_minute: of prompts and replies together.
        fail_fast: at the first failure call off what runs and mark the rest.
        timeout: seconds for one attempt.
        budget_usd: spend at most so much; a prompt that could cost more than what is left is not asked.
        spent_usd: of the budget, by an earlier run of the same batch.
        max_retries: times a failed prompt is asked again. 429s do not count.
        retry_on: statuses and kinds to ask again on; None: 429, 408, 409, 5xx, timeouts, resets, garbage.
        retry_delay: the first delay in seconds; it doubles, with full jitter, and Retry-After is never undercut.
        outage: seconds without any answer after which a provider counts as out.
        system, max_tokens, temperature, seed: for prompts that do not say their own.
        on_progress: called with a `Progress` whenever something ended.
        prices: USD per million tokens by `provider:model`, over the price list.
        limit_share: part of each limit that is aimed at.

    Raises:
        UsageError: a value that cannot be.
    """

    max_concurrency: int = DEFAULT_CONCURRENCY
    rate: Rate = field(default_factory=Rate)
    burst: int | None = None
    tokens_per_minute: int | None = None
    fail_fast: bool = False
    timeout: float = DEFAULT_TIMEOUT_S
    budget_usd: float | None = None
    spent_usd: float = 0.0
    max_retries: int = DEFAULT_RETRIES
    retry_on: frozenset[int | str] | None = None
    retry_delay: float = 0.5
    outage: float = 300.0
    system: str | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    temperature: float | None = None
    seed: int | None = None
    on_progress: Callable[[Progress], object] | None = None
    prices: dict[str, Price] = field(default_factory=dict)
    limit_share: float = 0.95

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
                raise UsageError(f"{name} must be a number, not {value!r}")
        for name in ("max_concurrency", "max_tokens", "burst", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be 1 or more, not {value}")
        for name in ("timeout", "outage"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be more than 0 seconds, not {getattr(self, name)}")
        for name in ("max_retries", "retry_delay", "budget_usd"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UsageError(f"{name} must be 0 or more, not {value}")

    @property
    def unresolved(self) -> int:
        """Prompts that may be under way or waiting to be asked again, at most.

        Twice the concurrency: one that waits for its Retry-After leaves its place to another.
        """
        return 2 * self.max_concurrency

    @property
    def window(self) -> int:
        """How far results may run ahead of the first that is not there yet."""
        return max(LEAST_WINDOW, 4 * self.max_concurrency)
