"""A catalogue that does not exist: items in categories and sub-categories, some famous, most obscure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# fmt: off
_LABELS = (
    "museums", "parks", "bridges", "theatres", "markets", "gardens", "towers", "libraries", "cafés", "churches",
    "galleries", "squares", "palaces", "stations", "canals", "bookshops", "arcades", "fountains", "cemeteries",
    "cinemas", "bakeries", "islands", "viewpoints", "statues", "universities", "stadiums", "villages", "springs",
    "castles", "mills",
)
_ONSETS = (
    "b", "br", "c", "ch", "d", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "qu", "r", "s", "st", "t", "v",
    "w", "z",
)
# fmt: on
_KINDS = ("old", "coastal", "hidden", "northern")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_CODAS = ("", "l", "n", "r", "s", "m", "ck", "nd", "rt")


@dataclass(frozen=True)
class Item:
    """`rank` 0 is the most famous item of the world."""

    name: str
    category: str
    kind: str
    rank: int

    @property
    def labels(self) -> tuple[str, str]:
        return self.category, f"{self.kind} {self.category}"


@dataclass(frozen=True)
class World:
    """Same fields, same world, in every process.

    `skew`: exponent of Zipf's law. `knows`: share of the items that a model has heard of; famous ones are known by
    nearly all models, obscure ones by few, and which of those differs from model to model. `junk`: chance that an
    answer's item is invented. `seed` changes everything.
    """

    items: int = 2000
    categories: int = 20
    skew: float = 1.0
    knows: float = 0.7
    junk: float = 0.0
    seed: int = 0

    @cached_property
    def catalogue(self) -> tuple[Item, ...]:
        rng = Random(f"{self.seed}/catalogue")
        labels = [_label(i) for i in range(self.categories)]
        names: dict[str, None] = {}
        while len(names) < self.items:
            names.setdefault(invented(rng))
        return tuple(Item(name, rng.choice(labels), rng.choice(_KINDS), rank) for rank, name in enumerate(names))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Categories, then sub-categories, each once."""
        both = [item.labels for item in self.catalogue]
        return tuple(dict.fromkeys([category for category, _ in both] + [sub for _, sub in both]))

    def known(self, model: str) -> tuple[Item, ...]:
        """What `model` has heard of, most famous first."""
        return tuple(item for item in self.catalogue if self._share(model, item.name) < self._fame(item.rank))

    def _fame(self, rank: int) -> float:
        """Chance of being known: 1 at the top, falling so that the mean is about `knows`."""
        return min(1.0, self.knows + (1 - self.knows) * (1 - 2 * rank / self.items))

    def _share(self, *what: str) -> float:
        digest = blake2b("/".join((str(self.seed), *what)).encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64

    def pick(self, model: str, count: int, wanted: Callable[[Item], bool], rng: Random) -> list[str]:
        """At most `count` names, each once, the famous ones more likely and earlier (Gumbel top-k of Zipf's law)."""
        scored = [
            (-self.skew * math.log(item.rank + 1) - math.log(-math.log(rng.random() or 1e-12)), item.name)
            for item in self.known(model)
            if wanted(item)
        ]
        names = [name for _, name in sorted(scored, reverse=True)[:count]]
        return [invented(rng) if rng.random() < self.junk else name for name in names]


def _label(number: int) -> str:
    again, place = divmod(number, len(_LABELS))
    return f"{_LABELS[place]} {again + 1}" if again else _LABELS[place]


def invented(rng: Random) -> str:
    """A pronounceable name of two words."""
    return " ".join(
        "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.randint(1, 2))).capitalize()
        + rng.choice(_VOWELS[:5]) * (rng.random() < 0.3)
        + rng.choice(_CODAS)
        for _ in range(2)
    )
