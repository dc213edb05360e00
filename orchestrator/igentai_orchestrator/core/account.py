"""One key of a provider: its limits, its breaker, and whether it is out."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Final

from igentai.breaker import Breaker, BreakerState
from igentai.concurrency import Concurrency
from igentai.errors import FailureKind
from igentai.limits import RateLimit, Reservation
from igentai.provider_limits import ProviderLimits
from igentai.retry import counts_for_breaker, says_nothing
from igentai_orchestrator.core.arrangement import ProviderTerms

if TYPE_CHECKING:
    from igentai.limits import RateHeaders

CEILING: Final = 64
GROWTH: Final = 1.5
"""Of a breaker's pauses: 5 s, 7.5 s, 11 s, 17 s, 25 s … up to 300 s. Doubled, they would wake up from an outage of a
minute 15 s after its end; so it is 6 s, with 5 probes in that minute instead of 3."""
IN_A_ROW: Final = 5
"""So many 429s without an answer between them mean that a key has no room, whatever it did before. Where one request in
ten is turned away at random, that happens once in some 70,000."""
SERVED: Final = 8
"""After so many answers a single 429 says something of its own request, not of the key."""


class Account:
    """One key as the desk sees it.

    A 429 to a key that has not shown that it works pauses the whole key and halves what is in flight. One to a key that
    goes on answering holds back its own request alone: else a server that turns away a tenth of all requests at random
    would stand idle most of the time. A pause that turns out to have been of this kind, because requests sent no
    earlier were answered, is ended.

    Args:
        number: from 0, as assignments name it.
        source: where the key comes from, for the line that mends it.
        share: the part of its rate limits to aim at.
    """

    def __init__(self, number: int, source: str | None, terms: ProviderTerms, share: float, rng: Random) -> None:
        self.number = number
        self.source = source
        self._rng = rng
        rate = RateLimit(terms.requests_per_minute, terms.tokens_per_minute, share=share)
        self.limits = ProviderLimits(rate, Concurrency(terms.concurrency or CEILING))
        self.breaker = Breaker(growth=GROWTH)
        self.out: str | None = None
        self.last_taken = -math.inf
        self.turned_away = 0  # 429s so far
        self._in_a_row = 0
        self._served = 0  # answers since the last pause, to requests sent no earlier than the one that brought it
        self._struck_at = -math.inf  # when that request was sent
        self._before_the_pause: int | None = None  # requests at once, while the pause may yet be ended

    def wait_s(self, now: float, tokens: int, ticket: int | None = None) -> float:
        """Seconds until a request of `tokens` may go; inf where only an answer or a person can change that."""
        if self.out is not None:
            return math.inf
        held = self.breaker.wait(now)
        return held if held > 0 else self.limits.wait(now, tokens, ticket).seconds

    def take(self, now: float, tokens: int, assignment_id: int, ticket: int | None = None) -> Reservation:
        self.breaker.sent(now, assignment_id)
        self.last_taken = now
        return self.limits.take(now, tokens, ticket)

    def answered(
        self, now: float, assignment_id: int, taken: Reservation | None, tokens: int, headers: RateHeaders | None
    ) -> None:
        """A reply came and used `tokens`."""
        self.breaker.succeeded(now, assignment_id)
        self._in_a_row = 0
        if taken is None:
            return
        self.limits.answered(taken, now, tokens, headers)
        if taken.at >= self._struck_at:
            self._served += 1
            if self._served >= SERVED and self._before_the_pause is not None:
                self.limits.rate.resume()
                self.limits.concurrency.limit = max(self.limits.concurrency.limit, self._before_the_pause)
                self._before_the_pause = None

    def failed(
        self,
        now: float,
        assignment_id: int,
        taken: Reservation | None,
        kind: FailureKind,
        retry_after_s: float | None,
        headers: RateHeaders | None,
    ) -> None:
        """Settle a failed attempt with the limits and the breaker."""
        if counts_for_breaker(kind):
            self.breaker.failed(now, assignment_id)
        elif says_nothing(kind):
            self.breaker.forget(now, assignment_id)
        else:
            self.breaker.succeeded(now, assignment_id)
        if headers is not None:
            self.limits.rate.learn(now, headers)
        if taken is None:
            return
        if kind is FailureKind.RATE_LIMITED:
            self._turned_away(now, taken, retry_after_s)
        elif kind is FailureKind.CANCELLED:
            self.limits.give_back(taken)
        else:
            self.limits.failed(taken, now)

    def _turned_away(self, now: float, taken: Reservation, retry_after_s: float | None) -> None:
        self.turned_away += 1
        self._in_a_row += 1
        exhausted = self._in_a_row >= min(IN_A_ROW, self.limits.concurrency.limit)
        if self._served >= SERVED and not exhausted:
            self.limits.turned_away(taken)
            return
        if taken.at >= self._struck_at:
            before = max(self.limits.concurrency.limit, self._before_the_pause or 0)
            self._before_the_pause = None if exhausted else before
            self._served, self._struck_at = 0, taken.at
        self.limits.throttled(taken, now, retry_after_s, self._rng)

    def state(self, now: float) -> tuple[str, str]:
        """`ok`, `waiting`, `open`, `half-open` or `out`, and why in words."""
        if self.out is not None:
            return "out", self.out
        breaker = self.breaker.state(now)
        if breaker is BreakerState.OPEN:
            return "open", f"too many failures; tried again in {self.breaker.wait(now):.0f} s"
        if breaker is BreakerState.HALF_OPEN:
            return "half-open", "one request is trying whether it works again"
        paused = self.limits.rate.paused_s(now)
        if paused > 0:
            return "waiting", f"asked to wait another {paused:.0f} s"
        return "ok", ""
