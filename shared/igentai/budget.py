"""Money: what was spent, what is promised, and whether the next request may still be made.

A request is granted where settled + reserved + its upper bound ≤ limit. Reserve before it leaves, settle when its cost
is known; what never settles counts as spent. So what is billed stays within the limit, whatever is killed and when.

Amounts are kept in whole pico-dollars (10⁻¹² USD), costs rounded up. A token of the cheapest models costs some 10⁴ of
them, and integers neither drift nor lose a small amount beside a large one, as a sum of floats does in a million terms.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final

from igentai.errors import BudgetReached
from igentai.rolling import Rolling

PICO: Final = 10**12
HOUR_S: Final = 3600.0


@lru_cache(maxsize=4096)  # reservations, and the costs of answers of one length, come again and again
def _pico(usd: float, what: str, rounding: str = ROUND_CEILING) -> int:
    """`usd` as a person would write it, so that ten times 0.1 fit into 1.0."""
    if not (math.isfinite(usd) and usd >= 0):
        raise ValueError(f"{what} must be an amount in USD, 0 or more, not {usd}")
    return int((Decimal(repr(float(usd))) * PICO).to_integral_value(rounding))


class Budget:
    """The budget of a topic or of a daemon, in USD. `limit_usd` None: everything is granted and counted.

    A request is named by any number that is used once.
    """

    __slots__ = ("_limit", "_lost", "_open", "_reserved", "_settled")

    def __init__(self, limit_usd: float | None, spent: float = 0.0) -> None:
        self._limit = None if limit_usd is None else _pico(limit_usd, "a budget", ROUND_FLOOR)
        self._settled = _pico(spent, "what was spent")
        self._reserved = 0
        self._open: dict[int, int] = {}
        self._lost: dict[int, int] = {}

    @property
    def limit(self) -> float | None:
        return None if self._limit is None else self._limit / PICO

    @property
    def settled(self) -> float:
        """USD spent for certain, or counted as spent because it will never be known."""
        return self._settled / PICO

    @property
    def reserved(self) -> float:
        """USD that requests under way may yet cost."""
        return self._reserved / PICO

    @property
    def left(self) -> float:
        """USD that may still be reserved; inf without a limit, never below 0."""
        if self._limit is None:
            return math.inf
        return max(0, self._limit - self._settled - self._reserved) / PICO

    def can(self, upper: float) -> bool:
        """Whether a request that costs at most `upper` USD would be granted."""
        return self._fits(_pico(upper, "an upper bound"))

    def reserve(self, request: int, upper: float, *, check: bool = True) -> None:
        """Promise at most `upper` USD to `request`. Without `check` it is one read back: it was granted before.

        Raises:
            BudgetReached: it could cost more than what is left. Nothing is changed.
            ValueError: the request has a reservation already.
        """
        amount = _pico(upper, "an upper bound")
        if check and not self._fits(amount):
            raise BudgetReached(
                f"the next request could cost ${upper:.6f}, and ${self.left:.6f} of the budget of ${self.limit:.2f} "
                "is left; raise the budget to go on"
            )
        if request in self._open:
            raise ValueError(f"request {request} has a reservation already")
        self._open[request] = amount
        self._reserved += amount

    def settle(self, request: int, actual: float) -> None:
        """`request` cost `actual` USD, whether that is less or more than was reserved.

        One that was given up as lost is corrected; one that is unknown is counted all the same, for it was billed.
        """
        amount = _pico(actual, "a cost")
        self._reserved -= self._open.pop(request, 0)
        self._settled += amount - self._lost.pop(request, 0)

    def lost(self, request: int) -> None:
        """What `request` cost will never be known: its whole reservation counts as spent."""
        amount = self._open.pop(request, 0)
        self._reserved -= amount
        self._settled += amount
        if amount:
            self._lost[request] = amount

    def give_back(self, request: int) -> None:
        """`request` was never sent: it cost nothing."""
        self._reserved -= self._open.pop(request, 0)

    def _fits(self, amount: int) -> bool:
        return self._limit is None or self._settled + self._reserved + amount <= self._limit


class HourlyBudget:
    """At most `limit_usd` billed in any hour. `now` is a monotonic time in seconds.

    A cost counts from the moment it is settled, its reservation until then; so it is counted at every moment at which
    it can have been billed, and no window of an hour holds more than the limit.
    """

    __slots__ = ("_limit", "_open", "_reserved", "_settled")

    def __init__(self, limit_usd: float) -> None:
        self._limit = _pico(limit_usd, "a budget an hour", ROUND_FLOOR)
        self._settled = Rolling(HOUR_S, slices=360)
        self._open: dict[int, int] = {}
        self._reserved = 0

    @property
    def limit(self) -> float:
        return self._limit / PICO

    @property
    def reserved(self) -> float:
        """USD that requests under way may yet cost."""
        return self._reserved / PICO

    def restore(self, at: float, usd: float) -> None:
        """What an earlier daemon spent `at`. Oldest first, and before anything else is counted."""
        self._settled.add(at, _pico(usd, "what was spent"))

    def spent(self, now: float) -> float:
        """USD settled in the hour that ends `now`."""
        return self._settled.total(now) / PICO

    def left(self, now: float) -> float:
        """USD that may be reserved now."""
        return max(0, self._limit - self._settled.total(now) - self._reserved) / PICO

    def wait(self, now: float, upper: float) -> float:
        """Seconds until a request of at most `upper` USD is granted; 0 now, inf where time alone does not bring it."""
        return self._settled.until(now, self._limit - self._reserved - _pico(upper, "an upper bound"))

    def can(self, now: float, upper: float) -> bool:
        return self.wait(now, upper) == 0

    def reserve(self, now: float, request: int, upper: float, *, check: bool = True) -> None:
        """Promise at most `upper` USD to `request`. Without `check` it is one read back: it was granted before.

        Raises:
            BudgetReached: it could bring this hour over the limit. Nothing is changed.
            ValueError: the request has a reservation already.
        """
        if check and not self.can(now, upper):
            raise BudgetReached(
                f"the next request could cost ${upper:.6f}, and ${self.left(now):.6f} of the hour's budget of "
                f"${self._limit / PICO:.2f} is left; wait, or raise the budget an hour"
            )
        if request in self._open:
            raise ValueError(f"request {request} has a reservation already")
        self._open[request] = _pico(upper, "an upper bound")
        self._reserved += self._open[request]

    def settle(self, now: float, request: int, actual: float) -> None:
        """`request` cost `actual` USD."""
        amount = _pico(actual, "a cost")
        self._reserved -= self._open.pop(request, 0)
        self._settled.add(now, amount)

    def lost(self, now: float, request: int) -> None:
        """What `request` cost will never be known: its whole reservation counts as spent now."""
        amount = self._open.pop(request, 0)
        self._reserved -= amount
        self._settled.add(now, amount)

    def give_back(self, request: int) -> None:
        """`request` was never sent: it cost nothing."""
        self._reserved -= self._open.pop(request, 0)
