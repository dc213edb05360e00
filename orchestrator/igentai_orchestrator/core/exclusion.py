"""Which attributes a prompt names as known: the exclusion list, sized by itself.

Naming an attribute costs its input tokens in every prompt; it saves the output tokens of a repeat where the model
would have said it again and keeps to the list. So an attribute is listed if and only if its chance to be repeated
pays for it (measured in simulation: 19 % more attributes per dollar, 57 % more per second; a list of the last 60
costs 12 % instead).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.partitions import ROOT
from igentai_orchestrator.core.sightings import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from igentai_orchestrator.core.sightings import Numbers

COMPLIANCE: Final = 0.85  # share of listed attributes a model does leave out; an assumption, see docs/discovery.md
THETA_FREE: Final = 0.03  # without a price only the context and the time to read it are saved
LIST_MAX: Final = 120
LIST_LONGEST: Final = 300  # where requests are what is scarce
KEPT_AWAY_MAX: Final = 0.8
KEPT_AWAY_STALE: Final = 1.1  # times as many answers, until what a list does is worked out again
STRAYS_PRIOR: Final = 20.0  # attributes
STRAYS_FORGET: Final = 0.9


def theta(usd_per_input_token: float, usd_per_item: float, *, tokens_per_item: float = 6.0) -> float:
    """The chance to be repeated from which on listing an attribute pays, 0.03 to 0.3.

    Args:
        usd_per_input_token: what one token of the prompt costs (the cached price where the list is cached).
        usd_per_item: what one attribute of an answer costs, fresh or not.
        tokens_per_item: length of an attribute in the prompt.
    """
    if usd_per_item <= 0.0:
        return THETA_FREE
    return min(max(tokens_per_item * usd_per_input_token / (COMPLIANCE * usd_per_item), 0.03), 0.3)


@dataclass(slots=True)
class _Strays:
    """How often an attribute that was named elsewhere turns up here.

    Before that is known: as often as one in a lot of the usual size, drawn from everything known (`lot`).
    """

    lot: float = 0.0
    _turned_up: float = 0.0
    _might_have: float = 0.0

    def learn(self, turned_up: int, might_have: int) -> None:
        self._turned_up = STRAYS_FORGET * self._turned_up + turned_up
        self._might_have = STRAYS_FORGET * self._might_have + might_have

    @property
    def chance(self) -> float:
        return (self._turned_up + STRAYS_PRIOR * self.lot) / (self._might_have + STRAYS_PRIOR)


@dataclass(frozen=True, slots=True)
class _Answer:
    """`known` is how many attributes had been found before it."""

    named: Numbers
    listed: frozenset[int]
    known: int


class _Partition:
    """What answers about one partition named and what their prompts listed.

    Answers are put down and counted when a list is wanted, many at once. Attributes are kept by how often they were
    named, so that a list is made from those that can be on it and not from all that were ever found.
    """

    def __init__(self, strays: _Strays) -> None:
        self.answers = 0
        self.listed: Counter[int] = Counter()
        self.strays = strays
        self._put_down: list[_Answer] = []
        self._hits: dict[int, int] = {}
        self._by_hits: defaultdict[int, set[int]] = defaultdict(set)

    def put_down(self, answer: _Answer) -> None:
        self.answers += 1
        self._put_down.append(answer)
        self.listed.update(answer.listed)

    def hits(self) -> dict[int, int]:
        """How many answers named each attribute."""
        for answer in self._put_down:
            strays, listed = 0, sum(n not in self._hits for n in answer.listed)
            elsewhere = answer.known - len(self._hits) - listed
            for number in answer.named.tolist():
                before = self._hits.get(number, 0)
                strays += not before and number <= answer.known and number not in answer.listed
                self._hits[number] = before + 1
                self._by_hits[before].discard(number)
                self._by_hits[before + 1].add(number)
            self.strays.learn(strays, max(elsewhere, 0))
        self._put_down.clear()
        return self._hits

    def chance(self, number: int) -> float:
        """The chance that an answer names it if its prompt does not list it."""
        return (self.hits().get(number) or self.strays.chance) / (self.answers - self.listed[number] + 1.0)

    def likely(self, theta: float) -> Iterator[tuple[float, int]]:
        """(chance to be named again, number) of those with a chance of `theta` or more."""
        hits = self.hits()
        least = theta * (self.answers + 1.0)  # for one that was never listed
        rarely = {n for n in self.listed if 0 < hits.get(n, 0) < least}
        for numbers in (rarely, *(those for count, those in self._by_hits.items() if count >= least)):
            for number in numbers:
                chance = hits[number] / (self.answers - self.listed[number] + 1.0)
                if chance >= theta:
                    yield chance, number


class ExclusionLists:
    """Counts, per partition, how often each attribute was named and how often it was on the list.

    All models share the counts: lists of a model's own answers are 1 % worse in simulation.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = {}
        self._strays = (_Strays(), _Strays())  # in answers about slices, in answers about the whole topic
        self._all: set[int] = set()
        self._put_down: list[Numbers] = []
        self._known = 0
        self._answers = 0
        self._named = 0
        self._kept_away: dict[str, tuple[int, float]] = {}  # answers when it was worked out, share
        self._stale: set[str] = set()

    def record(
        self, partition: str, numbers: Iterable[int] | Numbers, listed: Iterable[int] = (), asked: int = 0
    ) -> float:
        """Take in one answer: the attributes it named and those its prompt had listed.

        Returns the share of an answer of `asked` attributes that the list was expected to keep free of repeats.
        """
        known = self._of(partition)
        answer = _Answer(distinct(numbers), frozenset(listed), self._known)
        kept_away = sum(known.chance(number) for number in answer.listed)
        known.put_down(answer)
        self._put_down.append(answer.named)
        self._known = max(self._known, int(answer.named.max(initial=0)))
        self._answers += 1
        self._named += len(answer.named)
        self._stale.add(partition)
        for strays in self._strays:
            strays.lot = self._named / self._answers / max(self._known, 1)
        return min(COMPLIANCE * kept_away / asked, KEPT_AWAY_MAX) if asked else 0.0

    def choose(self, partition: str, *, limit: int = LIST_MAX, theta: float = 0.15) -> list[int]:
        """Numbers of the attributes to name, most useful first, at most `limit`.

        The chance that x is repeated is hits / (answers in which it was not listed + 1): answers that had it on their
        list say nothing of what a model does without one. What only other partitions named has the chance that such
        strays have had: in a small topic a list of everything known is what brings out the rest. Ties go to the
        attribute found first. A `theta` of 0 asks for what was named here, and nothing else.
        """
        return [number for _, number in self._ranked(partition, limit, theta)]

    def kept_away(self, asked: int, *, limit: int = LIST_MAX, theta: float = 0.15) -> Mapping[str, float]:
        """By partition, the share of its next answer that a list is expected to keep free of repeats, 0 to 0.8.

        Nearly so: it is worked out again when a partition has a tenth more answers than the last time.
        """
        done = set()
        for partition in self._stale:
            answers = self._of(partition).answers
            if answers >= KEPT_AWAY_STALE * self._kept_away.get(partition, (0, 0.0))[0]:
                chances = sum(-chance for chance, _ in self._ranked(partition, limit, theta))
                self._kept_away[partition] = answers, min(COMPLIANCE * chances / max(asked, 1), KEPT_AWAY_MAX)
                done.add(partition)
        self._stale -= done
        return {partition: share for partition, (_, share) in self._kept_away.items()}

    def _of(self, partition: str) -> _Partition:
        return self._partitions.setdefault(partition, _Partition(self._strays[partition == ROOT]))

    def _ranked(self, partition: str, limit: int, theta: float) -> list[tuple[float, int]]:
        """(-chance, number), the likeliest first."""
        if limit <= 0:
            return []
        known = self._of(partition)
        found = [(-chance, number) for chance, number in known.likely(theta)]
        if theta > 0.0:
            found += self._from_elsewhere(known, theta)
        return heapq.nsmallest(limit, found)

    def _from_elsewhere(self, known: _Partition, theta: float) -> list[tuple[float, int]]:
        hits = known.hits()
        if known.strays.chance < theta:
            return []
        for named in self._put_down:
            self._all.update(named.tolist())
        self._put_down.clear()
        chances = ((known.chance(number), number) for number in self._all - hits.keys())
        return [(-chance, number) for chance, number in chances if chance >= theta]
