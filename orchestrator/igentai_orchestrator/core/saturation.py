"""When to stop: both what came lately and what the best next request promises are too little.

Fresh attributes per unit of cost over the last answers < x AND the forecast < 1.5 x, and their geometric mean < 1.1 x.
Either alone is worse: the last answers alone stop in a lull, a maximum over forecasts alone suffers the winner's curse;
and where both are just below what is asked of them, a lull would end what still pays. Rules on an estimated coverage
overspend 2 to 20 times or stop absurdly early. The last answers are 30, or as many as three tenths of what was spent
took: late in a long run with models ten times apart in price, 30 answers are too few to tell a lull from the end. Where
the forecast itself is below x, ten are enough: while good answers of before are still among the 30, dear models would
be asked for what is left.

A closed topic of a hundred attributes is all found after fifteen answers. It ends before the thirtieth on evidence
worth eight answers in a row with nothing fresh: an answer about the whole topic that had room to spare counts twice,
for it says that its model has no more. Once every model has said so, what slices still promise counts no longer.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.costs import Tariff
from igentai_orchestrator.core.drought import DROUGHT, SAID_ALL, Drought
from igentai_orchestrator.core.once import Once

if TYPE_CHECKING:
    from igentai_orchestrator.core.discovery import Outcome

WINDOW: Final = 30
WINDOW_LONGEST: Final = 60
WINDOW_SPEND: Final = 0.3  # of the cost so far, which the last answers looked at have taken
SHARE: Final = 0.05
WINDOW_SHORT: Final = 10
FORECAST_SLACK: Final = 1.5
PRODUCT_SLACK: Final = 1.2  # of x², for the last answers' yield times the forecast
BARREN: Final = 40  # answers in a row without anything fresh end a topic whatever is promised
DRAINED: Final = 12  # evidence of a drought (`drought`) that outweighs what is promised
DRYING: Final = 4  # evidence from which on models are heard out
CLOSED_SHARE: Final = 0.10  # x for a topic that dries up
RULE_OF_THREE: Final = 3.0  # events not seen in n trials happen less than 3/n of the time, with 95 % confidence


class Saturation:
    """x is a share of what the first 30 answers brought per unit of cost.

    Args:
        tariff: how a request is charged (USD, seconds or requests); the policy's, so that the forecast compares.
        share: x as a share of the initial yield.
    """

    def __init__(self, tariff: Tariff | None = None, *, share: float = SHARE) -> None:
        self._tariff = tariff or Tariff()
        self._share = share
        self._answers = 0
        self._spend = 0.0
        self._drought = Drought()
        self._vain = 0.0  # charge of the answers in it, by what they are worth
        self._first = (0, 0.0)  # fresh, charge of the first WINDOW answers
        self._last: deque[tuple[int, float]] = deque(maxlen=WINDOW_LONGEST)
        self._unsettled = 0.0  # charge of failures and splits since the last answer
        self._taken = Once()

    def learn(self, outcome: Outcome) -> None:
        """Take in one outcome; idempotent by assignment id. What failed counts at its cost, not as an answer."""
        if not self._taken.take(outcome.assignment_id):
            return
        if outcome.purpose in ("split", "verify") or not outcome.ok:
            self._unsettled += self._tariff.surcharge(outcome.usd, outcome.seconds)
            return
        charge = self._tariff.charge(outcome.usd, outcome.seconds) + self._unsettled
        self._unsettled = 0.0
        self._answers += 1
        self._spend += charge
        self._last.append((outcome.fresh, charge))
        if self._answers <= WINDOW:
            self._first = (self._first[0] + outcome.fresh, self._first[1] + charge)
        worth = self._drought.learn(outcome)
        self._vain = self._vain + worth * charge if worth else 0.0

    @property
    def initial(self) -> float:
        """Fresh attributes per unit of cost over the first 30 answers."""
        return self._first[0] / max(self._first[1], 1e-12)

    @property
    def recent(self) -> float:
        """The same over the last answers; where the latest brought nothing, at most what that can hide.

        A closed topic is done at once: its last finds are still among the last 30 when nothing comes any more.
        """
        return self._yield(self._lately(), 0)

    @property
    def barren(self) -> bool:
        """So many answers in a row brought nothing that the topic ends whatever is promised."""
        return self._drought.answers >= BARREN

    def _yield(self, window: tuple[int, int, float], coming: int) -> float:
        answers, fresh, charge = window
        more = coming * charge / max(answers, 1)
        lately = fresh / max(charge + more, 1e-12)
        if self._drought.evidence + coming < DROUGHT:
            return lately
        return min(lately, RULE_OF_THREE / max(self._vain + more, 1e-12))

    def _lately(self, least: int = WINDOW, spend: float = WINDOW_SPEND) -> tuple[int, int, float]:
        """(answers, fresh, charge) of the last `least`, or of as many as took `spend` of the cost, at most 60."""
        answers, fresh, charge = 0, 0, 0.0
        for found, paid in reversed(self._last):
            if answers >= least and charge >= spend * self._spend:
                break
            answers, fresh, charge = answers + 1, fresh + found, charge + paid
        return answers, fresh, charge

    def drying(self, forecast: float, coming: int, unheard: int) -> bool:
        """Whether the topic may be about to end, so that the models not heard of late are to be asked for the rest.

        So it is where answers on their way may settle it, or where these models' last words might. Nothing fresh in
        four answers in a row is asked for, or one lull after the other would cost a round of questions.
        """
        if self.reached(forecast, coming) is not None:
            return True
        told = self._drought.evidence + coming + SAID_ALL * unheard
        return self._drought.evidence >= DRYING and told >= DROUGHT

    def reached(self, forecast: float, coming: int = 0) -> str | None:
        """Why the topic is done, in words, or None. Before 30 answers only on a drought.

        `coming`: answers on their way, taken to bring nothing. Where that would settle it, nothing more need be asked
        until they are in.
        """
        barren, evidence = self._drought.answers + coming, self._drought.evidence + coming
        drought = evidence >= DROUGHT
        if self._answers + coming < WINDOW and not drought:
            return None
        if barren >= BARREN or (self._ends_at(evidence) and self._outweighs(evidence)):
            return f"the last {barren} answers brought nothing fresh"
        x = (max(self._share, CLOSED_SHARE) if drought else self._share) * self.initial
        windows = [self._lately(), self._lately(WINDOW_SHORT, 0.0)] if forecast < x else [self._lately()]
        recent, window = min((self._yield(window, coming), window) for window in windows)
        if recent >= x or forecast >= FORECAST_SLACK * x or recent * forecast >= PRODUCT_SLACK * x * x:
            return None
        return (
            f"the last {window[0]} answers brought at most {_plain(recent)} fresh attributes per "
            f"{self._tariff.unit} against {_plain(self.initial)} at the start, and no more than {_plain(forecast)} is "
            "expected of the next"
        )

    def _ends_at(self, evidence: float) -> bool:
        """Whether it is enough to end the topic whatever is promised: less where every model said it has no more."""
        return evidence >= (DROUGHT if self._drought.all_said_all else DRAINED)

    def _outweighs(self, evidence: float) -> bool:
        """Whether so much in a row without anything fresh is rare in a topic that still gives a tenth of its start."""
        answers = min(self._answers, WINDOW)
        return RULE_OF_THREE / evidence < CLOSED_SHARE * self._first[0] / max(answers, 1)


def _plain(value: float) -> str:
    """Three digits that count, as people write them: 21,400."""
    return f"{float(f'{value:.3g}'):,.12g}"
