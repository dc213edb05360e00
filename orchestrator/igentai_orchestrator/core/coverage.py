"""How much is left, per topic and per partition, as honestly as it can be known.

At least N is a lower bound. The forecast of the next doubling comes with the record of earlier ones. An estimated
total is given only where methods that fail differently agree; elsewhere it is None, and `confidence` says why.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import Any, Final

from igentai_orchestrator.core.discovery import Outcome
from igentai_orchestrator.core.estimators import Frequencies, ace, gamma_poisson, ichao1, known_share
from igentai_orchestrator.core.forecasts import DiscoveryCurve, ForecastRecord

ANSWERS_MIN: Final = 20
INVENTED_MAX: Final = 0.02
AGREEMENT: Final = 0.10  # largest spread of the methods, relative to what was found
MODELS_MAX: Final = 63


class Coverage:
    """Counts sightings; a fold over outcomes. Attribute numbers are those of output.txt, from 1.

    A partition's attributes are those first sighted in answers about it.
    """

    def __init__(self) -> None:
        self._times = array("I")
        self._by = array("Q")  # bit set of the models that named it
        self._home = array("i")
        self._bits: dict[str, int] = {}
        self._partitions: dict[str, int] = {}
        self._topic = Frequencies()
        self._local: list[Frequencies] = []
        self._answers_about: list[int] = []
        self._supported = 0
        self._answers = 0
        self._usd = 0.0
        self._requests = 0
        self._curve = DiscoveryCurve()
        self._by_requests = DiscoveryCurve()
        self._record = ForecastRecord()
        self._checked = [0.0, 0.0]
        self._fresh_shares: deque[float] = deque(maxlen=30)
        self._seen: set[int] = set()

    def learn(self, outcome: Outcome) -> None:
        """Take in one outcome; idempotent by assignment id."""
        if outcome.assignment_id in self._seen:
            return
        self._seen.add(outcome.assignment_id)
        self._usd += outcome.usd
        self._requests += 1
        checked, real = outcome.audit
        if checked:
            self._checked = [self._checked[0] + checked, self._checked[1] + checked - real]
        if not outcome.ok or outcome.purpose in ("split", "verify"):
            return
        distinct = set(outcome.numbers)
        self._answers += 1
        self._fresh_shares.append(outcome.fresh / max(len(distinct), 1))
        here = self._place(outcome.partition)
        self._answers_about[here] += 1
        bit = 1 << self._bits.setdefault(outcome.model, min(len(self._bits), MODELS_MAX))
        for number in distinct:
            self._sight(number, here, bit)
        self._by_requests.add(float(self._requests), float(self._topic.distinct))
        self._curve.add(self._spend, float(self._topic.distinct))
        self._record.follow(self._curve, self._answers)

    @property
    def _spend(self) -> float:
        return self._usd if self._usd > 0.0 else float(self._requests)

    def _place(self, partition: str) -> int:
        place = self._partitions.setdefault(partition, len(self._local))
        if place == len(self._local):
            self._local.append(Frequencies())
            self._answers_about.append(0)
        return place

    def _sight(self, number: int, here: int, bit: int) -> None:
        short = number + 1 - len(self._times)
        if short > 0:
            more = max(short, len(self._times) // 2)
            self._times.extend([0] * more)
            self._by.extend([0] * more)
            self._home.extend([-1] * more)
        self._times[number] += 1
        times = self._times[number]
        if times == 1:
            self._home[number] = here
        self._topic.sighted(times)
        self._local[self._home[number]].sighted(times)
        by = self._by[number]
        if by and by & (by - 1) == 0 and not by & bit:
            self._supported += 1
        self._by[number] = by | bit

    def snapshot(self) -> dict[str, Any]:
        """What is shown; `partitions` holds the same per partition as far as it can be said there."""
        found = self._figures(self._topic, self._answers)
        spend = self._curve.spend
        found |= {
            "found": self._topic.distinct,
            "support_2": self._supported,
            "fresh_share": sum(self._fresh_shares) / len(self._fresh_shares) if self._fresh_shares else None,
            "gain_next_double": self._curve.gain(spend),
            "forecast_next_usd": self._curve.gain(1.0) if self._usd > 0.0 else None,
            "forecast_next_request": self._by_requests.gain(1.0),
            "record": self._record.snapshot(),
            "partitions": {
                p: {"found": self._local[i].distinct, "answers": self._answers_about[i]}
                | self._figures(self._local[i], self._answers_about[i])
                for p, i in self._partitions.items()
            },
        }
        return found

    def _figures(self, q: Frequencies, answers: int) -> dict[str, Any]:
        bound = ichao1(q)
        totals = sorted(q.distinct + max(u, 0.0) for u in (bound, ace(q), gamma_poisson(q)))
        doubt = self._doubt(totals, q, answers)
        return {
            "at_least": round(q.distinct + bound),
            "estimated_total": None if doubt else round(totals[1]),
            "low": None if doubt else q.distinct,
            "high": None if doubt else round(totals[2] * 1.1),
            "good_turing": known_share(q),
            "confidence": doubt or "methods agree",
        }

    def _doubt(self, totals: list[float], q: Frequencies, answers: int) -> str | None:
        """Why no total is given, in words; None if it can be."""
        if answers < ANSWERS_MIN:
            return f"fewer than {ANSWERS_MIN} answers"
        if self._checked[0] and self._checked[1] / self._checked[0] > 0.1 + INVENTED_MAX:
            return "models invent: what is named once may not exist"
        if totals[2] - totals[0] > AGREEMENT * max(q.distinct, 1):
            return "methods disagree"
        return None
