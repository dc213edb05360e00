"""Which attributes a prompt names as known: the exclusion list, sized by itself.

Naming an attribute costs its input tokens in every prompt; it saves the output tokens of a repeat where the model
would have said it again and keeps to the list. So an attribute is listed if and only if its chance to be repeated
pays for it (measured in simulation: 19 % more attributes per dollar, 57 % more per second; a list of the last 60
costs 12 % instead).
"""

from __future__ import annotations

import heapq
from array import array
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from igentai_orchestrator.core.named import Named, distinct
from igentai_orchestrator.core.partitions import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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


class _Answer(NamedTuple):
    """`known` is the highest number before it."""

    about: _Partition
    named: Named
    listed: frozenset[int]
    known: int


class _Partition:
    """What answers about one partition named and what their prompts listed.

    Attributes are kept by how often they were named, so that a list is made from those that can be on it and not from
    all that were ever found.
    """

    def __init__(self, place: int, home: array[int], strays: _Strays, ids: Sequence[str]) -> None:
        self.answers = 0
        self.listed: dict[int, int] = {}
        self.strays = strays
        self._place = place
        self._ids = ids  # of all partitions, by place
        self._known_beside = {-1: False}  # by place; -1 is no partition
        self._foreign = 0  # named here, and new to an answer about a slice beside this one
        self._home = home  # of all partitions: by attribute, the one where it was new
        self._runs: list[range] = []  # what was new here
        self._distinct = 0
        self._hits: dict[int, int] = {}  # how many answers named it, where not one to which it was new
        self._by_hits: defaultdict[int, set[int]] = defaultdict(set)  # two or more

    def put_down(self, listed: frozenset[int]) -> None:
        """An answer, whose attributes are counted later."""
        self.answers += 1
        for number in listed:
            self.listed[number] = self.listed.get(number, 0) + 1

    def count(self, named: Named, listed: frozenset[int], known: int) -> None:
        """The attributes of an answer, before which there were `known`."""
        hits, by_hits, home, place = self._hits, self._by_hits, self._home, self._place
        elsewhere = known - self._distinct - sum(not self.hits(number) for number in listed)
        strays = 0
        if runs := named.first > known:
            self._enter(named)
        for number in named.others if runs else named:
            before = hits.get(number) or (number < len(home) and home[number] == place)
            hits[number] = before + 1
            if not before:
                self._distinct += 1
                if number <= known:
                    strays += number not in listed
                    self._foreign += number < len(home) and self._beside(home[number])
                continue
            if before > 1:
                by_hits[before].discard(number)
                if not by_hits[before]:
                    del by_hits[before]
            by_hits[before + 1].add(number)
        self.strays.learn(strays, max(elsewhere, 0))

    @property
    def coherence(self) -> float | None:
        """Share of the attributes named here that no slice beside this one had named first."""
        return 1.0 - self._foreign / self._distinct if self._distinct else None

    def _beside(self, place: int) -> bool:
        """Whether a partition is neither this one nor above or below it."""
        beside = self._known_beside.get(place)
        if beside is None:
            own, other = f"{self._ids[self._place]}/", f"{self._ids[place]}/"
            beside = not (ROOT in (own[:-1], other[:-1]) or own.startswith(other) or other.startswith(own))
            self._known_beside[place] = beside
        return beside

    def hits(self, number: int) -> int:
        """How many answers named it."""
        home = self._home
        return self._hits.get(number) or (number < len(home) and home[number] == self._place)

    def chances(self, numbers: Iterable[int]) -> list[float]:
        """The chance of each that an answer names it if its prompt does not list it."""
        hits, listed = self.hits, self.listed.get
        stray, answers = self.strays.chance, self.answers + 1.0
        return [(hits(number) or stray) / (answers - listed(number, 0)) for number in numbers]

    def likely(self, theta: float) -> Iterator[tuple[float, int]]:
        """(chance to be named again, number) of those with a chance of `theta` or more."""
        least = theta * (self.answers + 1.0)  # for one that was never listed
        rarely = {n for n in self.listed if 0 < self.hits(n) < least}
        often = [those for count, those in self._by_hits.items() if count >= least]
        for number in chain(rarely, *often, self._once() if least <= 1.0 else ()):
            chance = self.hits(number) / (self.answers - self.listed.get(number, 0) + 1.0)
            if chance >= theta:
                yield chance, number

    def _once(self) -> Iterator[int]:
        """What one answer named."""
        hits = self._hits
        yield from (n for run in self._runs for n in run if n not in hits)
        yield from (n for n, count in hits.items() if count == 1)

    def _enter(self, named: Named) -> None:
        """Give a home to what nobody had named before."""
        home, run = self._home, named.run
        if not run:
            return
        home.extend(array("i", [-1]) * (run.start - len(home)))
        home.extend(array("i", [self._place]) * len(run))
        self._distinct += len(run)
        if self._runs and self._runs[-1].stop == run.start:
            run = range(self._runs.pop().start, run.stop)
        self._runs.append(run)


class ExclusionLists:
    """Counts, per partition, how often each attribute was named and how often it was on the list.

    All models share the counts: lists of a model's own answers are 1 % worse in simulation.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = {}
        self._ids: list[str] = []
        self._home = array("i")
        self._strays = (_Strays(), _Strays())  # in answers about slices, in answers about the whole topic
        self._put_down: list[_Answer] = []
        self._all: set[int] | None = None  # what was named; None for everything up to the highest number
        self._known = 0
        self._answers = 0
        self._named = 0
        self._kept_away: dict[str, tuple[int, float]] = {}  # answers when it was worked out, share
        self._stale: set[str] = set()

    def record(
        self, partition: str, numbers: Iterable[int] | Named, listed: Iterable[int] = (), asked: int = 0
    ) -> float:
        """Take in one answer: the attributes it named and those its prompt had listed.

        Returns the share of an answer of `asked` attributes that the list was expected to keep free of repeats.
        """
        known = self._of(partition)
        answer = _Answer(known, distinct(numbers), frozenset(listed), self._known)
        kept_away = 0.0
        if answer.listed:
            self._count()
            kept_away = sum(known.chances(answer.listed))
        known.put_down(answer.listed)
        self._put_down.append(answer)
        self._note(answer.named)
        self._answers += 1
        self._named += len(answer.named)
        self._stale.add(partition)
        lot = self._named / self._answers / max(self._known, 1)
        for strays in self._strays:
            strays.lot = lot
        return min(COMPLIANCE * kept_away / asked, KEPT_AWAY_MAX) if asked else 0.0

    def choose(self, partition: str, *, limit: int = LIST_MAX, theta: float = 0.15) -> list[int]:
        """Numbers of the attributes to name, most useful first, at most `limit`.

        The chance that x is repeated is hits / (answers in which it was not listed + 1): answers that had it on their
        list say nothing of what a model does without one. What only other partitions named has the chance that such
        strays have had: in a small topic a list of everything known is what brings out the rest. Ties go to the
        attribute found first. A `theta` of 0 asks for what was named here, and nothing else.
        """
        self._count()
        return [number for _, number in self._ranked(partition, limit, theta)]

    def kept_away(self, asked: int, *, limit: int = LIST_MAX, theta: float = 0.15) -> Mapping[str, float]:
        """By partition, the share of its next answer that a list is expected to keep free of repeats, 0 to 0.8.

        Nearly so: it is worked out again when a partition has a tenth more answers than the last time.
        """
        self._count()
        done = set()
        for partition in self._stale:
            answers = self._of(partition).answers
            if answers >= KEPT_AWAY_STALE * self._kept_away.get(partition, (0, 0.0))[0]:
                chances = sum(-chance for chance, _ in self._ranked(partition, limit, theta))
                self._kept_away[partition] = answers, min(COMPLIANCE * chances / max(asked, 1), KEPT_AWAY_MAX)
                done.add(partition)
        self._stale -= done
        return {partition: share for partition, (_, share) in self._kept_away.items()}

    def coherence(self, partition: str) -> float | None:
        """How well answers keep to a partition: the share of what they named that no slice beside it had named first.

        None before the first answer. What strays and is new counts as coherent, and as foreign where it belongs.
        """
        self._count()
        known = self._partitions.get(partition)
        return known.coherence if known else None

    def _of(self, partition: str) -> _Partition:
        found = self._partitions.get(partition)
        if found is None:
            found = self._partitions[partition] = _Partition(
                len(self._ids), self._home, self._strays[partition == ROOT], self._ids
            )
            self._ids.append(partition)
        return found

    def _note(self, named: Named) -> None:
        """Remember what was named at all: as a rule everything up to the highest number."""
        known, highest = self._known, named.highest
        if self._all is None and (highest > known if not named.fresh else named.first != known + 1):
            self._all = set(range(1, known + 1))
        if self._all is not None:
            self._all.update(named)
        self._known = max(known, highest)

    def _count(self) -> None:
        """Count what was put down, in the order of the answers: how often something strays is weighted by age."""
        for about, named, listed, known in self._put_down:
            about.count(named, listed, known)
        self._put_down.clear()

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
        if known.strays.chance < theta:
            return []
        everything = range(1, self._known + 1) if self._all is None else self._all
        elsewhere = [number for number in everything if not known.hits(number)]
        chances = zip(known.chances(elsewhere), elsewhere, strict=True)
        return [(-chance, number) for chance, number in chances if chance >= theta]
