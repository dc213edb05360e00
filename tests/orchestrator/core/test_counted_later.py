"""What is put down and counted when somebody asks is what it would be had each answer been counted at once."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from igentai_orchestrator.core.coverage import Coverage
from igentai_orchestrator.core.discovery import Outcome
from igentai_orchestrator.core.exclusion import ExclusionLists
from igentai_orchestrator.core.good_turing import NoveltyTable
from igentai_orchestrator.core.named import Named, distinct
from igentai_orchestrator.core.overlap import Overlap

MODELS, PARTITIONS = ("p:a", "p:b", "p:c"), ("", "x", "x/y")


@dataclass
class Answer:
    """As a ledger holds it: new attributes follow on, others are known; what was listed is known."""

    model: str
    partition: str
    named: Named
    listed: tuple[int, ...]


@st.composite
def runs(draw: st.DrawFn) -> list[Answer]:
    latest, found = 0, []
    for _ in range(draw(st.integers(0, 40))):
        fresh = draw(st.integers(0, 5))
        known = st.lists(st.integers(1, latest), unique=True, max_size=8) if latest else st.just([])
        named = Named(latest + 1, fresh, draw(known))
        found.append(
            Answer(draw(st.sampled_from(MODELS)), draw(st.sampled_from(PARTITIONS)), named, tuple(draw(known)))
        )
        latest += fresh
    return found


def outcome(number: int, answer: Answer, named: Named | None = None) -> Outcome:
    cost, fresh = 0.01 * number, answer.named.fresh
    return Outcome(
        number, answer.model, answer.partition, "list", True, answer.named if named is None else named, fresh, cost, 1.0
    )


@settings(deadline=None)
@given(runs(), st.sets(st.integers(0, 40)))
def test_coverage(answers: list[Answer], asked: set[int]) -> None:
    now_and_then, at_once, late = Coverage(), Coverage(), Coverage()
    for number, answer in enumerate(answers, 1):
        for coverage in (now_and_then, at_once, late):
            coverage.learn(outcome(number, answer), answer.listed)
        at_once.snapshot()
        if number in asked:
            now_and_then.snapshot()
    assert late.snapshot() == at_once.snapshot() == now_and_then.snapshot()
    assert late.forecasts == at_once.forecasts


@settings(deadline=None)
@given(runs())
def test_an_attribute_that_is_new_is_one_that_nobody_named(answers: list[Answer]) -> None:
    """Runs of new numbers are not looked at one by one: it makes no difference to looking."""
    as_runs, one_by_one = Coverage(), Coverage()
    table, plain_table = NoveltyTable(len(MODELS)), NoveltyTable(len(MODELS))
    for counted in (table, plain_table):
        for _ in PARTITIONS:
            counted.add_column()
    for number, answer in enumerate(answers, 1):
        plain = distinct([*answer.named])
        as_runs.learn(outcome(number, answer), answer.listed)
        one_by_one.learn(outcome(number, answer, plain), answer.listed)
        arm = MODELS.index(answer.model), PARTITIONS.index(answer.partition)
        fresh = table.record(*arm, answer.named, empty=3.0)
        assert plain_table.record(*arm, plain, empty=3.0) == fresh == answer.named.fresh
    assert as_runs.snapshot() == one_by_one.snapshot()
    assert (table.single == plain_table.single).all()
    assert (table.drawn == plain_table.drawn).all()


@settings(deadline=None)
@given(runs(), st.sets(st.integers(0, 40)), st.floats(0.0, 0.4))
def test_exclusion_lists(answers: list[Answer], asked: set[int], theta: float) -> None:
    """What strays is weighted by its age: in the order of the answers, whenever which list was asked for."""
    now_and_then, late = ExclusionLists(), ExclusionLists()
    for number, answer in enumerate(answers):
        kept = [lists.record(answer.partition, answer.named, answer.listed, asked=20) for lists in (now_and_then, late)]
        assert kept[0] == kept[1]
        if number in asked:
            now_and_then.choose(PARTITIONS[number % 3], theta=theta)
            now_and_then.kept_away(20)
    for partition in PARTITIONS:
        assert now_and_then.choose(partition, theta=theta) == late.choose(partition, theta=theta)


@settings(deadline=None)
@given(runs(), st.sets(st.integers(0, 40)))
def test_overlap(answers: list[Answer], asked: set[int]) -> None:
    now_and_then, late = Overlap(), Overlap()
    for number, answer in enumerate(answers):
        for overlap in (now_and_then, late):
            overlap.record(answer.model, answer.named.first, answer.named.fresh, answer.named.others)
        if number in asked:
            now_and_then.shared()
    assert now_and_then.shared() == late.shared()
    assert now_and_then.support_2 == late.support_2
