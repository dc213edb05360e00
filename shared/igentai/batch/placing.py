"""Where a prompt may go now: the routes and their limits, the budget, and where it has just failed. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from igentai.batch.access import Access
from igentai.batch.call import call_of
from igentai.batch.result import BUDGET
from igentai.errors import FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from igentai.batch.appraisal import Appraisal
    from igentai.batch.flight import Asking
    from igentai.batch.options import Options
    from igentai.batch.route import Route
    from igentai.budget import Budget
    from igentai.providers.base import Call


@dataclass(frozen=True, slots=True)
class Place:
    """The number of a route, the call that it gets, and what that is reckoned at."""

    number: int
    call: Call
    tokens_in: int
    bound_usd: float


@dataclass(frozen=True, slots=True)
class Never:
    """It can go nowhere, whatever comes."""

    kind: str
    reason: str


class Placing:
    """Chooses among the routes of one batch, in order of preference where weights leave it open."""

    def __init__(
        self, routes: Sequence[Route], options: Options, rng: Random, appraisal: Appraisal, budget: Budget
    ) -> None:
        self._routes = tuple(routes)
        self._options = options
        self._appraisal = appraisal
        self._budget = budget
        self._sent = [0] * len(self._routes)
        self.accesses: dict[str, Access] = {}
        for route in routes:
            self.accesses.setdefault(route.provider, Access(route, options, rng))

    @property
    def all_out(self) -> tuple[str, str] | None:
        """The kind of failure and the reason why no route can be asked any more, None while one can."""
        reasons = [self.accesses[route.provider].out_for(route.model) for route in self._routes]
        return None if None in reasons else reasons[0]

    def choose(self, asking: Asking, now: float, *, flying: bool) -> Place | Never | None:
        """A place that it may take now; None where it has to wait.

        Args:
            flying: whether calls are under way: they may cost less than was reserved for them.
        """
        usable = [number for number, route in enumerate(self._routes) if self._usable(route, now)]
        if not usable:
            return Never(*(self.all_out or (FailureKind.INTERNAL.value, "no provider can be asked")))
        never: Never | None = None
        held = False
        # Those where it has not failed first.
        for number in sorted(usable, key=lambda n: (n in asking.rests, self._sent[n] / self._routes[n].weight)):
            place = self._place(number, asking)
            tokens, access = place.tokens_in + place.call.max_tokens, self._access(number)
            if (too_large := access.too_large(tokens)) is not None:
                never = never or Never(FailureKind.REFUSED.value, too_large)
            elif not self._budget.can(place.bound_usd):
                left = f"${self._budget.left:.6f} of the budget is left"
                never = never or Never(BUDGET, f"it could cost ${place.bound_usd:.6f}, and {left}")
                held = held or flying
            elif asking.rests.get(number, now) > now or access.wait_s(now, tokens) > 0:
                held = True
            else:
                self._sent[number] += 1
                return place
        return None if held else never

    def wait_s(self, asking: Asking, now: float) -> float:
        """Seconds until it may go; inf where only an answer can bring that about."""
        return min(with_rest for _, with_rest in self._waits_s(asking, now))

    def aside_s(self, asking: Asking, now: float) -> float | None:
        """Seconds for which it steps aside, where a route is free that it alone has to leave alone. None: it is not."""
        waits = self._waits_s(asking, now)
        return min(with_rest for _, with_rest in waits) if any(alone == 0 for alone, _ in waits) else None

    def rests_until(self, asking: Asking, now: float) -> float:
        """When the first of the routes that can be asked at all may be asked again after what failed there."""
        rests = (asking.rests.get(n, now) for n, route in enumerate(self._routes) if not self._is_out(route))
        return min(rests, default=now)

    def _waits_s(self, asking: Asking, now: float) -> list[tuple[float, float]]:
        """Of each route: seconds until it may go there, without and with its own rest."""
        held = [self._held_s(number, asking, now) for number in range(len(self._routes))]
        return [(held_s, max(held_s, asking.rests.get(number, now) - now)) for number, held_s in enumerate(held)]

    def _held_s(self, number: int, asking: Asking, now: float) -> float:
        if self._is_out(self._routes[number]):
            return math.inf
        place = self._place(number, asking)
        if not self._budget.can(place.bound_usd):
            return math.inf
        return self._access(number).wait_s(now, place.tokens_in + place.call.max_tokens)

    def _place(self, number: int, asking: Asking) -> Place:
        route = self._routes[number]
        call = call_of(asking.query, route.model, self._options)
        return Place(number, call, self._appraisal.tokens_in(route, call), self._appraisal.bound_usd(route, call))

    def _access(self, number: int) -> Access:
        return self.accesses[self._routes[number].provider]

    def _is_out(self, route: Route) -> bool:
        return self.accesses[route.provider].out_for(route.model) is not None

    def _usable(self, route: Route, now: float) -> bool:
        access = self.accesses[route.provider]
        if self._is_out(route):
            return False
        if (reason := access.silent(now)) is not None:
            access.put_out(FailureKind.TIMEOUT.value, f"{reason}: check its address and the network, then run again")
            return False
        return True
