"""Whether the money is there: the budget of the topic and that of the hour, and how long what is left will last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from igentai.budget import Budget, HourlyBudget

if TYPE_CHECKING:
    from igentai_orchestrator.core.windows import Counts


class Purse:
    """Both budgets as one. A request must fit both.

    Args:
        topic: settled by the fold over the ledger.
        hour: of the whole daemon, over all topics; None: there is none.
    """

    def __init__(self, topic: Budget, hour: HourlyBudget | None) -> None:
        self._topic = topic
        self._hour = hour

    @property
    def limited(self) -> bool:
        return self._topic.limit is not None or self._hour is not None

    def left(self, now: float) -> float | None:
        """USD that may be reserved now; None where nothing limits it."""
        hour = math.inf if self._hour is None else self._hour.left(now)
        left = min(self._topic.left, hour)
        return None if left == math.inf else left

    def wait_s(self, now: float, usd: float) -> float:
        """Seconds until a request of at most `usd` is granted; 0 now, inf where time alone does not bring it."""
        if not self._topic.can(usd):
            return math.inf
        return 0.0 if self._hour is None else self._hour.wait(now, usd)

    def refusal(self, usd: float) -> str | None:
        """Why a request of at most `usd` will never be granted while nothing is under way; None where it will be."""
        if not self._topic.can(usd):
            left = f"${self._topic.left:.6f} is left"
            return f"--budget {self._topic.limit:g}: the next request could cost more (${usd:.6f}; {left})"
        if self._hour is not None and usd > self._hour.limit:
            return f"--budget-per-hour {self._hour.limit:g}: one request could cost more (${usd:.6f})"
        return None


def shown(budget: Budget, totals: Counts, recent: Counts, recent_s: float) -> dict[str, Any]:
    """The budget of a topic for metrics.json, and what the money that is left will buy at the pace of late.

    `forecast` is None without a limit or before anything was paid for; amounts in USD, time in minutes.
    """
    limit = budget.limit
    left = None if limit is None else budget.left
    forecast = None
    paid = recent if recent.cost > 0 else totals
    if left is not None and paid.cost > 0 and paid.ok:
        forecast = {
            "requests": int(left / (paid.cost / paid.ok)),
            "unique_attributes": int(left * paid.fresh / paid.cost),
            "minutes": round(left / recent.cost * recent_s / 60, 1) if recent.cost > 0 and recent_s > 0 else None,
        }
    return {
        "limit": limit,
        "settled": budget.settled,
        "reserved": budget.reserved,
        "left": left,
        "forecast": forecast,
    }


def hour_shown(hour: HourlyBudget, now: float) -> dict[str, Any]:
    """The budget of the hour for metrics.json, USD."""
    return {"limit": hour.limit, "spent": hour.spent(now), "reserved": hour.reserved, "left": hour.left(now)}
