"""The filter of what is known as transport: fewer bytes, and nothing else is different."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import FailureKind
from igentai.messages import GenerationConfig, KnownAnswer, StartTopic, TextWanted, UpdateConfiguration
from igentai.text import key, key64
from igentai_orchestrator.core import facts
from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.core.topic import Limits, ModelChoice
from igentai_producer.events import Received
from tests.end_to_end.conversation import Conversation
from tests.orchestrator.core.floor import LEDGER, Floor, spec

ONE = (ModelChoice("openai", "cheap"),)
WORDS = ("Royal", "Museum", "Garden", "of", "Saint", "Grand", "Bridge", "Northern", "Tower", "Hall", "Quay", "Market")


def names(count: int, length: int, seed: int = 0) -> list[str]:
    """Made-up names of about `length` characters."""
    rng, found = Random(seed), dict[str, None]()
    while len(found) < count:
        text = f"{rng.choice(WORDS)} {len(found)}"
        while len(text) < length - 3:
            text += f" {rng.choice(WORDS)}"
        found.setdefault(text)
    return list(found)


def saturated(known: Sequence[str], rare: Sequence[str]) -> Callable[[int], list[str]]:
    """Answers of 40: nearly all out of what was named long ago."""

    def reply(assignment: int) -> list[str]:
        rng = Random(assignment)
        if assignment <= len(known) // 40:
            return list(known[40 * (assignment - 1) : 40 * assignment])
        return [*rng.sample(list(known), 39), rng.choice(rare)]

    return reply


def run(
    bloom: str,
    reply: Callable[[int], Sequence[str]],
    answers: int,
    *,
    producers: int = 1,
    plant: Sequence[str] = (),
) -> Conversation:
    floor = Floor(bloom=bloom)
    floor.open(spec(models=ONE, producers=1, request_size=40, limits=Limits(saturation=False)))
    talk = Conversation(floor, reply, producers)
    if plant and floor.desk.books.known is not None:
        floor.desk.books.known.plant(key64(key(text)) for text in plant)
    talk.answer(answers)
    return talk


def output(talk: Conversation) -> list[str]:
    campaign = talk.floor.desk.books.campaign
    assert campaign is not None
    return campaign.texts


def counts(talk: Conversation) -> list[tuple[object, ...]]:
    records = [record for record in talk.floor.ledger if isinstance(record, AnswerRecord)]
    return [(r.assignment_id, r.seq, r.candidates, r.first_number, *r.fresh, *sorted(r.repeats)) for r in records]


def of_answers(talk: Conversation) -> int:
    return talk.up["AttributeBatch"] + talk.up["KnownAnswer"]


def test_on_a_saturated_topic_producers_send_half_and_nothing_else_changes() -> None:
    reply = saturated(names(1_200, 20), names(300, 20, seed=1))
    off, on = run("off", reply, 430), run("auto", reply, 430)
    assert output(on) == output(off)
    assert counts(on) == counts(off)
    first = 30  # answers before it is saturated
    before_off, before_on = run("off", reply, first), run("auto", reply, first)
    sent_off = sum(off.up.values()) - sum(before_off.up.values())
    sent_on = sum(on.up.values()) - sum(before_on.up.values())
    assert sent_on <= 0.5 * sent_off
    assert on.kept == off.kept == 0


def test_what_the_filter_only_seems_to_know_is_asked_for_and_loses_nothing() -> None:
    known, rare = names(400, 20), names(300, 20, seed=1)
    reply = saturated(known, rare)
    off = run("off", reply, 120)
    on = run("on", reply, 120, plant=[*rare, *known[:200]])
    assert output(on) == output(off)
    assert counts(on) == counts(off)
    wanted = len(on.floor.sent(TextWanted))
    assert wanted >= 50
    assert on.kept == 0


def test_producers_on_this_machine_are_sent_no_filter_and_with_it_off_nobody_is() -> None:
    floor = Floor(bloom="auto")
    floor.open(spec(models=ONE))
    floor.join(slot=0, free=1)
    assert [m for _, m in floor.sent(UpdateConfiguration) if m.bloom_filter] == []
    assert floor.desk.books.known is None
    off = run("off", saturated(names(40, 20), names(9, 20)), 5)
    assert off.messages["KnownAnswer"] == 0


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), producers=st.integers(1, 4), planted=st.integers(0, 60))
def test_whatever_is_planted_every_sighting_counts_once(seed: int, producers: int, planted: int) -> None:
    universe = names(150, 16, seed=seed % 7)

    def reply(assignment: int) -> list[str]:
        return Random(f"{seed}/{assignment}").sample(universe, 12)

    plant = Random(seed).sample(universe, planted)
    off = run("off", reply, 50, producers=producers)
    on = run("on", reply, 50, producers=producers, plant=plant)
    assert sorted(output(on)) == sorted(output(off))
    named = {r.assignment_id: len(r.fresh) + len(r.repeats) for r in on.floor.ledger if isinstance(r, AnswerRecord)}
    assert set(named.values()) == {12}
    assert len(named) == 50


def test_an_answer_asked_for_again_keeps_its_place_and_those_behind_it_theirs() -> None:
    floor = Floor(bloom="on")
    floor.open(spec(models=ONE))
    link = floor.join(slot=None, free=4)
    floor.commit()
    assigned = [assign for _, assign in floor.assigned()]
    run_id = floor.runs[link]
    books = floor.desk.books
    meta = (1, 800, 100, 50, 0, True, None, "stop")
    nobody = key64(key("Nobody holds this"))
    unheld = KnownAnswer(LEDGER[:8], 1, assigned[0].assignment_id, [], nobody, meta)
    found = floor.happen(facts.KnownAnswerArrived(link, unheld))
    assert [wanted.seq for _, wanted in floor.sent(TextWanted, found)] == [1]
    behind = floor.batch(run_id, assigned[1], ["Beta"], seq=2)
    assert floor.happen(facts.AnswerArrived(link, behind)) == []
    floor.happen(facts.AnswerArrived(link, floor.batch(run_id, assigned[0], ["Nobody holds this"], seq=1)))
    floor.happen(facts.AnswerArrived(link, behind))
    assert books.campaign is not None
    assert books.campaign.texts == ["Nobody holds this", "Beta"]
    assert books.awaited == {}


def test_a_failure_behind_an_answer_asked_for_again_waits_too() -> None:
    floor = Floor(bloom="on")
    floor.open(spec(models=ONE))
    link = floor.join(slot=None, free=2)
    floor.commit()
    one, two = (assign for _, assign in floor.assigned())
    floor.desk.books.awaited[floor.runs[link]] = 1
    floor.seq(floor.runs[link])
    assert floor.fail(link, two, FailureKind.SERVER, ready=False) == []
    assert floor.desk.books.flights.get(one.assignment_id) is not None


def test_after_a_reconnect_every_text_is_sent_until_the_filter_comes_again() -> None:
    reply = saturated(names(80, 20), names(20, 20, seed=1))
    talk = run("on", reply, 10)
    session = talk._sessions[1]
    assert session._outboxes.shorthand._filter is not None
    start = StartTopic(LEDGER, 10, "things", "", {}, GenerationConfig({}))
    session.handle(Received(start), 0.0)
    assert session._outboxes.shorthand._filter is None
