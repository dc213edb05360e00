"""In which order a producer says things, and what it says in shorthand."""

from __future__ import annotations

import pytest
from tests.producer.fake_orchestrator import World
from tests.wire import answer, failure

from igentai.bloom import Bloom
from igentai.messages import AttributeBatch, KnownAnswer, Ready, RequestFailed, TextWanted, UpdateConfiguration
from igentai.text import key, key64
from igentai_producer.events import Answered, Received
from igentai_producer.shorthand import Shorthand

KNOWN, OTHER = "Musée de l'Orangerie", "Petit Palais des Beaux-Arts"


def at_work(own_spool: str | None = None, slot: int | None = 0) -> World:
    world = World(slot=slot, own_spool=own_spool)
    world.orchestrator.topic = "a"
    world.connect()
    world.flow()
    assert len(world.running) == 2
    return world


def filter_of(*texts: str) -> UpdateConfiguration:
    known = Bloom()
    for text in texts:
        known.add(key64(key(text)))
    return UpdateConfiguration(bloom_filter=known.to_bytes())


def reply(world: World, *texts: str) -> None:
    begin = world.running.pop(0)
    batch = answer(begin.assign.assignment_id, attributes=list(texts), seq=0)
    world.feed(Answered(begin.ledger, batch))


@pytest.mark.parametrize("slot", [0, None])
def test_a_failure_is_reported_before_another_request_is_asked_for(slot: int | None) -> None:
    """Else the desk would choose the next request without knowing that the provider is out."""
    world = at_work(slot=slot)
    world.said.clear()
    for begin in list(world.running):
        world.feed(Answered(begin.ledger, failure(begin.assign.assignment_id, kind="key", seq=0)))
    kinds = [type(message) for message in world.said if isinstance(message, RequestFailed | Ready)]
    assert kinds == [RequestFailed, Ready, RequestFailed, Ready]


def test_what_the_filter_knows_travels_by_key_and_is_spooled_by_text() -> None:
    world = at_work()
    world.feed(Received(filter_of(KNOWN)))
    reply(world, KNOWN, OTHER)
    said = next(message for message in world.said if isinstance(message, KnownAnswer))
    assert (said.texts, said.keys, said.seq) == ([OTHER], key64(key(KNOWN)), 1)
    assert said.ledger == "a"
    [kept] = world.disk["spool-a"]
    assert isinstance(kept, AttributeBatch)
    assert kept.attributes == [KNOWN, OTHER]


def test_texts_that_are_wanted_come_again_with_all_that_followed() -> None:
    world = at_work()
    world.feed(Received(filter_of(KNOWN)))
    reply(world, KNOWN)
    reply(world, KNOWN, OTHER)
    world.said.clear()
    world.feed(Received(TextWanted("a", 1)))
    assert [(m.seq, m.attributes) for m in world.said if isinstance(m, AttributeBatch)] == [
        (1, [KNOWN]),
        (2, [KNOWN, OTHER]),
    ]
    world.feed(Received(TextWanted("another", 1)))
    assert len(world.said) == 2


def test_a_filter_that_cannot_be_read_ends_the_connection() -> None:
    world = at_work()
    world.feed(Received(UpdateConfiguration(bloom_filter=b"no filter")))
    assert not world.connected


def test_after_a_reconnect_nothing_is_known_until_the_orchestrator_says_so() -> None:
    world = at_work()
    world.feed(Received(filter_of(KNOWN)))
    reply(world, KNOWN)
    world.lose()
    world.said.clear()
    world.connect()
    world.hear()
    world.listen()
    world.listen()
    assert [m.attributes for m in world.said if isinstance(m, AttributeBatch)] == [[KNOWN]]
    assert not any(isinstance(m, KnownAnswer) for m in world.said)


def test_labels_of_a_split_and_short_names_are_never_shortened() -> None:
    shorthand = Shorthand()
    shorthand.learn(filter_of("Paris", KNOWN).bloom_filter or b"")
    batch = answer(attributes=["Paris", OTHER])
    assert shorthand.shortened(batch) is batch
    shorthand.forget()
    assert shorthand.shortened(answer(attributes=[KNOWN])) == answer(attributes=[KNOWN])
