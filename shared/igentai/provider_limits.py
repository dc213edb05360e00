"""All that one key of a provider allows: requests and tokens in a window, and requests at once.

Pure, as `igentai.limits`: nothing here sleeps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from igentai.concurrency import Concurrency
from igentai.limits import RateLimit

if TYPE_CHECKING:
    from random import Random

    from igentai.limits import RateHeaders, Reservation


class Reason(StrEnum):
    """Why a request has to wait."""

    GO = "go"
    RATE = "rate"  # requests or tokens a window; time alone helps
    PAUSED = "paused"  # the provider asked for it
    LINE = "line"  # others came first
    CONCURRENCY = "concurrency"  # until an answer comes back
    TOO_LARGE = "too_large"  # more tokens than the limit itself: never


@dataclass(frozen=True, slots=True)
class Wait:
    """How long and why. `seconds` is inf where time alone changes nothing (`CONCURRENCY`, `TOO_LARGE`)."""

    seconds: float
    reason: Reason

    @property
    def go(self) -> bool:
        return self.reason is Reason.GO


class ProviderLimits:
    """Rate and concurrency of one key of a provider: what the desk holds for each."""

    def __init__(self, rate: RateLimit | None = None, concurrency: Concurrency | None = None) -> None:
        self.rate = rate or RateLimit()
        self.concurrency = concurrency or Concurrency()

    def wait(self, now: float, tokens: int, ticket: int | None = None) -> Wait:
        """Whether a request of `tokens` may go, else how long it waits and why."""
        seconds = self.rate.wait(now, tokens, ticket)
        if seconds == math.inf:
            return Wait(math.inf, Reason.TOO_LARGE)
        if not self.rate.in_front(ticket):
            return Wait(seconds, Reason.LINE)
        if not self.concurrency.free:
            return Wait(math.inf, Reason.CONCURRENCY)
        if seconds > 0:
            return Wait(seconds, Reason.PAUSED if self.rate.paused_s(now) >= seconds else Reason.RATE)
        return Wait(0.0, Reason.GO)

    def join(self, tokens: int) -> int:
        return self.rate.join(tokens)

    def leave(self, ticket: int) -> None:
        self.rate.leave(ticket)

    def take(self, now: float, tokens: int, ticket: int | None = None) -> Reservation:
        """Let a request through.

        Raises:
            ValueError: it is not its turn.
        """
        if not self.concurrency.free:
            raise ValueError("taken while all places are in use: ask wait() first")
        reservation = self.rate.take(now, tokens, ticket)
        self.concurrency.take()
        return reservation

    def answered(
        self, reservation: Reservation, now: float, tokens_used: int, headers: RateHeaders | None = None
    ) -> None:
        """A reply came, whatever it said. Like the three below without effect where the reservation is closed."""
        if self.rate.settle(reservation, tokens_used):
            self.concurrency.release()
            self.concurrency.answered()
        if headers is not None:
            self.rate.learn(now, headers)

    def failed(self, reservation: Reservation, now: float) -> None:  # noqa: ARG002  as its neighbours
        """It came to nothing, and not for a 429. Its tokens may have been counted, so they stay counted here."""
        if self.rate.settle(reservation, reservation.tokens):
            self.concurrency.release()

    def turned_away(self, reservation: Reservation) -> None:
        """A 429 that was meant for this request alone: it counts, its tokens do not, and nobody else waits."""
        if self.rate.settle(reservation, 0):
            self.concurrency.release()

    def throttled(self, reservation: Reservation, now: float, retry_after_s: float | None, rng: Random) -> float:
        """A 429: half as many at once, and nothing before the time returned."""
        if self.rate.is_open(reservation):
            self.concurrency.release()
            self.concurrency.throttled(reservation.at, now)
        return self.rate.throttled(reservation, now, retry_after_s, rng)

    def give_back(self, reservation: Reservation) -> None:
        """It was never sent."""
        if self.rate.give_back(reservation):
            self.concurrency.release()
