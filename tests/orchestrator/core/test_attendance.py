"""Producers come and go: whose slot, which connection, and what the dead left."""

from __future__ import annotations

import itertools

from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.records import LostRecord
from tests.orchestrator.core.floor import Floor, acks, running, spec, starts


def test_a_dead_producers_spool_is_taken_in_before_its_requests_are_given_up() -> None:
    floor, link = running()
    floor.commit()
    (_, received), (_, never) = floor.assigned()
    run = floor.runs[link]
    floor.happen(facts.ProducerLeft(link, "gone"))
    found = floor.happen(facts.ProducerExited(0, 1000 + link, -9))
    assert [o.run_id for o in floor.of(orders.TakeSpool, found)] == [run]
    floor.happen(facts.AnswerArrived(None, floor.batch(run, received, ["Alpha"], seq=1)))
    floor.happen(facts.SpoolTaken(run))
    assert [r.assignment_id for r in floor.ledger if isinstance(r, LostRecord)] == [never.assignment_id]
    after = floor.commit()
    assert [o.run_id for o in floor.of(orders.RemoveSpool, after)] == [run]
    assert floor.desk.books.campaign.texts == ["Alpha"]  # type: ignore[union-attr]  # the topic is open


def test_a_reconnected_producer_fences_its_older_connection_and_keeps_its_requests() -> None:
    floor, link = running()
    floor.commit()
    run = floor.runs[link]
    again = next(floor._links)
    found = floor.happen(facts.ProducerJoined(again, 0, run, "here", 1000 + link, b"proof"))
    assert [o.link for o in floor.of(orders.Disconnect, found)] == [link]
    floor.happen(facts.ProducerLeft(link, "fenced"))
    floor.runs[again] = run
    floor.answer(again, floor.assigned()[0][1], ["Alpha"])
    assert acks(floor, floor.commit())[0] == (again, 1)


def test_a_producer_that_was_not_spawned_for_its_slot_is_sent_away() -> None:
    floor, _ = running()
    found = floor.happen(facts.ProducerJoined(77, 1, "f" * 32, "here", 4242, b"proof"))
    assert [o.link for o in floor.of(orders.Disconnect, found)] == [77]


def test_slots_that_keep_crashing_end_the_daemon() -> None:
    pid = itertools.count(5000)
    crashed = Floor()
    crashed.open(spec(producers=1))
    for _ in range(6):
        number = next(pid)
        crashed.happen(facts.ProducerSpawned(0, number))
        crashed.happen(facts.ProducerExited(0, number, 1))
        crashed.tick(9.0)
    assert [o.code for o in crashed.of(orders.Exit)] == [1]


def test_a_producer_that_reconnects_is_told_what_is_durable_not_what_was_only_heard() -> None:
    floor, link = running()
    floor.commit()
    floor.answer(link, floor.assigned()[0][1], ["Alpha"])
    again = next(floor._links)
    floor.happen(facts.ProducerJoined(again, 0, floor.runs[link], "here", 1000 + link, b"proof"))
    assert starts(floor)[-1][1].last_seq == 0
