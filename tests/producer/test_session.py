from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.producer.fake_orchestrator import CREDIT, NONCE, World
from tests.wire import answer, failure

from igentai.messages import (
    PROTOCOL_VERSION,
    Ack,
    Assign,
    AttributeBatch,
    Challenge,
    FinishTopic,
    GenerationConfig,
    Hello,
    ProducerStatus,
    Ready,
    RequestFailed,
    StartTopic,
    Stop,
    UpdateConfiguration,
    Welcome,
)
from igentai_producer.events import Answered, Connected, LeaveRequested, Received
from igentai_producer.states import State


@pytest.fixture
def world() -> World:
    """A producer at work on topic a, with its two places filled."""
    world = World()
    world.orchestrator.topic = "a"
    world.connect()
    world.hear()
    world.listen()
    world.listen()
    world.hear()
    world.assign()
    world.assign()
    world.listen()
    world.listen()
    assert world.session.state is State.WORKING
    assert len(world.running) == 2
    return world


def asked(world: World) -> list[int]:
    return [message.free for message in world.said if isinstance(message, Ready)]


def answers(world: World) -> list[int]:
    return [message.seq for message in world.said if isinstance(message, AttributeBatch | RequestFailed)]


# -- coming in ------------------------------------------------------------------------------------------------


def test_it_proves_itself_before_anything_else() -> None:
    world = World()
    world.connect()
    (hello,) = world.said
    assert isinstance(hello, Hello)
    assert (hello.version, hello.slot, hello.nonce) == (PROTOCOL_VERSION, 0, NONCE)


def test_an_orchestrator_that_cannot_prove_itself_gets_nothing() -> None:
    world = World()
    world.connect()
    world.feed(Received(Welcome(b"x" * 32, CREDIT)))
    assert not world.connected
    assert "secret" in str(world.notes[-1].keys["reason"])
    assert world.connect_at is not None, "it may have been the wrong one: try again"


@pytest.mark.parametrize(
    "message",
    [Stop(drain=True), StartTopic("a", 0, "t", "", {}, GenerationConfig({})), Ack("a", 1), Challenge(1, b"c")],
)
def test_nothing_is_obeyed_before_the_welcome(message: object) -> None:
    world = World()
    world.connect()
    world.feed(Received(message))  # type: ignore[arg-type]  # each is a message
    assert not world.connected
    assert world.session.state is State.CONNECTING


def test_another_version_is_refused_in_both_logs() -> None:
    world = World()
    world.connect_at = None
    world.feed(Connected(NONCE), Received(Challenge(PROTOCOL_VERSION + 1, b"c" * 32)))
    assert isinstance(world.said[-1], Hello), "the orchestrator learns of it by this"
    assert "install the same igentai" in str(world.notes[-1].keys["detail"])
    assert world.exit_code == 2


def test_it_tries_again_with_growing_pauses_and_then_gives_up() -> None:
    world = World(reconnect_for_s=60.0)
    pauses = []
    while world.exit_code is None:
        world.refuse()
        pauses.append((world.connect_at or world.now) - world.now)
        assert len(pauses) < 1000
    assert world.exit_code == 1
    assert 60.0 <= world.now < 66.0
    assert max(pauses) <= 5.0
    assert max(pauses[:2]) < 0.4 < max(pauses)


# -- asking ---------------------------------------------------------------------------------------------------


def test_it_asks_for_as_many_as_it_has_places(world: World) -> None:
    assert asked(world) == [2]
    world.reply()
    assert asked(world) == [2, 1], "before the answer is acknowledged"


def test_it_stops_asking_when_the_credit_is_out_and_goes_on_with_the_ack(world: World) -> None:
    for _ in range(20):
        world.hear()
        world.assign()
        world.listen()
        world.reply()
    assert CREDIT <= world.session.unacknowledged < CREDIT + 2
    asked_so_far = sum(asked(world))
    world.commit()
    world.listen()
    assert world.session.unacknowledged == 0
    assert sum(asked(world)) > asked_so_far


def test_four_mebibytes_are_the_credit_too(world: World) -> None:
    before = sum(asked(world))
    for begin in list(world.running):
        big = answer(begin.assign.assignment_id, attributes=["x" * 3000] * 700)
        world.feed(Answered(begin.ledger, big))
    assert world.session.unacknowledged == 2
    assert sum(asked(world)) == before + 1, "after the second there were 4 MiB"


def test_more_than_was_asked_for_waits_for_a_place(world: World) -> None:
    for number in range(100, 103):
        world.feed(Received(Assign(number, "fake", "m", "", [("user", "x")], 10, None, 5.0)))
    assert len(world.running) == 2
    world.reply()
    assert [begin.assign.assignment_id for begin in world.running] == [2, 100]


def test_far_more_than_was_asked_for_is_given_back(world: World) -> None:
    for number in range(100, 200):
        world.feed(Received(Assign(number, "fake", "m", "", [("user", "x")], 10, None, 5.0)))
    given_back = [m for m in world.said if isinstance(m, RequestFailed)]
    assert given_back
    assert {m.kind for m in given_back} == {"cancelled"}


def test_more_places_are_asked_for_when_there_are_more(world: World) -> None:
    world.feed(Received(UpdateConfiguration(generation_config=GenerationConfig({}, concurrency=5))))
    assert asked(world) == [2, 3]


# -- keeping and sending --------------------------------------------------------------------------------------


def test_an_answer_is_on_disk_before_it_is_sent(world: World) -> None:
    world.fill_disk()
    world.reply()
    assert answers(world) == []
    assert asked(world) == [2], "nothing more is asked while it cannot be kept"
    assert world.notes[-1].event == "producer.spool_failed"
    world.reply()
    world.free_disk()
    world.beat(6.0)
    assert answers(world) == [1, 2], "in order"
    assert world.disk["spool-a"][0].seq == 1
    assert sum(asked(world)) == 4


def test_an_acknowledged_answer_is_forgotten(world: World) -> None:
    world.reply()
    world.hear()
    world.hear()
    world.commit()
    world.listen()
    assert world.session.unacknowledged == 0
    assert world.disk["spool-a"] == []


def test_after_a_reconnect_only_what_the_ledger_lacks_is_sent_again(world: World) -> None:
    world.reply()
    world.hear()
    world.hear()
    world.commit()
    world.reply()
    world.lose()
    world.said.clear()
    world.connect()
    world.hear()
    world.listen()
    world.listen()
    assert answers(world) == [2]


def test_what_was_not_begun_is_given_back_when_the_connection_is_lost(world: World) -> None:
    world.feed(Received(Assign(100, "fake", "m", "", [("user", "x")], 10, None, 5.0)))
    world.lose()
    world.connect()
    world.hear()
    world.listen()
    world.listen()
    (cancelled,) = [m for m in world.said if isinstance(m, RequestFailed)]
    assert (cancelled.assignment_id, cancelled.kind) == (100, "cancelled")
    assert len(world.running) == 2, "what was begun goes on"


def test_a_late_answer_stays_in_its_own_topics_spool(world: World) -> None:
    world.start("b")
    world.reply()
    assert [kept.assignment_id for kept in world.disk["spool-a"]] == [1]
    assert answers(world) == []
    world.start("a")
    assert answers(world) == [1]


def test_a_late_answer_of_a_topic_that_was_removed_is_let_go(world: World) -> None:
    world.start("b")
    world.disk_gone.add("spool-a")
    world.reply()
    assert world.notes[-1].event == "producer.answers_dropped"
    assert world.session.unacknowledged == 0
    world.reply()
    while world.to_orchestrator:
        world.hear()
    world.assign()
    world.listen()
    world.reply()
    assert [a.ledger for a in world.disk["spool-b"]] == ["b"], "the present topic is not held up"


def test_the_spool_goes_when_its_topic_is_over(world: World) -> None:
    world.reply()
    world.reply()
    world.settle()
    world.feed(Received(FinishTopic("a")))
    assert world.disk == {}


def test_a_spool_that_is_never_quite_empty_is_written_anew(world: World) -> None:
    for seq, number in enumerate(range(100, 140)):
        world.feed(Received(Assign(number, "fake", "m", "", [("user", "x")], 10, None, 5.0)))
        world.feed(Answered("a", answer(world.running.pop(0).assign.assignment_id, attributes=["x" * 1000] * 500)))
        world.feed(Received(Ack("a", seq)))
    assert len(world.disk["spool-a"]) < 20


def test_without_a_spool_memory_has_to_do() -> None:
    world = World(slot=None)
    world.orchestrator.topic = "a"
    world.settle()
    world.assign()
    world.listen()
    world.reply()
    assert answers(world) == [1]
    assert world.disk == {}


def test_its_own_spool_has_a_folder_a_ledger() -> None:
    world = World(slot=None, own_spool="own")
    folders = set()
    for topic in ("a", "../b"):
        world.start(topic)
        world.settle()
        world.assign()
        world.listen()
        world.reply()
        folders |= set(world.disk)
    assert len(folders) == 2
    assert all(folder.startswith("own/") and ".." not in folder for folder in folders)


# -- heartbeat and leaving ------------------------------------------------------------------------------------


def test_the_heartbeat_says_how_it_is(world: World) -> None:
    world.reply()
    world.feed(Answered("a", failure(world.running.pop(0).assign.assignment_id)))
    world.beat()
    status = world.said[-1]
    assert isinstance(status, ProducerStatus)
    assert (status.in_flight, status.unacknowledged) == (0, 2)
    assert (status.providers["fake"].ok, status.providers["fake"].failed) == (1, 1)


def test_it_drains_what_is_in_flight_and_waits_for_its_acks(world: World) -> None:
    world.feed(Received(Stop(drain=True)))
    world.reply()
    world.reply()
    assert world.exit_code is None
    while world.to_orchestrator:
        world.hear()
    world.commit()
    world.listen()
    assert world.exit_code == 0
    assert world.disk == {}


def test_it_takes_nothing_on_while_draining(world: World) -> None:
    world.feed(LeaveRequested(drain=True))
    world.feed(Received(Assign(100, "fake", "m", "", [("user", "x")], 10, None, 5.0)))
    assert len(world.running) == 2
    (cancelled,) = [m for m in world.said if isinstance(m, RequestFailed)]
    assert cancelled.kind == "cancelled"


def test_a_drain_ends_after_ten_seconds_and_leaves_the_rest_in_the_spool(world: World) -> None:
    world.reply()
    world.leave()
    for _ in range(5):
        world.beat()
    assert world.exit_code == 0
    assert len(world.disk["spool-a"]) == 1


def test_a_second_signal_and_a_stop_without_drain_end_it_at_once(world: World) -> None:
    world.leave()
    assert world.exit_code is None
    world.leave()
    assert world.exit_code == 0


def test_a_drain_without_a_connection_waits_for_the_calls_only(world: World) -> None:
    world.lose()
    world.leave()
    world.reply()
    assert world.exit_code is None
    world.reply()
    assert world.exit_code == 0
    assert len(world.disk["spool-a"]) == 2


# -- whatever happens -----------------------------------------------------------------------------------------

HAPPENINGS = ["connect", "refuse", "lose", "crash", "hear", "listen", "commit", "assign", "reply", "beat"]
TURNS = st.sampled_from(
    [*HAPPENINGS, *["flow", "reply", "reply"] * 4, "kill", "fill_disk", "free_disk", "start a", "start b"]
)


def run(world: World, happenings: list[str]) -> None:
    for happening in happenings:
        name, *arguments = happening.split()
        getattr(world, name)(*arguments)
        assert len(world.running) <= 2, "never more requests than places"
        assert world.session.unacknowledged <= CREDIT + 2 * 2 + 64


def finish(world: World) -> None:
    for topic in ("a", "b", "a"):
        world.start(topic)
        world.settle()
        world.settle()


@settings(max_examples=300, deadline=None)
@given(st.lists(TURNS, max_size=150))
def test_what_reached_the_spool_reaches_the_ledger_once_and_in_order(happenings: list[str]) -> None:
    world = World()
    world.start("a")
    run(world, happenings)
    finish(world)
    recorded = world.recorded()
    assert world.ever_spooled <= set(recorded)
    for kept in world.orchestrator.ledgers.values():
        assert [a.seq for a in kept] == list(range(1, len(kept) + 1))
    assert world.session.unacknowledged == 0
    assert not any(world.disk.values())


@settings(max_examples=150, deadline=None)
@given(st.lists(TURNS.filter(lambda turn: turn != "kill"), max_size=150), st.sampled_from([None, "own"]))
def test_a_producer_that_lives_loses_nothing_at_all(happenings: list[str], own_spool: str | None) -> None:
    world = World(slot=None, own_spool=own_spool)
    world.start("a")
    run(world, happenings)
    answered = {(b.ledger, b.assign.assignment_id) for b in world.running}
    finish(world)
    assert answered <= set(world.recorded())
    begun = world.recorded()
    assert len(begun) == len(set(begun)), "nothing is recorded twice"
    assert world.session.unacknowledged == 0
