"""What the next answer of every arm is expected to bring, learned from the outcomes so far.

Per arm the expected share of fresh attributes is a leave-one-out Good-Turing rate shrunk to model × partition
(`good_turing`), aged by the answers about the partition and the requests in flight (`ageing`), and corrected by what
earlier forecasts got wrong (`calibration`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from igentai_orchestrator.core.ageing import DEPTHS, Ageing, FreshYield
from igentai_orchestrator.core.calibration import Calibration, Guard, own_bin, partition_bin
from igentai_orchestrator.core.good_turing import Floats, NoveltyTable
from igentai_orchestrator.core.lengths import AnswerLengths
from igentai_orchestrator.core.partitions import ROOT, PartitionTree
from igentai_orchestrator.core.sightings import distinct

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from igentai_orchestrator.core.discovery import Arm


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
        self._lengths = AnswerLengths()
        self._column: dict[str, int] = {}
        self._depth: list[int] = []
        self._asked: list[float] = []
        self._before: list[float] = []
        self.nodes: list[str] = []
        self.grow()

    def grow(self) -> None:
        """Give columns to partitions opened since."""
        for node in self._tree.nodes()[len(self.nodes) :]:
            self._column[node] = self._table.add_column()
            self.nodes.append(node)
            self._depth.append(min(self._tree[node].depth, DEPTHS - 1))
            self._asked.append(0.0)
            self._before.append(0.0)
            self._lengths.add_column()

    def column(self, node: str) -> int | None:
        return self._column.get(node)

    def asked(self, node: str) -> int:
        """Answers about `node` so far."""
        return int(self._asked[self._column[node]])

    @property
    def distinct(self) -> int:
        return self._table.distinct

    @property
    def topic_share(self) -> float:
        """Share of fresh attributes in the last answer about the whole topic; 0 before the first."""
        return self._before[self._column[ROOT]]

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

    def rates(self, in_flight: Mapping[Arm, int], *, hopeful: bool = True) -> tuple[Floats, Floats]:
        """(expected share of fresh attributes of the next answer, strength in draws) by arm.

        `hopeful` gives a partition that was never asked the benefit of the doubt: right for choosing, too much for a
        forecast.
        """
        depth = np.array(self._depth)
        asked = np.array(self._asked)
        share, strength = self._table.law((self._fresh.hopeful if hopeful else self._fresh.mean)[depth])
        exponent = self._ageing.exponent[depth]
        at_least_one = np.maximum(asked, 1.0)
        next_one = at_least_one + (asked >= 1.0)
        factors = self._calibration.factors[own_bin(self._table.answers), partition_bin(asked)[None, :]]
        share = np.minimum(share * ((at_least_one / next_one) ** exponent)[None, :] * factors, 1.0)
        return share * ((next_one / (next_one + self._flying(in_flight))) ** exponent)[None, :], strength

    def worth_splitting(self, column: int, forecast: float) -> bool:
        """Whether the parts of a partition promise more than it does itself.

        Not so where its last answer was short: its parts hold less still.
        """
        below = min(self._depth[column] + 1, DEPTHS - 1)
        return float(self._fresh.mean[below]) > forecast and not self._lengths.short(column)

    def learn(self, row: int, node: str, numbers: Collection[int], usual: float) -> Learned:
        """Take in one answer of model `row`, which usually names `usual` attributes."""
        column = self._column[node]
        depth = self._depth[column]
        own = int(own_bin(self._table.answers[row, column]))
        partition = int(partition_bin(np.asarray(self._asked[column])))
        raw = self._raw_forecast(row, column)
        forecast = min(raw * float(self._calibration.factors[own, partition]), 1.0)
        once = distinct(numbers)
        named = len(once)
        fresh = self._table.record(row, column, once, empty=usual)
        share = fresh / max(named, 1)
        self._asked[column] += 1.0
        answers = int(self._asked[column])
        if answers == 1:
            self._fresh.learn(depth, share)
        self._ageing.learn(depth, answers, share, self._before[column])
        self._before[column] = share
        self._lengths.learn(column, named, usual)
        self._calibration.learn(own, partition, raw, share)
        self._guard.learn(row, forecast, share)
        self._table.sweep(self._fresh.hopeful[np.array(self._depth)])
        return Learned(fresh, share)

    def _raw_forecast(self, row: int, column: int) -> float:
        """The forecast for one arm before calibration, from what is known now.

        Made again at learning, not carried over from the choice: so the state follows from the ledger alone.
        """
        depth, asked = self._depth[column], self._asked[column]
        raw = self._table.cell(row, column, float(self._fresh.hopeful[depth]))
        return raw * (asked / (asked + 1.0)) ** float(self._ageing.exponent[depth]) if asked >= 1.0 else raw

    def _flying(self, in_flight: Mapping[Arm, int]) -> Floats:
        flying = np.zeros(self._table.columns)
        for (_, node), count in in_flight.items():
            column = self._column.get(node)
            if column is not None:
                flying[column] += count
        return flying
