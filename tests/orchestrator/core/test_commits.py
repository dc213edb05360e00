"""Nothing leaves, is acknowledged or shown before it is durable."""

from __future__ import annotations

from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.records import AssignmentRecord
from tests.orchestrator.core.floor import acks, running


def test_no_request_leaves_before_its_reservation_is_durable() -> None:
    floor, _ = running()
    assert [r.assignment_id for r in floor.ledger if isinstance(r, AssignmentRecord)] == [1, 2]
    assert floor.assigned() == []
    floor.commit()
    assert [a.assignment_id for _, a in floor.assigned()] == [1, 2]


def test_an_answer_is_acknowledged_and_shown_only_after_the_commit() -> None:
    floor, link = running()
    floor.commit()
    (_, assign), _ = floor.assigned()
    found = floor.answer(link, assign, ["Alpha", "Beta"], ready=False)
    assert acks(floor, found) == []
    assert floor.of(orders.Publish, found) == []
    after = floor.commit()
    assert acks(floor, after) == [(link, 1)]
    assert [o.latest for o in floor.of(orders.Publish, after)] == [2]


def test_storage_in_trouble_stops_asking_and_what_was_not_sent_is_called_off() -> None:
    floor, link = running()
    floor.happen(facts.StorageTroubled("no space left"))
    floor.happen(facts.ProducerReady(link, 5))
    floor.tick()
    floor.commit()
    assert floor.assigned() == []
    assert floor.desk.books.campaign.requests == 0  # type: ignore[union-attr]  # the topic is open
    floor.happen(facts.StorageMended())
    floor.happen(facts.ProducerReady(link, 1))
    floor.commit()
    assert floor.assigned() != []
