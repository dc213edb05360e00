"""The filter forgets nothing, is rarely wrong, and travels whole, in parts and as new keys."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.bloom import FIRST_CAPACITY, MOST_SLICES, Bloom, _Slice, delta

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = st.binary(min_size=8, max_size=8)


def keys(count: int, seed: int) -> list[bytes]:
    rng = Random(seed)
    return [rng.randbytes(8) for _ in range(count)]


@given(st.lists(KEY, max_size=200), st.integers(1, 50))
def test_what_was_added_is_known(added: list[bytes], capacity: int) -> None:
    bloom = Bloom(capacity)
    for key in added:
        new = key not in bloom
        assert bloom.add(key) is new
    assert all(key in bloom for key in added)
    assert len(bloom) <= len(set(added))


@pytest.mark.parametrize(("capacity", "count"), [(100, 100), (5_000, 5_000), (1_000, 40_000)])
def test_one_in_a_hundred_at_most_is_taken_for_known(capacity: int, count: int) -> None:
    bloom = Bloom(capacity)
    for key in keys(count, seed=1):
        bloom.add(key)
    strangers = keys(30_000, seed=2)
    assert sum(key in bloom for key in strangers) / len(strangers) < 0.0125


def test_memory_at_capacity_is_near_the_least_possible() -> None:
    bloom = Bloom(10_000)
    for key in keys(10_000, seed=3):
        bloom.add(key)
    assert len(bloom.to_bytes()) * 8 / 10_000 < 11.5  # 9.6 is the bound for 1 %, 10.7 for the first slice's share


@settings(max_examples=30, deadline=None)
@given(st.lists(KEY, max_size=300), st.integers(1, 40), st.randoms(use_true_random=False))
def test_bytes_parts_and_deltas_make_the_same_filter(added: list[bytes], capacity: int, rng: Random) -> None:
    bloom = Bloom(capacity)
    for key in added:
        bloom.add(key)
    data = bloom.to_bytes()
    assert Bloom.from_bytes(data, capacity).to_bytes() == data
    parts = bloom.parts() * 2
    rng.shuffle(parts)
    by_parts = Bloom(capacity)
    for part in parts:
        by_parts.merge(part)
    assert by_parts.to_bytes() == data
    half = len(added) // 2
    by_delta = Bloom(capacity)
    by_delta.merge(delta(added[:half]) + delta(added[half:]))
    assert by_delta.to_bytes() == data


def test_the_parts_of_a_filter_fit_a_frame_however_large_it_grows() -> None:
    largest = max(len(_Slice(number, FIRST_CAPACITY).bits) for number in range(MOST_SLICES))
    assert len(Bloom().to_bytes()) < 100_000
    assert largest < 1_000_000


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:5],
        lambda data: data[:-1],
        lambda data: data + b"\x00",
        lambda data: b"X" + data[1:],
        lambda data: data[:1] + b"\xff\xff" + data[3:],
    ],
)
def test_damaged_data_are_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="the filter's data"):
        Bloom.from_bytes(damage(Bloom(100).to_bytes()), 100)


def test_a_filter_of_another_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="another capacity"):
        Bloom(200).merge(Bloom(100).to_bytes())
    with pytest.raises(ValueError, match="holds nothing"):
        Bloom(0)
