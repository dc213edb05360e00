"""Sub-categories from the attributes themselves, where no model gave usable ones.

Hashed character trigrams and words, TF-IDF, k-means on the unit sphere; a cluster is named by its most telling words.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igentai_orchestrator.core.good_turing import Floats

FEATURES: Final = 512
CLUSTERS: Final = 5
TEXTS_MAX: Final = 2000
_ROUNDS: Final = 12
_WORD: Final = re.compile(r"[^\W\d_]{3,}")


def cluster_labels(texts: Sequence[str], *, clusters: int = CLUSTERS, seed: int = 0) -> list[str]:
    """Names for about `clusters` groups of `texts`, the largest first; fewer where words do not tell groups apart.

    A name is "bridges, canal": words that are frequent in its group and rare in the others. Empty if there are fewer
    than four texts a cluster.
    """
    texts = texts[:TEXTS_MAX]
    if len(texts) < 4 * clusters:
        return []
    assigned = _assign(_vectors(texts), clusters, seed)
    words = [Counter[str]() for _ in range(clusters)]
    for text, group in zip(texts, assigned, strict=True):
        words[group].update(set(_WORD.findall(text.casefold())))
    sizes = np.bincount(assigned, minlength=clusters)
    labels: list[str] = []
    for group in np.argsort(-sizes, kind="stable"):
        label = _name(words, int(group), int(sizes[group]))
        if label and label not in labels:
            labels.append(label)
    return labels


def _vectors(texts: Sequence[str]) -> Floats:
    counts = np.zeros((len(texts), FEATURES))
    for row, text in enumerate(texts):
        plain = f" {text.casefold()} "
        for gram in [plain[i : i + 3] for i in range(len(plain) - 2)] + _WORD.findall(plain):
            counts[row, zlib.crc32(gram.encode()) % FEATURES] += 1.0
    rarity = np.log((1.0 + len(texts)) / (1.0 + (counts > 0).sum(axis=0)))
    vectors = counts * rarity
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def _assign(vectors: Floats, clusters: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Spherical k-means from centres that are far apart."""
    draw = np.random.Generator(np.random.Philox(key=seed))
    chosen = [int(draw.integers(len(vectors)))]
    for _ in range(clusters - 1):
        nearest = (vectors @ vectors[chosen].T).max(axis=1)
        chosen.append(int(nearest.argmin()))
    centres = vectors[chosen]
    assigned = np.zeros(len(vectors), np.int64)
    for _ in range(_ROUNDS):
        assigned = (vectors @ centres.T).argmax(axis=1).astype(np.int64)
        for group in range(clusters):
            members = vectors[assigned == group]
            if len(members):
                mean = members.mean(axis=0)
                centres[group] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return assigned


def _name(words: list[Counter[str]], group: int, size: int) -> str:
    """The two words most typical of a group: in at least a tenth of it, and at least twice as common as elsewhere."""
    elsewhere: Counter[str] = Counter()
    for other, found in enumerate(words):
        if other != group:
            elsewhere.update(found)
    telling = [
        (-(count * count) / (count + elsewhere[word]), word)
        for word, count in words[group].items()
        if count >= max(2, 0.1 * size) and count >= 2 * elsewhere[word]
    ]
    return ", ".join(word for _, word in sorted(telling)[:2])
