"""Which attributes a prompt names as known: the exclusion list, sized by itself.

Naming an attribute costs its input tokens in every prompt; it saves the output tokens of a repeat where the model
would have said it again and keeps to the list. So an attribute is listed if and only if its chance to be repeated
pays for it (measured in simulation: 19 % more attributes per dollar, 57 % more per second; a list of the last 60
costs 12 % instead).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.sightings import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igentai_orchestrator.core.sightings import Numbers

COMPLIANCE: Final = 0.85  # share of listed attributes a model does leave out; an assumption, see docs/discovery.md
THETA_FREE: Final = 0.03  # without a price only the context and the time to read it are saved
LIST_MAX: Final = 120


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


class _Partition:
    """What answers about one partition named and what their prompts listed.

    Answers are put down and counted when a list is wanted, many at once. Attributes are kept by how often they were
    named, so that a list is made from those that can be on it and not from all that were ever found.
    """

    def __init__(self) -> None:
        self.answers = 0
        self.listed: Counter[int] = Counter()
        self._put_down: list[Numbers] = []
        self._hits: dict[int, int] = {}
        self._by_hits: defaultdict[int, set[int]] = defaultdict(set)

    def put_down(self, named: Numbers, listed: Iterable[int]) -> None:
        self.answers += 1
        self._put_down.append(named)
        self.listed.update(set(listed))

    def hits(self) -> dict[int, int]:
        """How many answers named each attribute."""
        for named in self._put_down:
            for number in named.tolist():
                before = self._hits.get(number, 0)
                self._hits[number] = before + 1
                self._by_hits[before].discard(number)
                self._by_hits[before + 1].add(number)
        self._put_down.clear()
        return self._hits

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
        self._all: set[int] = set()
        self._put_down: list[Numbers] = []
        self._answers = 0
        self._named = 0

    def record(self, partition: str, numbers: Iterable[int] | Numbers, listed: Iterable[int] = ()) -> None:
        """Take in one answer: the attributes it named and those its prompt had listed."""
        known = self._partitions.setdefault(partition, _Partition())
        named = distinct(numbers)
        known.put_down(named, listed)
        self._put_down.append(named)
        self._answers += 1
        self._named += len(named)

    def choose(self, partition: str, *, limit: int = LIST_MAX, theta: float = 0.15) -> list[int]:
        """Numbers of the attributes to name, most useful first, at most `limit`.

        The chance that x is repeated is hits / (answers in which it was not listed + 1): answers that had it on their
        list say nothing of what a model does without one. What only other partitions named has the chance of a lot, as
        long as that is worth it: in a small topic a list of everything known is what brings out the rest. Ties go to
        the attribute found first. A `theta` of 0 asks for what was named here, and nothing else.
        """
        if limit <= 0:
            return []
        known = self._partitions.get(partition, _Partition())
        found = [(-chance, number) for chance, number in known.likely(theta)]
        if theta > 0.0:
            found += self._from_elsewhere(known, theta)
        found.sort()
        return [number for _, number in found[:limit]]

    def _from_elsewhere(self, known: _Partition, theta: float) -> list[tuple[float, int]]:
        for named in self._put_down:
            self._all.update(named.tolist())
        self._put_down.clear()
        lot = self._named / max(self._answers, 1) / max(len(self._all), 1)
        if lot < theta:
            return []
        others = self._all - known.hits().keys()
        chances = ((lot / (known.answers - known.listed[number] + 1.0), number) for number in others)
        return [(-chance, number) for chance, number in chances if chance >= theta]
