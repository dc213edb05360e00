"""An open topic whose content is known: thousands of attributes in slices, models that each know a part of it.

Fame falls by Zipf's law with a bend at the top; what is famous is known by most models and comes to mind first, and
every model has a taste of its own. Slices are uneven, cut once more into parts, and leave a tenth of what is above
them out. Models answer with names drawn without repetition, stray out of the slice now and then, keep to lists mostly,
fail sometimes, and invent where they are told to. Nothing here imitates a particular model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.partitions import ROOT
from igentai_orchestrator.core.topic import ModelChoice
from tests.benchmarks.world import LISTED, NAMED, PROMPT

Items = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LEFT_OUT: Final = 0.1
LABELS: Final = 25  # slices a model names at once


@dataclass(frozen=True, slots=True)
class Terrain:
    """What a world is drawn from, and how it is asked.

    `knows` is the share of the topic that a model has heard of, by model; `price` USD per million sent tokens; `asked`
    attributes a request; `parallel` requests on their way at once. `taste` is the spread of what a model likes, `like`
    how much of that models have in common, 0 to 1. `leak` is the share of a slice's answer that strays, `comply` the
    chance that a listed attribute is left out, `invents` the share of an answer that the cheapest model makes up;
    `lists`: whether prompts list what is known.
    """

    size: int = 6000
    slices: int = 16
    parts: int = 5
    skew: float = 1.0
    knows: tuple[float, ...] = (0.45, 0.55, 0.6, 0.7)
    price: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)
    taste: float = 0.7
    like: float = 0.3
    leak: float = 0.08
    comply: float = 0.85
    invents: float = 0.0
    fails: float = 0.02
    asked: int = 30
    lists: bool = False
    parallel: int = 8
    requests: int = 600  # at the mean price, what the budget pays for


@dataclass(frozen=True, slots=True)
class Pool:
    """What a model would name of one slice, and the logarithm of how readily."""

    items: Items
    readiness: Floats

    def draw(self, count: int, rng: np.random.Generator) -> Items:
        """`count` of them at most, by lot without replacement (the top of Gumbel-perturbed weights)."""
        if count >= len(self.items):
            return self.items
        keys = self.readiness + rng.gumbel(size=len(self.items))
        best: Items = self.items[np.argpartition(-keys, count)[:count]]
        return best

    def chances(self, count: int) -> Floats:
        """The chance of each to be in an answer of `count`: 1 - exp(-w t), with t such that they add up to it."""
        if count >= len(self.items):
            return np.ones(len(self.items))
        weights = np.exp(self.readiness - self.readiness.max())
        low, high = -20.0, 60.0
        for _ in range(60):
            middle = (low + high) / 2.0
            low, high = (middle, high) if (1.0 - np.exp(-weights * np.exp(middle))).sum() < count else (low, middle)
        return np.asarray(1.0 - np.exp(-weights * np.exp(high)))


class OpenWorld:
    """Content, slices and models, drawn from a seed. Attributes are 0 to `size` - 1; what is invented lies above."""

    def __init__(self, terrain: Terrain, seed: int) -> None:
        self.given = t = terrain
        rng = np.random.default_rng([seed, 31])
        self.models = [ModelChoice("simulated", f"m{i}") for i in range(len(t.knows))]
        self.keys = [m.key for m in self.models]
        rank = rng.permutation(t.size)
        common = rng.normal(size=t.size)
        fame = 1.0 - rank / t.size
        self._home, self._part = self._slice(rng)
        self._readiness, self._known = [], []
        for knows in t.knows:
            own = t.like**0.5 * common + (1.0 - t.like) ** 0.5 * rng.normal(size=t.size)
            self._readiness.append(-t.skew * np.log(rank + 5.0) + t.taste * own)
            ease = 1.5 * fame + 0.5 * own + 0.5 * rng.normal(size=t.size)
            self._known.append(ease >= np.quantile(ease, 1.0 - knows))
        self.reachable = int(np.logical_or.reduce(self._known).sum())
        self._pools: dict[tuple[int, str], Pool] = {}
        self._invented = t.size

    def _slice(self, rng: np.random.Generator) -> tuple[Items, Items]:
        """(slice, part of it) of every attribute, -1 where it is in none."""
        t = self.given
        sizes = rng.gamma(2.0, size=t.slices)
        home = rng.choice(t.slices, t.size, p=sizes / sizes.sum())
        part = rng.integers(0, max(t.parts, 1), t.size)
        home[rng.random(t.size) < LEFT_OUT] = -1
        part[(rng.random(t.size) < LEFT_OUT) | (home < 0) | (t.parts == 0)] = -1
        return home, part

    @cached_property
    def slices(self) -> list[str]:
        return [f"slice {_word(i)}" for i in range(self.given.slices)]

    def parts(self, slice_: str) -> list[str]:
        return [f"part {_word(i)} of {slice_}" for i in range(self.given.parts)]

    def labels(self, partition: str, rng: np.random.Generator) -> list[str]:
        """What a model says when asked how to cut `partition`: of many slices, those that come to mind."""
        if partition == ROOT:
            return [self.slices[i] for i in rng.permutation(len(self.slices))[:LABELS]]
        return self.parts(partition) if partition in self.slices else []

    def pool(self, model: int, partition: str) -> Pool:
        place = (model, partition)
        if place not in self._pools:
            items = np.flatnonzero(self._known[model] & self._inside(partition))
            self._pools[place] = Pool(items, self._readiness[model][items])
        return self._pools[place]

    def _inside(self, partition: str) -> npt.NDArray[np.bool_]:
        if partition == ROOT:
            return np.ones(self.given.size, bool)
        top, _, below = partition.partition("/")
        inside = self._home == self.slices.index(top)
        return np.asarray(inside & (self._part == self.parts(top).index(below)) if below else inside)

    def answer(self, model: int, partition: str, listed: set[int], rng: np.random.Generator) -> list[int]:
        """One reply; shorter where the model knows no more."""
        t = self.given
        heeded = {x for x in listed if rng.random() < t.comply}
        strays = int(rng.binomial(t.asked, t.leak)) if partition != ROOT else 0
        drawn = [
            *self.pool(model, partition).draw(t.asked - strays + len(heeded), rng),
            *self.pool(model, ROOT).draw(strays, rng),
        ]
        named = [int(x) for x in dict.fromkeys(drawn) if x not in heeded][: t.asked]
        return [self._invent() if model == 0 and rng.random() < t.invents else x for x in named]

    def _invent(self) -> int:
        self._invented += 1
        return self._invented

    def usd(self, model: int, listed: int, named: int) -> float:
        return self.given.price[model] * (PROMPT + LISTED * listed + NAMED * named) / 1e6

    def full_usd(self, model: int) -> float:
        return self.usd(model, 0, self.given.asked)

    @property
    def budget(self) -> float:
        return self.given.requests * float(np.mean([self.full_usd(m) for m in range(len(self.keys))]))


def _word(number: int) -> str:
    """Letters, so that labels are not told apart by figures alone: a, b, ..., z, ba, bb."""
    head, tail = divmod(number, 26)
    return (_word(head) if head else "") + chr(97 + tail)
