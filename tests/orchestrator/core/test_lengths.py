"""Lengths of answers: what a partition gives, and how much less when it is asked again."""

from __future__ import annotations

import pytest

from igentai_orchestrator.core.lengths import AnswerLengths


def lengths(*columns: int) -> AnswerLengths:
    """Partitions of these depths; one model, which gives at most a hundred attributes."""
    known = AnswerLengths(1)
    for depth in columns:
        known.add_column(depth)
    return known


def test_a_partition_that_was_never_asked_is_expected_to_be_like_others_of_its_depth() -> None:
    known = lengths(1, 1, 2)
    for _ in range(40):
        known.learn(0, 0, 20, 100.0)
    assert known.factors[1] > known.factors[0]
    known = lengths(*[1] * 40, 1, 2)
    for column in range(40):
        known.learn(0, column, 20, 100.0)
    assert known.factors[40] == pytest.approx(0.2, abs=0.05)
    assert known.factors[41] == 1.0


def test_answers_that_were_shorter_the_second_time_are_expected_to_be_so_elsewhere() -> None:
    known = lengths(*[1] * 11)
    for column in range(10):
        known.learn(0, column, 100, 100.0)
        known.learn(0, column, 40, 100.0)
    assert known.fall[1] == pytest.approx(0.5, abs=0.1)
    before = known.factors[10]
    known.learn(0, 10, 100, 100.0)
    assert before == pytest.approx(1.0)
    assert known.factors[10] == pytest.approx(0.5, abs=0.1)
    assert known.fall[2] == 1.0, "no other depth has said anything"


def test_answers_that_stay_as_long_are_expected_to() -> None:
    known = lengths(1)
    for _ in range(20):
        known.learn(0, 0, 60, 100.0)
    assert known.fall[1] > 0.9
    assert known.factors[0] == pytest.approx(0.6, abs=0.1)
