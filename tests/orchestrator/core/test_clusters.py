"""Groups of attributes and their names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.clusters import cluster_labels

BRIDGES = [f"{n} bridge" for n in ("Iron", "Stone", "Old", "New", "Royal", "Long", "High", "Low", "Blue", "Red")]
MUSEUMS = [f"museum of {n}" for n in ("art", "wax", "wine", "film", "music", "war", "toys", "maps", "law", "sport")]
GARDENS = [f"{n} gardens" for n in ("Rose", "East", "West", "Queen", "King", "Lily", "Palm", "Fern", "Moss", "Pine")]


def test_groups_are_named_by_their_words() -> None:
    labels = cluster_labels(BRIDGES + MUSEUMS + GARDENS, clusters=3)
    words = {w for label in labels for w in label.split(", ")}
    assert {"bridge", "museum", "gardens"} <= words


def test_too_few_texts_give_no_groups() -> None:
    assert cluster_labels(BRIDGES, clusters=5) == []


@given(st.lists(st.text(max_size=15), min_size=20, max_size=60), st.integers(0, 5))
def test_any_texts_give_distinct_labels_and_the_same_every_time(texts: list[str], seed: int) -> None:
    labels = cluster_labels(texts, seed=seed)
    assert len(labels) == len(set(labels)) <= 5
    assert all(labels)
    assert labels == cluster_labels(texts, seed=seed)
