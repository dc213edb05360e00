"""What goes next, what is asked again, what is final. Pure: `now` is a monotonic time in seconds.

    admit ──▶ waiting ──next──▶ in flight ──answered──▶ final
                 ▲                  │ failed
                 │                  ▼
                 └── due ◀── to be asked again, after its delay

The limits, the breaker, the budget and the verdict on a failure are those of the daemon.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

from igentai.batch.appraisal import Appraisal, cost_unknown
from igentai.batch.flight import Asking, Flight
from igentai.batch.placing import Place, Placing
from igentai.batch.result import BROKE_OFF, STOPPED, Failure, Result, Usage, failed_result
from igentai.batch.retrying import again
from igentai.budget import Budget
from igentai.errors import FailureKind, ProviderError
from igentai.retry import GiveUp, ProviderOut, Retry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from igentai.batch.access import Access
    from igentai.batch.options import Options
    from igentai.batch.request import Query
    from igentai.batch.route import Route
    from igentai.providers.base import Reply

LONGEST_REFUSED_S: Final = 600.0
"""A prompt that has met nothing but 429s for so long is given up."""


class Schedule:
    """Decides for one batch.

    Args:
        routes: whom to ask, in order of preference where weights leave it open; at least one.
        options: see there.
        rng: for jitter.
    """

    def __init__(self, routes: Sequence[Route], options: Options, rng: Random) -> None:
        self._routes = tuple(routes)
        self._options = options
        self._rng = rng
        self._appraisal = Appraisal(self._routes, options)
        self.budget = Budget(options.budget_usd, options.spent_usd)
        self._placing = Placing(self._routes, options, rng, self._appraisal, self.budget)
        self._waiting: deque[Asking] = deque()
        self._due: list[tuple[float, int, Asking]] = []
        self._numbers = count(1)
        self.flights: dict[int, Flight] = {}
        self._finals: list[Result] = []
        self.stopped: str | None = None

    # -- what is there --------------------------------------------------------------------------------------------

    @property
    def first_route(self) -> Route:
        return self._routes[0]

    @property
    def running(self) -> int:
        return len(self.flights)

    @property
    def retrying(self) -> int:
        return len(self._due)

    @property
    def unresolved(self) -> int:
        """Prompts admitted and not final."""
        return len(self._waiting) + len(self._due) + len(self.flights)

    @property
    def wants(self) -> bool:
        """Whether another prompt may be read now."""
        if self.stopped is not None:
            return True  # it is marked and final at once
        return (
            not self._waiting
            and len(self.flights) < self._options.max_concurrency
            and self.unresolved < self._options.unresolved
        )

    @property
    def all_out(self) -> tuple[str, str] | None:
        """The kind of failure and the reason why no route can be asked any more, None while one can."""
        return self._placing.all_out

    @property
    def accesses(self) -> dict[str, Access]:
        """What is known of each provider, by its name."""
        return self._placing.accesses

    @property
    def unpriced(self) -> str | None:
        """The first route whose price nobody knows, as `provider:model`; None where all are known."""
        return self._appraisal.unpriced

    def take_finals(self) -> list[Result]:
        """Results that came to be without a call; each is given out once."""
        finals, self._finals = self._finals, []
        return finals

    # -- what happens ---------------------------------------------------------------------------------------------

    def admit(self, index: int, query: Query) -> None:
        """A prompt has been read."""
        asking = Asking(index, query)
        if self.stopped is not None:
            self._finals.append(self._failure(asking, STOPPED, self.stopped))
        else:
            self._waiting.append(asking)

    def next(self, now: float) -> Flight | None:
        """The next call to make, None where nothing may go now: ask `wait_s`, and look at `take_finals`."""
        while self.stopped is None and len(self.flights) < self._options.max_concurrency:
            again_now = bool(self._due) and self._due[0][0] <= now
            if not again_now and not self._waiting:
                return None
            asking = self._due[0][2] if again_now else self._waiting[0]
            place = self._placing.choose(asking, now, flying=bool(self.flights))
            if isinstance(place, Place):
                self._drop_front(again_now)
                return self._fly(asking, place, now)
            if place is None:
                if not again_now or (later_s := self._placing.aside_s(asking, now)) is None:
                    return None
                heapq.heapreplace(self._due, (now + later_s, next(self._numbers), asking))
                continue
            self._drop_front(again_now)
            self._finals.append(self._failure(asking, place.kind, place.reason))
        return None

    def wait_s(self, now: float) -> float:
        """Seconds until `next` may have something; inf where only an answer or another prompt brings it."""
        if self.stopped is not None or len(self.flights) >= self._options.max_concurrency:
            return math.inf
        soonest = self._due[0][0] - now if self._due else math.inf
        if self._waiting or soonest <= 0:
            asking = self._due[0][2] if soonest <= 0 else self._waiting[0]
            held = self._placing.wait_s(asking, now)
            soonest = min(held, soonest) if soonest > 0 else held
        return max(0.0, soonest)

    def answered(self, flight: Flight, reply: Reply, now: float) -> Result:
        """A reply came. One that broke off is final too: what came was paid for, and is never asked again unsaid."""
        self.flights.pop(flight.number)
        route, asking = self._routes[flight.place], flight.asking
        access = self.accesses[route.provider]
        access.answered(now, flight.number, flight.taken, reply.tokens_in + reply.tokens_out)
        cost = self._appraisal.cost(route, reply, flight.tokens_in)
        self.budget.settle(flight.number, cost if cost is not None else 0.0)
        error = None
        if reply.finish == "cut":
            error = Failure(BROKE_OFF, f"{route.provider}: the reply broke off; its text is what came of it")
            self._stop_at(asking, error)
        return Result(
            index=asking.index,
            id=asking.query.id,
            text=reply.text,
            error=error,
            usage=Usage(reply.tokens_in, reply.tokens_out, reply.tokens_cached, reply.usage_reported),
            cost_usd=cost,
            attempts=asking.attempts,
            provider=route.provider,
            model=reply.model or route.model,
            latency_ms=reply.latency_ms,
            finish=reply.finish,
        )

    def failed(self, flight: Flight, error: ProviderError, now: float) -> Result | None:
        """A call came to nothing. The result where that is final, None where it is asked again."""
        self.flights.pop(flight.number)
        route, asking = self._routes[flight.place], flight.asking
        access = self.accesses[route.provider]
        access.failed(now, flight.number, flight.taken, error)
        self._settle_failed(flight, error)
        if error.kind is FailureKind.RATE_LIMITED:
            asking.refused_since = asking.refused_since if asking.refused_since is not None else flight.sent_at
        else:
            asking.tries += 1
            asking.refused_since = None
        verdict = again(error, max(1, asking.tries), self._options, self._rng, route)
        if isinstance(verdict, ProviderOut):
            reason = f"{verdict.reason}: {verdict.remedy}"
            access.put_out(error.kind.value, reason, route.model if verdict.scope == "model" else None)
        over = isinstance(verdict, GiveUp) or (isinstance(verdict, ProviderOut) and self.all_out is not None)
        if asking.refused_since is not None and now - asking.refused_since > LONGEST_REFUSED_S:
            over = True
        if over:
            failure = Failure(error.kind.value, error.detail, error.status)
            self._stop_at(asking, failure)
            took = round((now - flight.sent_at) * 1000)
            return replace(
                failed_result(asking.index, asking.query.id, failure, asking.attempts, route.provider, route.model),
                latency_ms=took,
            )
        asking.rests[flight.place] = now + (verdict.after_s if isinstance(verdict, Retry) else 0.0)
        heapq.heappush(self._due, (self._placing.rests_until(asking, now), next(self._numbers), asking))
        return None

    def stop(self, reason: str, now: float) -> list[Result]:
        """Nothing more is asked: marks what runs, what waits and whatever is admitted from now on."""
        self.stopped = self.stopped or reason
        results = []
        for flight in self.flights.values():
            route = self._routes[flight.place]
            self.accesses[route.provider].failed(
                now, flight.number, flight.taken, ProviderError(FailureKind.INTERNAL, "called off")
            )
            self.budget.lost(flight.number)
            results.append(self._failure(flight.asking, STOPPED, self.stopped))
        rest = [*(asking for _, _, asking in self._due), *self._waiting]
        results += [self._failure(asking, STOPPED, self.stopped) for asking in rest]
        self.flights.clear()
        self._due.clear()
        self._waiting.clear()
        return results

    # -- sending --------------------------------------------------------------------------------------------------

    def _fly(self, asking: Asking, place: Place, now: float) -> Flight:
        access = self.accesses[self._routes[place.number].provider]
        number = next(self._numbers)
        taken = access.take(now, place.tokens_in + place.call.max_tokens, number)
        self.budget.reserve(number, place.bound_usd)
        asking.attempts += 1
        flight = Flight(number, asking, place.number, place.call, taken, now, place.tokens_in, place.bound_usd)
        self.flights[number] = flight
        return flight

    def _drop_front(self, retried: bool) -> None:
        if retried:
            heapq.heappop(self._due)
        else:
            self._waiting.popleft()

    # -- ending ---------------------------------------------------------------------------------------------------

    def _settle_failed(self, flight: Flight, error: ProviderError) -> None:
        if cost_unknown(error):
            self.budget.lost(flight.number)
        else:
            self.budget.give_back(flight.number)

    def _failure(self, asking: Asking, kind: str, reason: str) -> Result:
        failure = Failure(kind, reason)
        if kind != STOPPED:
            self._stop_at(asking, failure)
        return failed_result(asking.index, asking.query.id, failure, asking.attempts)

    def _stop_at(self, asking: Asking, failure: Failure) -> None:
        if self._options.fail_fast and self.stopped is None:
            self.stopped = f"not asked to the end: number {asking.index} failed ({failure.kind}) and fail_fast was said"
