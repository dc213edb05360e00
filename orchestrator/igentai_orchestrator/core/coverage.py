"""How much is left, per topic and per partition, as honestly as it can be known.

At least N is a lower bound. The forecast of the next doubling comes with the record of earlier ones. An estimated
total, with a 90 % interval, is given for the whole topic and only where methods that fail differently agree; elsewhere
it is None, and `confidence` says why.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from igentai_orchestrator.core.calibration import JUDGE_ERROR
from igentai_orchestrator.core.drought import Drought
from igentai_orchestrator.core.estimators import SPREAD, Frequencies, ace, ichao1, known_share, unseen
from igentai_orchestrator.core.forecasts import DiscoveryCurve, ForecastRecord, Settled
from igentai_orchestrator.core.named import distinct
from igentai_orchestrator.core.once import Once
from igentai_orchestrator.core.sightings import Sightings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igentai_orchestrator.core.discovery import Outcome

ANSWERS_MIN: Final = 20
INVENTED_MAX: Final = 0.02
AGREEMENT: Final = 0.15  # largest distance of iChao1 and ACE, relative to what was found
RECENT: Final = 30
WIDTH_MIN: Final = 1.03  # where nothing is rare any more, what only one model hardly ever names can still be missing
OBSCURE: Final = 4.0  # times as rarely named as the average: what is still missing
MODELS_MAX: Final = 63


class Coverage:
    """Counts sightings; a fold over outcomes. Attribute numbers are those of output.txt, from 1.

    A partition's attributes are those first sighted in answers about it. Answers are put down and counted when somebody
    asks, many at once.
    """

    def __init__(self) -> None:
        self._sightings = Sightings()
        self._bits: dict[str, int] = {}
        self._partitions: dict[str, int] = {}
        self._answers_about: list[int] = []
        self._answers = 0
        self._usd = 0.0
        self._requests = 0
        self._curve = DiscoveryCurve()
        self._by_requests = DiscoveryCurve()
        self._record = ForecastRecord()
        self._checked = [0.0, 0.0]
        self._fresh_shares: deque[float] = deque(maxlen=RECENT)
        self._named = 0
        self._drought = Drought()
        self._taken = Once()
        self._uncounted: list[tuple[int, float, float]] = []  # answers, requests and spend as each of them came

    def learn(self, outcome: Outcome, listed: Iterable[int] = ()) -> None:
        """Take in one outcome; idempotent by assignment id.

        `listed` are the attributes its prompt had excluded. One that stayed away may have been named otherwise: every
        second time counts as a sighting, or lists would make what is known well look rare.
        """
        if not self._taken.take(outcome.assignment_id):
            return
        self._usd += outcome.usd
        self._requests += 1
        checked, real = outcome.audit
        if checked:
            self._checked = [self._checked[0] + checked, self._checked[1] + checked - real]
        if not outcome.ok or outcome.purpose in ("split", "verify"):
            return
        named = distinct(outcome.numbers)
        self._answers += 1
        self._named += len(named)
        self._drought.learn(outcome)
        self._fresh_shares.append(outcome.fresh / max(len(named), 1))
        here = self._place(outcome.partition)
        self._answers_about[here] += 1
        model = self._bits.setdefault(outcome.model, min(len(self._bits), MODELS_MAX))
        self._sightings.put_down(named, here, model, set(listed).difference(named) if listed else ())
        self._uncounted.append((self._answers, float(self._requests), self._spend))
        if self._sightings.full:
            self._count()

    def _count(self) -> None:
        for (answers, requests, spend), found in zip(self._uncounted, self._sightings.count(), strict=True):
            self._by_requests.add(requests, float(found))
            self._curve.add(spend, float(found))
            self._record.follow(self._curve, answers)
        self._uncounted.clear()

    @property
    def forecasts(self) -> tuple[Settled, ...]:
        """Forecasts of a doubling whose time has come, oldest first."""
        self._count()
        return self._record.settled

    @property
    def _spend(self) -> float:
        return self._usd if self._usd > 0.0 else float(self._requests)

    def _place(self, partition: str) -> int:
        place = self._partitions.get(partition)
        if place is None:
            place = self._partitions[partition] = self._sightings.add_partition()
            self._answers_about.append(0)
        return place

    def snapshot(self) -> dict[str, Any]:
        """What is shown; `partitions` holds the same per partition as far as it can be said there."""
        self._count()
        fresh_share = sum(self._fresh_shares) / max(len(self._fresh_shares), 1)
        spend, topic = self._curve.spend, self._sightings.frequencies()
        total = self._total(topic)
        return (
            self._bounds(topic)
            | total
            | {
                "found": topic.distinct,
                "support_2": self._sightings.supported,
                "fresh_share": fresh_share,
                "gain_next_double": self._curve.gain(spend),
                "forecast_next_usd": self._next_usd(topic.distinct, total["high"]),
                "forecast_next_request": self._by_requests.gain(1.0),
                "record": self._record.snapshot(),
                "partitions": {p: self._partition(i) for p, i in self._partitions.items()},
            }
        )

    def _next_usd(self, found: int, high: int | None) -> float | None:
        """What one more USD brings. The curve knows of no end, and a USD may be many times the spend so far: what there
        can be at most bounds it, where that is known.
        """
        if self._usd <= 0.0:
            return None
        return min(self._curve.gain(1.0), math.inf if high is None else float(high - found))

    def _partition(self, place: int) -> dict[str, Any]:
        here = self._sightings.frequencies(place)
        return self._bounds(here) | {
            "found": here.distinct,
            "answers": self._answers_about[place],
            "estimated_total": None,
            "low": None,
            "high": None,
            "confidence": "totals are estimated for whole topics only",
        }

    @staticmethod
    def _bounds(q: Frequencies) -> dict[str, Any]:
        return {"at_least": round(q.distinct + ichao1(q)), "good_turing": known_share(q)}

    def _total(self, topic: Frequencies) -> dict[str, Any]:
        doubt = self._doubt(topic)
        if doubt:
            return {"estimated_total": None, "low": None, "high": None, "confidence": doubt}
        found, more = topic.distinct, min(unseen(topic), self._hidden(topic.distinct))
        least = self._bounds(topic)["at_least"]
        return {
            "estimated_total": max(round(found + more), least),
            "low": round(found + more / SPREAD),
            "high": math.ceil(max(found + more * SPREAD, WIDTH_MIN * found, least)),
            "confidence": "methods agree",
        }

    def _hidden(self, found: int) -> float:
        """What so many answers with nothing fresh can hide: more than one fresh attribute in as many would show."""
        if not self._drought.proven:
            return math.inf
        chance = self._named / self._answers / max(found, 1) / OBSCURE
        return 1.0 / (self._drought.evidence * max(chance, 1e-9))

    def _doubt(self, topic: Frequencies) -> str | None:
        """Why no total is given, in words; None if it can be."""
        if self._answers < ANSWERS_MIN and not self._drought.proven:
            return f"fewer than {ANSWERS_MIN} answers"
        if self._checked[0] and self._checked[1] / self._checked[0] > JUDGE_ERROR + INVENTED_MAX:
            return "models invent: what is named once may not exist"
        if abs(ichao1(topic) - ace(topic)) > AGREEMENT * max(topic.distinct, 1):
            return "methods disagree"
        return None
