"""Which attributes a prompt names as known: the exclusion list, sized by itself.

Naming an attribute costs its input tokens in every prompt; it saves the output tokens of a repeat where the model
would have said it again and keeps to the list. So an attribute is listed if and only if its chance to be repeated
pays for it (measured in simulation: 19 % more attributes per dollar, 57 % more per second; a list of the last 60
costs 12 % instead).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.sightings import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable

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


@dataclass(slots=True)
class _Partition:
    answers: int = 0
    hits: Counter[int] = field(default_factory=Counter)
    listed: Counter[int] = field(default_factory=Counter)


class ExclusionLists:
    """Counts, per partition, how often each attribute was named and how often it was on the list.

    All models share the counts: lists of a model's own answers are 1 % worse in simulation.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = {}
        self._all: set[int] = set()
        self._answers = 0
        self._named = 0

    def record(self, partition: str, numbers: Iterable[int] | Numbers, listed: Iterable[int] = ()) -> None:
        """Take in one answer: the attributes it named and those its prompt had listed."""
        known = self._partitions.setdefault(partition, _Partition())
        named = distinct(numbers).tolist()
        known.answers += 1
        known.hits.update(named)
        known.listed.update(set(listed))
        self._all.update(named)
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
        found = []
        for number, hits in known.hits.items():
            chance = hits / (known.answers - known.listed[number] + 1.0)
            if chance >= theta:
                found.append((-chance, number))
        if theta > 0.0:
            found += self._from_elsewhere(known, theta)
        found.sort()
        return [number for _, number in found[:limit]]

    def _from_elsewhere(self, known: _Partition, theta: float) -> list[tuple[float, int]]:
        lot = self._named / max(self._answers, 1) / max(len(self._all), 1)
        if lot < theta:
            return []
        chances = ((lot / (known.answers - known.listed[n] + 1.0), n) for n in self._all - known.hits.keys())
        return [(-chance, number) for chance, number in chances if chance >= theta]
