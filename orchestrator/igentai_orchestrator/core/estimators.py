"""Estimates of how many attributes were never sighted, from how often the others were.

All work on incidences: an answer names an attribute once or not at all, so Chao1 and Chao2, and ACE and ICE, are one
here. Every one of them assumes that answers are drawn alike; a policy that spends where it finds the most draws them
unlike, on purpose: it leaves a partition when it gets dry and a model when it gets dear, and what only they know is
never named once. `unseen` corrects for that with constants fitted in simulation. Errors: docs/discovery.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

RARE: Final = 10  # ACE's and the ratio plot's bound between rare and common

# ln(unseen / distinct) = ln A + B ln(iChao1 / distinct) + C ln(1 - known_share), fitted by least squares on 66
# simulated runs of the learned policy (seeds 100 to 105 and 300 to 323), at every tenth of the topic from 20 %, those
# from half found on with twice the weight. The share of fresh attributes of late, beside these two, improves nothing.
_A: Final = 5.77
_B: Final = 0.645
_C: Final = 0.347
SPREAD: Final = 1.92  # 5 % and 95 % points of the residuals in random worlds, as a factor; of all residuals it is 1.73


@dataclass(slots=True)
class Frequencies:
    """How many attributes were sighted how often.

    `f[j]` counts those sighted j times, for j up to 10; `f[11]` all others. `sightings` is the sum over attributes,
    `pairs` the sum of c(c-1).
    """

    f: list[int] = field(default_factory=lambda: [0] * (RARE + 2))
    distinct: int = 0
    sightings: int = 0
    pairs: int = 0

    def sighted(self, times: int) -> None:
        """An attribute was sighted for the `times`-th time."""
        self.sightings += 1
        if times == 1:
            self.distinct += 1
        else:
            self.pairs += 2 * (times - 1)
            self.f[min(times - 1, RARE + 1)] -= 1
        self.f[min(times, RARE + 1)] += 1


def frequencies(counts: Sequence[int]) -> Frequencies:
    """Of sightings by attribute; zeros are left out."""
    found = Frequencies()
    for count in counts:
        if count > 0:
            found.distinct += 1
            found.sightings += count
            found.pairs += count * (count - 1)
            found.f[min(count, RARE + 1)] += 1
    return found


def chao1(q: Frequencies) -> float:
    """Unseen, at least (Chao 1984, bias-corrected)."""
    return q.f[1] * (q.f[1] - 1) / (2.0 * (q.f[2] + 1))


def ichao1(q: Frequencies) -> float:
    """Unseen, at least, a tighter bound that also uses f3 and f4 (Chiu, Wang, Walther, Chao 2014)."""
    bound = chao1(q)
    if q.f[4] < 1:
        return bound
    return bound + q.f[3] / (4.0 * q.f[4]) * max(q.f[1] - q.f[2] * q.f[3] / (2.0 * q.f[4]), 0.0)


def ace(q: Frequencies) -> float:
    """Unseen by abundance coverage (Chao and Lee 1992; rare means at most 10 sightings)."""
    rare = sum(q.f[1 : RARE + 1])
    sightings = sum(j * q.f[j] for j in range(1, RARE + 1))
    if sightings <= max(q.f[1], 1):
        return chao1(q)
    cover = 1.0 - q.f[1] / sightings
    pairs = sum(j * (j - 1) * q.f[j] for j in range(1, RARE + 1))
    spread = max(rare / cover * pairs / (sightings * (sightings - 1.0)) - 1.0, 0.0)
    return rare / cover + q.f[1] / cover * spread - rare


def gamma_poisson(q: Frequencies) -> float:
    """Unseen if sighting rates are Gamma distributed: the ratios (j+1) f[j+1]/f[j] are linear in j, and f0 = f1/R(0).

    Rocchetti, Bunge, Böhning (2011), weighted by the inverse variance of each ratio.
    """
    points = [
        (float(j), (j + 1) * q.f[j + 1] / q.f[j], 1.0 / q.f[j] + 1.0 / q.f[j + 1])
        for j in range(1, 6)
        if q.f[j] >= 5 and q.f[j + 1] >= 5
    ]
    if len(points) < 2:
        return chao1(q)
    weights = [1.0 / (r * r * v) for _, r, v in points]
    total = sum(weights)
    mean_j = sum(w * j for w, (j, _, _) in zip(weights, points, strict=True)) / total
    mean_r = sum(w * r for w, (_, r, _) in zip(weights, points, strict=True)) / total
    spread = sum(w * (j - mean_j) ** 2 for w, (j, _, _) in zip(weights, points, strict=True))
    slope = sum(w * (j - mean_j) * (r - mean_r) for w, (j, r, _) in zip(weights, points, strict=True)) / spread
    return q.f[1] / max(mean_r - slope * mean_j, 0.15 * mean_r)


def unseen(q: Frequencies) -> float:
    """Attributes never sighted, in a run of the learned policy.

    `q` are its sightings; an attribute left out because a prompt listed it counts as half a sighting.
    """
    bound = ichao1(q)
    if bound <= 0.0 or q.distinct == 0:
        return 0.0
    return q.distinct * _A * float((bound / q.distinct) ** _B * (1.0 - known_share(q)) ** _C)


def known_share(q: Frequencies) -> float:
    """Share of what is said next that is already known (Good-Turing, as improved by Chao and Jost 2012).

    Not a share of the topic: at 0.95 about 60 % of the attributes have been found.
    """
    n, once, twice = q.sightings, q.f[1], q.f[2]
    if n < 2 or once == 0:
        return 1.0 if n else 0.0
    return 1.0 - once / n * ((n - 1) * once / ((n - 1) * once + 2.0 * max(twice, 0.5)))


def chao1_interval(q: Frequencies, z: float = 1.645) -> tuple[float, float]:
    """Log-normal interval of distinct + Chao1 (Chao 1987); z 1.645 is 90 %."""
    unseen = chao1(q)
    if unseen <= 0.0:
        return float(q.distinct), float(q.distinct)
    ratio = q.f[1] / max(q.f[2], 1)
    variance = max(q.f[2], 1) * (ratio**2 / 2.0 + ratio**3 + ratio**4 / 4.0)
    factor = math.exp(z * math.sqrt(math.log1p(variance / unseen**2)))
    return q.distinct + unseen / factor, q.distinct + unseen * factor
