"""Recorded answers drawn again as another policy wants them."""

from __future__ import annotations

import pytest

from igentai_orchestrator.core.records import LostRecord
from igentai_orchestrator.core.replay import as_it_was, recorded, replay
from igentai_orchestrator.core.topic import Limits, PolicyName
from tests.orchestrator.core.floor import Floor, spec


@pytest.fixture
def floor() -> Floor:
    """A run of 12 answers: the cheap model repeats itself, the dear one always finds something."""
    floor = Floor()
    floor.open(spec(limits=Limits(max_requests=12, saturation=False)))
    link = floor.join(slot=0, free=1)
    for n in range(12):
        floor.commit()
        assign = floor.assigned()[-1][1]
        fresh = [f"{assign.provider} {n if assign.provider == 'anthropic' else 0} {k}" for k in range(5)]
        floor.answer(link, assign, fresh)
    return floor


@pytest.mark.parametrize("policy", ["learned", "fixed", "round_robin"])
def test_every_answer_is_drawn_once_whatever_the_policy(floor: Floor, policy: PolicyName) -> None:
    answers = recorded(floor.ledger)
    assert len(answers) == 12
    was, would = as_it_was(answers), replay(answers, spec(), policy, {"openai:cheap": 0.1, "anthropic:dear": 1.0})
    assert would.answers == was.answers
    assert would.at[-1][1] == was.at[-1][1], "the same answers find the same in the end"
    assert would.at[-1][2] == pytest.approx(was.at[-1][2])
    assert [mark for mark, _, _ in would.at] == [0.25, 0.5, 0.75, 1.0]


def test_a_policy_of_ones_own_run_needs_no_substitutes(floor: Floor) -> None:
    assert replay(recorded(floor.ledger), spec(), "round_robin", {}).substitutes == 0


def test_failures_and_losses_are_no_answers(floor: Floor) -> None:
    assert len(recorded([*floor.ledger, LostRecord(99, "gone")])) == 12
