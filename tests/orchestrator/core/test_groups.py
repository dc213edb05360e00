"""Near-duplicates are grouped behind the answers, told once, kept in the ledger, and undone for good."""

from __future__ import annotations

from igentai_orchestrator.core import facts
from igentai_orchestrator.core.groups import Groups, Merge
from igentai_orchestrator.core.records import EventRecord
from tests.orchestrator.core.floor import Floor, spec

TEXTS = ["Matrix", "Perl 5", "The Matrix", "Perl 6", "Louvre Museum"]


def test_a_merge_is_found_once_and_siblings_are_left_alone() -> None:
    groups = Groups()
    [merge] = groups.advance(TEXTS)
    assert (merge.number, merge.head) == (3, 1)
    assert groups.advance(TEXTS) == []
    assert groups.snapshot(TEXTS)["distinct"] == 4


def test_slices_find_what_one_pass_finds() -> None:
    whole, sliced = Groups(), Groups()
    found = [m for _ in TEXTS for m in sliced.advance(TEXTS, 1)]
    assert found == whole.advance(TEXTS)


def test_what_the_ledger_holds_is_not_told_again_and_what_was_undone_stays_undone() -> None:
    groups = Groups()
    groups.restore(Merge(3, 1, "article"))
    assert groups.advance(TEXTS) == []
    assert groups.undo(3)
    assert not groups.undo(3)
    again = Groups()
    again.restore(Merge(3, 1, "article"))
    again.undo(3)
    assert again.advance(TEXTS) == []
    assert len(again) == 0


def recorded(floor: Floor) -> list[tuple[str, str]]:
    return [(r.kind, r.reason) for r in floor.ledger if isinstance(r, EventRecord)]


def test_the_desk_records_merges_and_a_restart_keeps_what_a_person_undid() -> None:
    floor = Floor()
    floor.open(spec())
    link = floor.join(slot=0)
    floor.commit()
    floor.answer(link, floor.assigned()[0][1], TEXTS)
    floor.tick()
    assert [kind for kind, _ in recorded(floor)] == ["merge"]
    floor.happen(facts.MergeUndone(3))
    assert [kind for kind, _ in recorded(floor)] == ["merge", "unmerge"]

    after = Floor()
    after.open(spec(), floor.ledger)
    after.tick()
    campaign = after.desk.books.campaign
    assert campaign is not None
    assert campaign.groups.merge_of(3) is None
    assert recorded(after) == []
    assert campaign.texts == TEXTS, "nothing is ever dropped"


def test_near_duplicates_can_be_kept_apart() -> None:
    floor = Floor()
    floor.open(spec(near_duplicates="keep"))
    link = floor.join(slot=0)
    floor.commit()
    floor.answer(link, floor.assigned()[0][1], TEXTS)
    floor.tick()
    assert recorded(floor) == []
