"""The life of a topic follows its table."""

from __future__ import annotations

import pytest

from igentai_orchestrator.core.phase import TRANSITIONS, Event, Life, Phase


def test_a_topic_runs_through_its_phases_and_another_may_follow() -> None:
    life = Life()
    seen = []
    for event in (Event.OPENED, Event.ENOUGH, Event.SETTLED, Event.CLOSED, Event.OPENED):
        life.move(event)
        seen.append(life.phase)
    assert seen == [Phase.RUNNING, Phase.FINISHING, Phase.CLOSING, Phase.IDLE, Phase.RUNNING]


def test_what_is_to_end_may_still_be_hurried_but_not_told_again_that_it_is_enough() -> None:
    life = Life(Phase.FINISHING)
    assert life.may(Event.STOPPED)
    assert not life.may(Event.ENOUGH)


@pytest.mark.parametrize("phase", Phase)
def test_nothing_else_moves_it(phase: Phase) -> None:
    for event in set(Event) - set(TRANSITIONS[phase]):
        with pytest.raises(AssertionError):
            Life(phase).move(event)


def test_every_phase_is_reached_and_left() -> None:
    reached = {after for moves in TRANSITIONS.values() for after in moves.values()}
    assert reached == set(Phase) == {phase for phase, moves in TRANSITIONS.items() if moves}
