"""Fresh or repeat, by key and by number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from igentai.text import key
from igentai_orchestrator.core.admission import Admission

names = st.lists(
    st.sampled_from(["Alpha", "alpha", "ALPHA", "Café", "Cafe", "Beta", "C", "C++", "C#", "ß", "ss"]), max_size=12
)


def test_numbers_follow_the_order_of_arrival() -> None:
    seen = Admission()
    assert seen.admit(["Alpha", "Beta"]).first_number == 1
    admitted = seen.admit(["beta", "Gamma", "ALPHA"])
    assert (admitted.first_number, admitted.fresh, admitted.repeats) == (3, ["Gamma"], [2, 1])
    assert seen.number(key("gamma")) == 3


def test_an_attribute_named_twice_in_one_answer_counts_once() -> None:
    seen = Admission()
    assert seen.admit(["Alpha", "alpha"]).fresh == ["Alpha"]
    assert seen.admit(["alpha", "ALPHA"]).repeats == [1]


@given(st.lists(names, max_size=8))
def test_fresh_ones_are_exactly_the_first_of_each_key(answers: list[list[str]]) -> None:
    seen = Admission()
    first: dict[str, str] = {}
    fresh: list[str] = []
    for answer in answers:
        admitted = seen.admit(answer)
        assert admitted.first_number == len(fresh) + 1
        fresh += admitted.fresh
        for text in answer:
            first.setdefault(key(text), text)
        assert len(set(admitted.repeats)) == len(admitted.repeats)
    assert fresh == list(first.values())
    assert len(seen) == len(fresh)


@given(st.lists(names, max_size=8), names)
def test_restoring_is_as_if_it_had_never_stopped(answers: list[list[str]], after: list[str]) -> None:
    live, restored = Admission(), Admission()
    for answer in answers:
        restored.restore(live.admit(answer).fresh)
    assert restored.admit(after) == live.admit(after)


def test_a_ledger_written_with_other_keys_keeps_its_numbers() -> None:
    seen = Admission()
    seen.restore(["Alpha", "alpha", "Beta"])
    assert len(seen) == 3
    assert seen.number("beta") == 3
    assert seen.admit(["Gamma"]).first_number == 4
