"""Whether a provider may be asked now: its limits, its breaker, and whether it is out."""

from __future__ import annotations

import math
from random import Random

from igentai.breaker import Breaker, BreakerState
from igentai.concurrency import Concurrency
from igentai.errors import FailureKind
from igentai.limits import ProviderLimits, RateLimit, Reservation
from igentai.retry import counts_for_breaker, says_nothing
from igentai_orchestrator.core.arrangement import ProviderTerms

CEILING = 64


class Gate:
    """One provider as the desk sees it.

    Args:
        name: what people call it.
        terms: what was configured of it.
        share: the part of its rate limits to aim at.
    """

    def __init__(self, name: str, terms: ProviderTerms, share: float, rng: Random) -> None:
        self.name = name
        self._rng = rng
        rate = RateLimit(terms.requests_per_minute, terms.tokens_per_minute, share=share)
        self.limits = ProviderLimits(rate, Concurrency(terms.concurrency or CEILING))
        self.breaker = Breaker()
        self.out: str | None = None
        self._models_out: dict[str, str] = {}

    def out_for(self, model: str) -> str | None:
        """Why `model` is asked no more, None where it may be."""
        return self.out or self._models_out.get(model)

    def wait_s(self, now: float, model: str, tokens: int) -> float:
        """Seconds until a request of `tokens` may go; inf where only an answer or a person can change that."""
        if self.out_for(model) is not None:
            return math.inf
        held = self.breaker.wait(now)
        return held if held > 0 else self.limits.wait(now, tokens).seconds

    def too_large(self, tokens: int) -> str | None:
        return self.limits.rate.too_large(tokens)

    def take(self, now: float, tokens: int, assignment_id: int) -> Reservation:
        self.breaker.sent(now, assignment_id)
        return self.limits.take(now, tokens)

    def answered(self, now: float, assignment_id: int, taken: Reservation | None, tokens: int) -> None:
        self.breaker.succeeded(now, assignment_id)
        if taken is not None:
            self.limits.answered(taken, now, tokens)

    def failed(
        self, now: float, assignment_id: int, taken: Reservation | None, kind: FailureKind, retry_after_s: float | None
    ) -> None:
        """Settle a failed attempt with the limits and the breaker."""
        if counts_for_breaker(kind):
            self.breaker.failed(now, assignment_id)
        elif says_nothing(kind):
            self.breaker.forget(now, assignment_id)
        else:
            self.breaker.succeeded(now, assignment_id)
        if taken is None:
            return
        if kind is FailureKind.RATE_LIMITED:
            self.limits.throttled(taken, now, retry_after_s, self._rng)
        elif kind is FailureKind.CANCELLED:
            self.limits.give_back(taken)
        else:
            self.limits.failed(taken, now)

    def put_out(self, reason: str, model: str | None = None) -> bool:
        """Ask it (or one `model` of it) no more until the configuration changes.

        True the first time: say it once, loudly.
        """
        if model is not None:
            first = model not in self._models_out
            self._models_out[model] = reason
            return first
        first = self.out is None
        self.out = reason
        return first

    def readmit(self) -> None:
        self.out = None
        self._models_out.clear()

    def state(self, now: float, model: str) -> tuple[str, str]:
        """`ok`, `waiting`, `open`, `half-open` or `out`, and why in words."""
        out = self.out_for(model)
        if out is not None:
            return "out", out
        breaker = self.breaker.state(now)
        if breaker is BreakerState.OPEN:
            return "open", f"too many failures; tried again in {self.breaker.wait(now):.0f} s"
        if breaker is BreakerState.HALF_OPEN:
            return "half-open", "one request is trying whether it works again"
        paused = self.limits.rate.paused_s(now)
        if paused > 0:
            return "waiting", f"asked to wait another {paused:.0f} s"
        return "ok", ""
