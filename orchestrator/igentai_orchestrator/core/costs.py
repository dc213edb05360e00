"""What a request costs, in the unit a run saves: USD, seconds or requests; learned per model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igentai_orchestrator.core.discovery import Outcome
    from igentai_orchestrator.core.topic import Optimise

FREE_SHARE: Final = 0.05
FAILED_USD_SHARE: Final = 0.02  # a failed request is rarely billed
FAILED_SECONDS: Final = 6.6  # until an error or a timeout is known, on average
SECONDS_PRIOR: Final = 6.0
_ALPHA: Final = 0.25
PROMPT_SHARE: Final = 0.2  # part of a request's cost that does not grow with its answer
COMPLETE_PRIOR: Final = 0.95  # of the attributes asked for
LENGTH_ALPHA: Final = 0.1
ALIKE: Final = 0.85
SHORTER: Final = 0.03  # weight of an answer that is short: it says more of its partition than of the model


def filled(length: Any) -> Any:
    """What an answer costs over one of full length."""
    return PROMPT_SHARE + (1.0 - PROMPT_SHARE) * np.minimum(length, 1.0)


def _filled(length: float) -> float:
    """`filled` of one answer: an array would cost a hundred times as much."""
    return PROMPT_SHARE + (1.0 - PROMPT_SHARE) * min(length, 1.0)


class Tariff:
    """The unit of cost. `cost` without any price is `requests`: there is nothing to save but requests.

    A free model among paid ones is charged a twentieth of the cheapest: it is preferred by far, but not for ever.

    Args:
        optimise: what the person saves.
        expected_cost: USD of one request by model key, before anything was measured.
    """

    def __init__(self, optimise: Optimise = "cost", expected_cost: Mapping[str, float] | None = None) -> None:
        paid = [c for c in (expected_cost or {}).values() if c > 0.0]
        self.optimise: Optimise = "requests" if optimise == "cost" and not paid else optimise
        self.floor = FREE_SHARE * min(paid, default=0.0)

    @property
    def unit(self) -> str:
        return {"cost": "USD", "speed": "second", "requests": "request"}[self.optimise]

    def charge(self, usd: float, seconds: float) -> float:
        """The cost of one answer, more than 0."""
        if self.optimise == "cost":
            return max(usd, self.floor)
        return max(seconds, 1e-3) if self.optimise == "speed" else 1.0

    def surcharge(self, usd: float, seconds: float) -> float:
        """The cost of what brought no answer: a failure, a split, a verification."""
        if self.optimise == "cost":
            return usd
        return seconds if self.optimise == "speed" else 0.0


class CostModel:
    """Moving averages of USD, seconds, items and success per model; rows in the order of `models`.

    The first answer replaces the prior, later ones weigh a quarter: a price that rises fourfold is known to 5 % after
    twelve answers.
    """

    def __init__(self, models: list[str], expected_cost: Mapping[str, float], tariff: Tariff, items: float) -> None:
        self._tariff = tariff
        known = [c for c in expected_cost.values() if c > 0.0]
        prior = sum(known) / len(known) if known else 0.0
        self.usd = [expected_cost.get(m, prior) for m in models]
        self.seconds = [SECONDS_PRIOR] * len(models)
        self.items = [items] * len(models)
        self.ok = [0.97] * len(models)
        self._answers = [0] * len(models)
        self._items_prior = items
        self._asked = [0.0] * len(models)
        self._complete = [COMPLETE_PRIOR] * len(models)
        self.length = 1.0  # of answers of late, over that of one that nothing limits
        self._filled = [1.0] * len(models)  # part of the cost of a full answer that was paid, on average

    def learn(self, row: int, outcome: Outcome, items: int) -> None:
        """`items` is how many attributes the answer named (0 for a failure)."""
        self.ok[row] += 0.15 * (float(outcome.ok) - self.ok[row])
        if not outcome.ok or outcome.purpose not in ("list", "probe"):
            return
        weight = 1.0 if self._answers[row] == 0 else _ALPHA
        self._answers[row] += 1
        self.usd[row] += weight * (outcome.usd - self.usd[row])
        self.seconds[row] += weight * (outcome.seconds - self.seconds[row])
        self.length += LENGTH_ALPHA * (min(items / self.full_of(row), 1.0) - self.length)
        if items:  # an empty answer is counted as repeats, not as a short answer
            self.items[row] += weight * (items - self.items[row])
            self._learn_length(row, outcome, items)
            self._filled[row] += weight * (_filled(items / self.full_of(row)) - self._filled[row])

    def _learn_length(self, row: int, outcome: Outcome, items: int) -> None:
        """A short answer mostly says that a partition is small; about the whole topic, that the model stops early."""
        first = self._asked[row] == 0.0
        self._asked[row] = float(outcome.asked or self._items_prior)
        complete = min(items / self._asked[row], 1.0)
        alike = complete >= ALIKE * self._complete[row]
        weight = 1.0 if first and not outcome.partition else _ALPHA if alike or not outcome.partition else SHORTER
        self._complete[row] += weight * (complete - self._complete[row])

    @property
    def full(self) -> np.ndarray:
        """Attributes in an answer that nothing limits, by model, at the size asked of any."""
        return np.array(self._complete) * (max(self._asked) or self._items_prior)

    def full_of(self, row: int) -> float:
        """`full` of one model."""
        return self._complete[row] * (max(self._asked) or self._items_prior)

    @property
    def full_over_average(self) -> np.ndarray:
        """What an answer of `full` length costs over what the answers so far did, by model."""
        return np.asarray(1.0 / np.array(self._filled))

    def per_answer(
        self, usd_left: float | None = None, seconds_left: float | None = None, parallel: int = 1
    ) -> np.ndarray:
        """Expected cost of one successful answer by model, failures included.

        With both budgets given, each resource counts as the share of what is left of it; otherwise in the unit of the
        tariff.
        """
        ok = np.clip(self.ok, 0.02, 1.0)
        lost = (1.0 - ok) / ok
        usd = np.maximum(self.usd, self._tariff.floor) * (1.0 + FAILED_USD_SHARE * lost)
        seconds = np.array(self.seconds) + FAILED_SECONDS * lost
        if self._tariff.optimise == "requests":
            return np.asarray(1.0 + lost)
        if usd_left is not None and seconds_left is not None:
            shared = max(seconds_left, 1e-3) * max(parallel, 1)
            return np.asarray(usd / max(usd_left, 1e-9) + seconds / shared)
        return np.asarray(usd if self._tariff.optimise == "cost" else seconds)
