"""Whether a provider may be asked now: its limits, its breaker, and whether it is out. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from igentai.breaker import Breaker, BreakerState
from igentai.concurrency import Concurrency
from igentai.errors import FailureKind
from igentai.limits import RateLimit, Reservation
from igentai.provider_limits import ProviderLimits
from igentai.retry import counts_for_breaker, says_nothing

if TYPE_CHECKING:
    from random import Random

    from igentai.batch.options import Options
    from igentai.batch.route import Route
    from igentai.errors import ProviderError

IN_A_ROW: Final = 6
"""So many 429s without an answer between them mean that the key has no room; fewer, that one request was refused.

Where one request in ten is refused at random, six in a row happen once in a million; four cost one run of ten
thousand-prompt runs 3 s of 7 when that was tried."""

NEVER_ANSWERED_S: Final = 30.0  # a provider that has not answered once is given up sooner than one that has


class Access:
    """One provider of a batch.

    A 429 alone makes its own request wait. Several in a row pause the whole key and halve what is in flight, as the
    daemon does at the first: it has other providers to ask meanwhile, a batch usually has not.
    """

    def __init__(self, route: Route, options: Options, rng: Random) -> None:
        self.name = route.provider
        self.rate_limit_hits = self.trips = 0
        self._out: dict[str | None, tuple[str, str]] = {}  # model, None for all of them: kind, reason
        self._rng = rng
        self._outage_s = options.outage
        self._refused_in_a_row = 0
        self._answered_at = -math.inf
        self._began_at: float | None = None
        rate = RateLimit(
            _least(route.requests_per_minute, options.rate.per_minute),
            _least(route.tokens_per_minute, options.tokens_per_minute),
            options.rate.per_second,
            share=options.limit_share,
            burst=options.burst,
        )
        ceiling = min(options.max_concurrency, route.concurrency or options.max_concurrency)
        self.limits = ProviderLimits(rate, Concurrency(ceiling))
        self.breaker = Breaker()

    def out_for(self, model: str) -> tuple[str, str] | None:
        """The kind of failure and the reason why `model` is asked no more, None where it may be."""
        return self._out.get(None) or self._out.get(model)

    def put_out(self, kind: str, reason: str, model: str | None = None) -> None:
        """Ask it, or one `model` of it, no more. The first reason stands."""
        self._out.setdefault(model, (kind, reason))

    def wait_s(self, now: float, tokens: int) -> float:
        """Seconds until a request of `tokens` may go; inf where only an answer can change that."""
        held = self.breaker.wait(now)
        return held if held > 0 else self.limits.wait(now, tokens).seconds

    def too_large(self, tokens: int) -> str | None:
        return self.limits.rate.too_large(tokens)

    def take(self, now: float, tokens: int, number: int) -> Reservation:
        if self._began_at is None:
            self._began_at = now
        self.breaker.sent(now, number)
        return self.limits.take(now, tokens)

    def answered(self, now: float, number: int, taken: Reservation, tokens_used: int) -> None:
        self._answered_at = now
        self._refused_in_a_row = 0
        self.breaker.succeeded(now, number)
        self.limits.answered(taken, now, tokens_used)

    def failed(self, now: float, number: int, taken: Reservation, error: ProviderError) -> None:
        """Settle an attempt that came to nothing."""
        if counts_for_breaker(error.kind):
            before = self.breaker.state(now)
            self.breaker.failed(now, number)
            self.trips += before is not BreakerState.OPEN and self.breaker.state(now) is BreakerState.OPEN
        elif says_nothing(error.kind):
            self.breaker.forget(now, number)
        else:
            self._answered_at = now
            self.breaker.succeeded(now, number)
        if error.kind is FailureKind.RATE_LIMITED:
            self._turned_away(now, taken, error.retry_after_s)
        elif error.kind is FailureKind.CANCELLED:
            self.limits.give_back(taken)
        else:
            self.limits.failed(taken, now)

    def silent(self, now: float) -> str | None:
        """Why it is given up: its breaker is open and nothing has answered for too long."""
        if self._began_at is None or self.breaker.state(now) is BreakerState.CLOSED:
            return None
        patience = self._outage_s if self._answered_at > -math.inf else min(NEVER_ANSWERED_S, self._outage_s)
        quiet = now - max(self._began_at, self._answered_at)
        if quiet < patience:
            return None
        return f"{self.name} has not answered for {quiet:.0f} s"

    def _turned_away(self, now: float, taken: Reservation, retry_after_s: float | None) -> None:
        self.rate_limit_hits += 1
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= min(IN_A_ROW, self.limits.concurrency.limit):
            self.limits.throttled(taken, now, retry_after_s, self._rng)
        else:
            self.limits.turned_away(taken)


def _least(one: int | None, other: int | None) -> int | None:
    said = [limit for limit in (one, other) if limit is not None]
    return min(said) if said else None
