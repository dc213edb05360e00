"""Assignments taken in once, against a set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.once import Once

numbers = st.lists(st.integers(0, 9000) | st.integers(10**9, 10**9 + 50))


@given(numbers)
def test_it_takes_what_a_set_lacks(asked: list[int]) -> None:
    once, known = Once(), set[int]()
    for number in asked:
        assert once.take(number) is (number not in known)
        known.add(number)


def test_a_hundred_thousand_take_less_than_the_numbers_themselves() -> None:
    once = Once()
    for number in range(100_000):
        once.take(number)
    assert sum(len(page) for page in once._pages.values()) <= 100_000 // 8 + 512
