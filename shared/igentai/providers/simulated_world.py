"""The world that simulated models talk about: what there is, and what each model knows of it.

One universe for each (topic, seed, items, categories), the same in every process. Its items stand in order of fame,
which falls by Zipf's law; they belong to categories of uneven size and to sub-categories of those, except for a tenth
at each level that fits none. Each model knows a subset that leans to the famous and overlaps with the others', and has
its own opinion of what comes first. The shape and its constants are those of the simulator behind ALGORITHMS.md
(section 2): assumptions about language models, not measurements of them.
"""

from __future__ import annotations

import heapq
import math
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

NOWHERE: Final = -1  # the category of an item that fits none
UNCOVERED: Final = 0.1  # share of each node's items that are in none of its children
SUBCATEGORIES: Final = ("Northern", "Southern", "Inland", "Island", "Royal", "Hidden")

_NOUNS: Final = (
    ("gardens", "Garden"), ("bridges", "Bridge"), ("towers", "Tower"), ("markets", "Market"), ("springs", "Spring"),
    ("halls", "Hall"), ("valleys", "Valley"), ("harbours", "Harbour"), ("orchards", "Orchard"), ("mills", "Mill"),
)  # fmt: skip
_KINDS: Final = (
    "Ancient",
    "Coastal",
    "Mountain",
    "Painted",
    "Quiet",
    "Winter",
    "Copper",
    "Lantern",
    "River",
    "Forest",
)
_ONSETS: Final = "bcdfghjklmnprtvz"
_ONSET_WEIGHTS: Final = (7, 6, 5, 3, 4, 3, 1, 4, 8, 9, 6, 8, 7, 8, 3, 1)
_VOWELS: Final = "aeiou"
_ACCENTED: Final = dict(zip(_VOWELS, "áéíóú", strict=True))


@dataclass(frozen=True, slots=True)
class Node:
    """A category: `label` is what a prompt calls it; `children` are ids of its sub-categories."""

    label: str
    parent: int
    children: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Universe:
    """Everything there is. Item number i is the i-th most famous; `home[i]` is the id of its deepest category."""

    names: tuple[str, ...]
    home: tuple[int, ...]
    nodes: tuple[Node, ...]
    shared: tuple[float, ...]  # what makes all models like or miss an item alike
    numbers: dict[str, int] = field(repr=False)  # plain(name) -> item number

    def inside(self, item: int, node: int) -> bool:
        home = self.home[item]
        return home != NOWHERE and node in (home, self.nodes[home].parent)

    def node_named(self, phrase: str) -> int | None:
        """The category whose label the phrase contains; the longest where there are several."""
        phrase = phrase.casefold()
        found = [i for i, node in enumerate(self.nodes) if node.label.casefold() in phrase]
        return max(found, key=lambda i: len(self.nodes[i].label), default=None)


@dataclass(frozen=True, slots=True)
class Pool:
    """What a model would name when asked about one slice: items and their running weights."""

    items: tuple[int, ...]
    cumulative: tuple[float, ...]

    def draw(self, count: int, refused: set[int], rng: Random) -> list[int]:
        """`count` different items outside `refused`, in the order they come to mind; fewer if there are no more.

        Successive sampling without replacement, which is what taking the top of Gumbel-perturbed weights gives.
        """
        if not self.items:
            return []
        chosen: dict[int, None] = {}
        for _ in range(4):  # by rejection, which is quick while few have been taken
            for item in rng.choices(self.items, cum_weights=self.cumulative, k=2 * count):
                if item not in refused:
                    chosen.setdefault(item)
            if len(chosen) >= count:
                return list(chosen)[:count]
        waits = (
            (rng.expovariate(1.0) / max(high - low, 1e-300), item)
            for item, low, high in zip(self.items, (0.0, *self.cumulative), self.cumulative, strict=False)
            if item not in chosen and item not in refused
        )
        return [*chosen, *(item for _, item in heapq.nsmallest(count - len(chosen), waits))]


class Knowledge:
    """What one model knows of a universe."""

    def __init__(self, universe: Universe, model: str, *, knows: float, skew: float, seed: int) -> None:
        self.universe = universe
        rng = Random(f"{seed}|{model}|{universe.names[0]}")
        count = len(universe.names)
        ease = [1.6 * (1 - i / count) + 0.35 * universe.shared[i] + rng.gauss(0, 0.45) for i in range(count)]
        known = heapq.nlargest(round(knows * count), range(count), key=ease.__getitem__)
        self._weights = {
            i: math.exp(-skew * math.log(i + 3) + 0.7 * rng.gauss(0, 1) + 0.3 * universe.shared[i])
            for i in sorted(known)
        }
        self._pools: dict[object, Pool] = {}

    def everything(self) -> Pool:
        return self._pool(None, lambda _: True)

    def category(self, node: int) -> Pool:
        return self._pool(node, lambda item: self.universe.inside(item, node))

    def letters(self, ranges: tuple[tuple[str, str], ...]) -> Pool:
        """Items whose names begin with anything from `A` to `C`, or `Ka` to `Ke`, both included."""
        bounds = [(low.casefold(), high.casefold()) for low, high in ranges]

        def within(item: int) -> bool:
            name = plain(self.universe.names[item])
            return any(low <= name[: len(low)] and name[: len(high)] <= high for low, high in bounds)

        return self._pool(ranges, within)

    def _pool(self, key: object, wanted: Callable[[int], bool]) -> Pool:
        pool = self._pools.get(key)
        if pool is None:
            if len(self._pools) >= 4096:  # prompts are not ours: keep what they make us remember bounded
                self._pools.clear()
            items = tuple(i for i in self._weights if wanted(i))
            pool = self._pools[key] = Pool(items, tuple(accumulate(self._weights[i] for i in items)))
        return pool


@lru_cache(maxsize=8)
def universe_of(topic: str, *, items: int, categories: int, seed: int) -> Universe:
    """The universe of a topic. Names are all distinct, also without accents and in one case."""
    rng = Random(f"{seed}|{' '.join(topic.casefold().split())}|{items}|{categories}")
    nodes, nouns = _categories(categories, rng)
    sizes = [rng.gammavariate(2, 1) for _ in range(categories)]
    names, home, numbers = [], [], {}
    taken: set[str] = set()
    for i in range(items):
        category = NOWHERE if rng.random() < UNCOVERED else rng.choices(range(categories), sizes)[0]
        word = new_word(taken, rng)
        name = word.capitalize()
        if category != NOWHERE and rng.random() < 0.6:
            name = f"{name} {nouns[category]}"
        names.append(name)
        numbers[plain(name)] = i
        children = nodes[category].children if category != NOWHERE else ()
        home.append(category if not children or rng.random() < UNCOVERED else rng.choice(children))
    shared = tuple(rng.gauss(0, 0.5) for _ in range(items))
    return Universe(tuple(names), tuple(home), tuple(nodes), shared, numbers)


def _categories(count: int, rng: Random) -> tuple[list[Node], list[str]]:
    """Top-level nodes first (ids 0 to count - 1), then their children; and each top-level node's noun."""
    plain_labels = [(f"{kind} {plural}", noun) for kind in _KINDS for plural, noun in _NOUNS]
    rng.shuffle(plain_labels)
    words: set[str] = set()
    top = [
        plain_labels[i] if i < len(plain_labels)
        else (f"{new_word(words, rng).capitalize()} {plain_labels[i % 100][0].lower()}", plain_labels[i % 100][1])
        for i in range(count)
    ]  # fmt: skip
    heads: list[Node] = []
    children: list[Node] = []
    for i, (label, _) in enumerate(top):
        subs = rng.sample(SUBCATEGORIES, rng.randint(4, len(SUBCATEGORIES)))
        first = count + len(children)
        children += [Node(f"{sub} {label.lower()}", i) for sub in subs]
        heads.append(Node(label, NOWHERE, tuple(range(first, first + len(subs)))))
    return heads + children, [noun for _, noun in top]


def new_word(taken: set[str], rng: Random, syllables: tuple[int, ...] = (2, 3, 3, 4)) -> str:
    """A word that is not in `taken`, which it joins without its accents.

    Consonant and vowel in turn: so no two differ by swapped neighbours, and none is another's plural.
    """
    while True:
        word = "".join(
            rng.choices(_ONSETS, _ONSET_WEIGHTS)[0] + rng.choice(_VOWELS) for _ in range(rng.choice(syllables))
        )
        if rng.random() < 0.15:
            word = rng.choice(_VOWELS) + word
        if word not in taken:
            taken.add(word)
            return word[:-1] + _ACCENTED[word[-1]] if rng.random() < 0.03 else word


def plain(name: str) -> str:
    """A name in one case and without accents: what two spellings of it have in common."""
    parts = unicodedata.normalize("NFD", name.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c)).strip()
