"""What the next answer of every arm is expected to bring, learned from the outcomes so far.

Per arm the expected share of fresh attributes is a leave-one-out Good-Turing rate shrunk to model × partition
(`good_turing`), aged by the answers about the partition and the requests in flight (`ageing`), and corrected by what
earlier forecasts got wrong (`calibration`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from igentai_orchestrator.core.ageing import DEPTHS, Ageing, FreshYield
from igentai_orchestrator.core.calibration import Calibration, Guard, bins_of, own_bin, partition_bin
from igentai_orchestrator.core.good_turing import Floats, NoveltyTable
from igentai_orchestrator.core.lengths import AnswerLengths
from igentai_orchestrator.core.named import Named, distinct
from igentai_orchestrator.core.partitions import PartitionTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from igentai_orchestrator.core.discovery import Arm


FREED_MAX: Final = 3.0
FIRST_SLICES: Final = 2  # whose answers are waited for before more are asked about
PARTS: Final = 6  # sub-categories that a split brings, about


class Learned(NamedTuple):
    """What an answer turned out to be: attributes never sighted before, and their share of it."""

    fresh: int
    share: float


class Expectations:
    """A fold over answers. Rows are models, columns partitions in the order of opening; column 0 is the whole topic."""

    def __init__(self, models: int, tree: PartitionTree) -> None:
        self._tree = tree
        self._table = NoveltyTable(models)
        self._fresh = FreshYield()
        self._ageing = Ageing()
        self._calibration = Calibration()
        self._guard = Guard(models)
        self._lengths = AnswerLengths(models)
        self._column: dict[str, int] = {}
        self._depth: list[int] = []
        self._asked: list[float] = []
        self._kept_away: list[float] = []  # by column, mean over the answers so far
        self._before: list[float] = []
        self._prior_of: Floats = self._fresh.hopeful
        self._prior: Floats = np.zeros(0)
        self.nodes: list[str] = []
        self.grow()

    def grow(self) -> None:
        """Give columns to partitions opened since."""
        if len(self._tree) == len(self.nodes):
            return
        for node in self._tree.nodes()[len(self.nodes) :]:
            self._column[node] = self._table.add_column()
            self.nodes.append(node)
            self._depth.append(min(self._tree[node].depth, DEPTHS - 1))
            self._asked.append(0.0)
            self._kept_away.append(0.0)
            self._before.append(0.0)
            self._lengths.add_column(self._depth[-1])

    def column(self, node: str) -> int | None:
        return self._column.get(node)

    def asked(self, node: str) -> int:
        """Answers about `node` so far."""
        return int(self._asked[self._column[node]])

    @property
    def distinct(self) -> int:
        return self._table.distinct

    @property
    def kept(self) -> Floats:
        """By model, how far it keeps to its forecasts: 1, less once it falls short of four fifths."""
        return self._guard.factors

    @property
    def lengths(self) -> Floats:
        """By partition, length of its answers against what their models usually give."""
        return self._lengths.factors

    def live(self) -> Floats:
        """By partition, 1 where it may be asked and 0 where it was retired."""
        return np.array([float(self._tree.askable(n)) for n in self.nodes])

    def rates(
        self, in_flight: Mapping[Arm, int], kept_away: Mapping[str, float] | None = None, *, hopeful: bool = True
    ) -> tuple[Floats, Floats]:
        """(expected share of fresh attributes of the next answer, strength in draws) by arm.

        `hopeful` gives a partition that was never asked the benefit of the doubt: right for choosing, too much for a
        forecast. `kept_away` is what the next exclusion lists will do.
        """
        depth = np.array(self._depth)
        asked = np.array(self._asked)
        share, strength = self._table.law((self._fresh.hopeful if hopeful else self._fresh.mean)[depth])
        exponent = self._ageing.exponent[depth]
        at_least_one = np.maximum(asked, 1.0)
        next_one = at_least_one + (asked >= 1.0)
        answers = self._table.answers
        short = self._lengths.exhausted(answers)
        factors = self._calibration.factors[own_bin(answers), partition_bin(asked)[None, :], short]
        if kept_away:
            share = share * self._freed(np.array([kept_away.get(n, 0.0) for n in self.nodes]))[None, :]
        share = np.minimum(share * ((at_least_one / next_one) ** exponent)[None, :] * factors, 1.0)
        return share * ((next_one / (next_one + self._flying(in_flight))) ** exponent)[None, :], strength

    def worth_splitting(self, column: int, forecast: float) -> bool:
        """Whether the parts of a partition promise more than it does itself.

        Not so where its last answer was short: its parts hold less still.
        """
        promised = forecast * float(self._lengths.factors[column])
        return self.pays(self._depth[column] + 1, promised, PARTS) and not self._lengths.short(column)

    def pays(self, depth: int, promised: float, parts: int) -> bool:
        """Whether the first answers about `parts` new partitions bring so much more than `promised` each that the
        request which names them, and brings nothing itself, is earned back."""
        return (self.promise(depth) - promised) * parts > promised

    def promise(self, depth: int) -> float:
        """Fresh attributes of the first answer about a partition of this depth, as a part of the longest answer."""
        at = min(depth, DEPTHS - 1)
        return float(self._fresh.mean[at] * self._lengths.first[at])

    def untried(self, depth: int, in_flight: Mapping[Arm, int]) -> int:
        """Partitions of this depth that nobody was asked about, or is being asked."""
        flying = {node for _, node in in_flight}
        return sum(
            d == depth and not asked and node not in flying and self._tree.askable(node)
            for d, asked, node in zip(self._depth, self._asked, self.nodes, strict=True)
        )

    def awaits_first_slices(self, column: int, in_flight: Mapping[Arm, int]) -> bool:
        """Whether a partition is a slice of the topic while two others are asked about, the first there are.

        Nobody knows then whether slices of this topic hold anything: those of a closed one are told in a few words.
        """
        if self._depth[column] != 1:
            return False
        slices = {
            node: asked for node, depth, asked in zip(self.nodes, self._depth, self._asked, strict=True) if depth == 1
        }
        if sum(asked > 0.0 for asked in slices.values()) >= FIRST_SLICES:
            return False
        return sum(count for (_, node), count in in_flight.items() if node in slices) >= FIRST_SLICES

    def learn(
        self, row: int, node: str, numbers: Iterable[int] | Named, full: float, kept_away: float = 0.0
    ) -> Learned:
        """Take in one answer of model `row`, which names `full` attributes where nothing limits it."""
        column = self._column[node]
        depth = self._depth[column]
        place = self._place(row, column)
        raw = min(self._raw_forecast(row, column) * self._freed_at(column, kept_away), 1.0)
        forecast = min(raw * self._calibration.factor(place), 1.0)
        once = distinct(numbers)
        named = len(once)
        fresh = self._table.record(row, column, once, empty=full)
        share = fresh / max(named, 1)
        self._asked[column] += 1.0
        self._kept_away[column] += (kept_away - self._kept_away[column]) / self._asked[column]
        answers = int(self._asked[column])
        if answers == 1:
            self._fresh.learn(depth, share)
        self._ageing.learn(depth, answers, share, self._before[column])
        self._before[column] = share
        self._lengths.learn(row, column, named, full)
        self._calibration.learn(place, raw, share)
        self._guard.learn(row, forecast, share)
        self._table.sweep(self._priors())
        return Learned(fresh, share)

    def _priors(self) -> Floats:
        """By column, what a partition gives that was never asked; taken together again only where that changed."""
        hopeful = self._fresh.hopeful
        if hopeful is not self._prior_of or len(self._prior) != len(self.nodes):
            self._prior_of, self._prior = hopeful, hopeful[np.array(self._depth)]
        return self._prior

    def _freed(self, kept_away: Floats) -> Floats:
        """Times as many fresh attributes as the lists of earlier answers made room for."""
        return np.clip((1.0 - np.array(self._kept_away)) / (1.0 - kept_away), 1.0 / FREED_MAX, FREED_MAX)

    def _freed_at(self, column: int, kept_away: float) -> float:
        """`_freed` of one partition."""
        return min(max((1.0 - self._kept_away[column]) / (1.0 - kept_away), 1.0 / FREED_MAX), FREED_MAX)

    def _place(self, row: int, column: int) -> tuple[int, int, int]:
        answers = self._table.answers_of(row, column)
        own, partition = bins_of(answers, self._asked[column])
        return own, partition, int(self._lengths.exhausted_by(row, column, answers))

    def _raw_forecast(self, row: int, column: int) -> float:
        """The forecast for one arm before calibration, from what is known now.

        Made again at learning, not carried over from the choice: so the state follows from the ledger alone.
        """
        depth, asked = self._depth[column], self._asked[column]
        raw = self._table.cell(row, column, self._fresh.hopeful.item(depth))
        return raw * (asked / (asked + 1.0)) ** self._ageing.exponent_at(depth) if asked >= 1.0 else raw

    def _flying(self, in_flight: Mapping[Arm, int]) -> Floats:
        flying = np.zeros(len(self.nodes))
        for (_, node), count in in_flight.items():
            column = self._column.get(node)
            if column is not None:
                flying[column] += count
        return flying
