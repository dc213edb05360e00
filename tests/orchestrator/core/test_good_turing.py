"""The novelty table: what was drawn, what was sighted once, and what that says of the next draw."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.good_turing import NoveltyTable

MODELS, PARTITIONS = 3, 4
answers = st.lists(
    st.tuples(st.integers(0, MODELS - 1), st.integers(0, PARTITIONS - 1), st.lists(st.integers(1, 30), max_size=12)),
    max_size=40,
)


def filled(outcomes: list[tuple[int, int, list[int]]]) -> NoveltyTable:
    table = NoveltyTable(MODELS)
    for _ in range(PARTITIONS):
        table.add_column()
    for row, column, numbers in outcomes:
        table.record(row, column, numbers, empty=5.0)
    return table


@given(answers)
def test_singletons_equal_a_recount_from_the_log(outcomes: list[tuple[int, int, list[int]]]) -> None:
    table = filled(outcomes)
    sightings = Counter(n for _, _, numbers in outcomes for n in set(numbers))
    expected = np.zeros((MODELS, PARTITIONS))
    for row, column, numbers in outcomes:
        expected[row, column] += sum(sightings[n] == 1 for n in set(numbers))
    assert (table.single == expected).all()
    assert (table.single <= table.drawn).all()


@given(answers, st.randoms(use_true_random=False))
def test_order_of_answers_and_of_attributes_does_not_matter(
    outcomes: list[tuple[int, int, list[int]]], shuffler: Random
) -> None:
    changed = [(r, c, shuffler.sample(n, len(n))) for r, c, n in outcomes]
    shuffler.shuffle(changed)
    one, other = filled(outcomes), filled(changed)
    assert (one.single == other.single).all()
    assert (one.drawn == other.drawn).all()


@given(answers, st.integers(0, MODELS - 1), st.lists(st.integers(1, 30), max_size=12))
def test_an_answer_never_raises_the_singletons_of_another_arm(
    outcomes: list[tuple[int, int, list[int]]], row: int, numbers: list[int]
) -> None:
    table = filled(outcomes)
    before = table.single.copy()
    table.record(row, 0, numbers, empty=5.0)
    risen = table.single > before
    risen[row, 0] = False
    assert not risen.any()


@given(answers)
def test_rates_are_shares(outcomes: list[tuple[int, int, list[int]]]) -> None:
    table = filled(outcomes)
    prior = np.full(PARTITIONS, 0.9)
    for _ in range(3):
        table.sweep(prior)
    share, strength = table.law(prior)
    assert ((share >= 0.0) & (share <= 1.0)).all()
    assert (strength > 0.0).all()
    for row in range(MODELS):
        for column in range(PARTITIONS):
            assert table.cell(row, column, 0.9) == pytest.approx(share[row, column])


def test_good_turing_is_unbiased_for_what_the_last_draw_could_have_added() -> None:
    """Mean of U/D minus the true missing mass before the last draw, within three standard errors of 0."""
    draw = np.random.default_rng(5)
    weights = 1.0 / np.arange(1, 201) ** 1.1
    weights /= weights.sum()
    errors = []
    for _ in range(400):
        table = NoveltyTable(1)
        table.add_column()
        seen = np.zeros(200, bool)
        for item in draw.choice(200, size=150, p=weights):
            missing = float(weights[~seen].sum())
            seen[item] = True
            table.record(0, 0, [int(item) + 1], empty=1.0)
        errors.append(float(table.single[0, 0] / table.drawn[0, 0]) - missing)
    assert abs(np.mean(errors)) < 3.0 * np.std(errors) / np.sqrt(len(errors))


def test_an_empty_answer_counts_as_known_draws() -> None:
    table = filled([(0, 0, [1, 2, 3])])
    before = table.cell(0, 0, 0.9)
    table.record(0, 0, [], empty=30.0)
    assert table.cell(0, 0, 0.9) < before
