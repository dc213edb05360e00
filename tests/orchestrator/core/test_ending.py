"""The last moments of a topic: what comes too late is left where it is safe, and nobody waits for a full disk."""

from __future__ import annotations

import pytest

from igentai.errors import FailureKind
from igentai.messages import Assign, FinishTopic, Stop
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.core.records import LostRecord
from igentai_orchestrator.core.topic import Limits, ModelChoice
from tests.orchestrator.core.clockwork import Clockwork, Said
from tests.orchestrator.core.floor import Floor, acks, running, spec

ONE = (ModelChoice("openai", "cheap"),)


def at_work(free: int = 2) -> tuple[Floor, int]:
    floor = Floor()
    floor.open(spec(models=ONE))
    link = floor.join(slot=0, free=free)
    floor.commit()
    return floor, link


def closing() -> tuple[Floor, int]:
    """A topic whose files are being closed, with two requests that were given up and may be answered yet."""
    floor, link = at_work()
    floor.happen(facts.TopicStopRequested("a person stopped it"))
    floor.tick(60.0)
    floor.commit()
    floor.tick()
    assert floor.desk.phase is Phase.CLOSING
    return floor, link


def test_an_answer_that_comes_while_the_files_are_closed_stays_in_its_spool() -> None:
    floor, link = closing()
    (_, first), (_, second) = floor.assigned()
    found = floor.answer(link, first, ["Alpha"], ready=False)
    found += floor.fail(link, second, FailureKind.TIMEOUT, ready=False)
    assert floor.of(orders.RecordThis, found) == []
    assert acks(floor, found) == []


def test_weights_set_while_the_files_are_closed_are_not_recorded() -> None:
    floor, _ = closing()
    found = floor.happen(facts.WeightsSet({"openai:cheap": 0.5}, "a person"))
    assert floor.of(orders.RecordThis, found) == []


def test_an_end_does_not_wait_for_a_disk_that_stays_full() -> None:
    floor, link = at_work()
    floor.happen(facts.StorageTroubled("no space left"))
    floor.happen(facts.ShutdownRequested())
    floor.answer(link, floor.assigned()[0][1], ["Alpha"], ready=False)
    floor.tick(5.0)
    assert floor.desk.phase is Phase.FINISHING
    found = floor.tick(2.1) + floor.tick(0.5)
    assert len(floor.of(orders.CloseTopic, found)) == 1
    late = floor.commit()
    assert floor.of(orders.RecordThis, late) == []


def test_a_stop_by_a_person_waits_until_the_disk_has_room() -> None:
    floor, link = at_work()
    floor.happen(facts.StorageTroubled("no space left"))
    floor.happen(facts.TopicStopRequested("a person stopped it"))
    floor.answer(link, floor.assigned()[0][1], ["Alpha"], ready=False)
    found = floor.tick(60.0) + floor.tick()
    assert floor.of(orders.CloseTopic, found) == []
    floor.happen(facts.StorageMended())
    assert len(floor.of(orders.CloseTopic, floor.commit())) == 1


def test_a_place_whose_request_was_called_off_on_a_full_disk_is_used_once_there_is_room() -> None:
    floor = Floor()
    floor.open(spec(models=ONE))
    floor.join(slot=0, free=2)
    floor.happen(facts.StorageTroubled("no space left"))
    floor.commit()
    assert floor.assigned() == []
    floor.happen(facts.StorageMended())
    floor.commit()
    assert len(floor.assigned()) == 2


def test_a_stop_drains_for_a_few_seconds_then_gives_up_and_closes_once() -> None:
    floor, link = running()
    floor.commit()
    floor.happen(facts.TopicStopRequested("enough"))
    floor.happen(facts.TopicStopRequested("enough!"))
    floor.answer(link, floor.assigned()[0][1], ["Alpha"])
    floor.tick()
    floor.commit()
    assert floor.of(orders.CloseTopic) == []
    floor.tick(floor.desk.books.arrangement.drain_s + 0.1)
    floor.commit()
    [close] = floor.of(orders.CloseTopic)
    assert (close.status, close.reason) == ("stopped", "enough")
    assert len(floor.sent(FinishTopic)) == 1
    assert [type(r) for r in floor.ledger].count(LostRecord) == 1
    assert len(floor.assigned()) == 2


def test_shutdown_finishes_the_topic_lets_the_producers_go_and_exits() -> None:
    floor, link = running()
    floor.commit()
    floor.happen(facts.ShutdownRequested())
    for _, assign in floor.assigned():
        floor.answer(link, assign, [f"item {assign.assignment_id}"], ready=False)
    floor.commit()
    assert [c.status for c in floor.of(orders.CloseTopic)] == ["interrupted"]
    assert floor.desk.phase is Phase.CLOSING
    found = floor.happen(facts.TopicClosed())
    assert [link for link, _ in floor.sent(Stop, found)] == [link]
    assert [o.how for o in floor.of(orders.Kill, found)] == ["terminate"]
    found = floor.happen(facts.ProducerExited(0, 1000 + link, 0))
    assert floor.of(orders.TakeSpool, found) == []
    assert [o.code for o in floor.of(orders.Exit)] == [0]


class Closed:
    """A provider that knows thirty things: it names ten of those it was not told, then fewer, then some again."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, _: Assign, at: float) -> Said:
        left = [f"Thing {i:02}" for i in range(30) if f"Thing {i:02}" not in self.said][:10]
        self.said.update(left)
        return Said(1.0, left or ["Thing 01", "Thing 07"])


@pytest.mark.parametrize("models", [ONE, None])
def test_a_closed_topic_ends_when_every_model_said_it_has_no_more(models: tuple[ModelChoice, ...] | None) -> None:
    floor = Floor()
    floor.open(spec(limits=Limits(), models=models, policy="learned"))
    works = Clockwork(floor, Closed())
    works.begin(producers=1, free=2)
    works.run(until=1000.0)
    assert floor.desk.phase is Phase.CLOSING
    assert len(works.calls) <= 3 + 4 + 1, "three full answers, four that say it is all, one on its way meanwhile"
    last = {call.assign.model for call in works.calls[-4:]}
    assert last == ({"cheap"} if models else {"cheap", "dear"})
