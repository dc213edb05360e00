"""Near-duplicates read back from the ledger: beside each attribute, in pages, searches and exports."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import TopicError
from igentai_orchestrator.core.groups import separation
from igentai_orchestrator.core.records import EventRecord, Record
from igentai_orchestrator.shell.archive import Archive, MergedInto, Reader, export
from igentai_orchestrator.shell.archive.ledger import Ledger
from tests.doubles.storage import Listener, answer, spec

AT = "2026-01-01T00:00:00.000Z"


def merge(number: int, head: int, reason: str = "plural") -> EventRecord:
    return EventRecord("merge", reason, json.dumps({"number": number, "head": head}))


def book_of(folder: Path, records: list[Record]) -> Ledger:
    book = Ledger.create(folder / "ledger.db", {"ledger": "f0", "topic": "t"})
    book.commit(records, at=AT, elapsed_s=0.0)
    return book


def merged(reader: Reader, **wanted: str) -> dict[int, MergedInto]:
    return {row.number: row.merged_into for row in reader.attributes(0, 500, **wanted) if row.merged_into}


def test_merges_are_told_wherever_an_attribute_is(tmp_path: Path) -> None:
    events = [merge(4, 1), EventRecord("weights", "a person", '{"openai:m": 0.5}'), merge(5, 2, "article")]
    book = book_of(tmp_path, [answer(1, 1, ["ape", 'the "ox"', "cow"]), answer(2, 4, ["apes", '"ox"']), *events])
    reader = Reader(tmp_path)
    assert merged(reader) == {4: MergedInto(1, "ape", "plural"), 5: MergedInto(2, 'the "ox"', "article")}
    assert merged(reader, search="apes") == {4: MergedInto(1, "ape", "plural")}
    assert reader.attributes(4, 1)[0].merged_into == MergedInto(2, 'the "ox"', "article")
    head, alone = reader.one(1), reader.one(3)
    assert head is not None
    assert [(variant.number, variant.reason) for variant in head.variants] == [(4, "plural")]
    assert head.variants[0].text == reader.attributes(3, 1)[0].text
    assert alone is not None
    assert alone.variants == ()
    lines = [orjson.loads(line) for line in b"".join(export(reader, "jsonl")).splitlines()]
    assert lines[3]["merged_into"] == {"number": 1, "text": "ape", "reason": "plural"}
    table = csv.DictReader(io.StringIO(b"".join(export(reader, "csv")).decode()))
    assert [row["merged_into"] for row in table] == ["", "", "", "1", "2"]
    reader.close()
    book.close()


def test_a_merge_that_comes_or_goes_meanwhile_is_seen(tmp_path: Path) -> None:
    book = book_of(tmp_path, [answer(1, 1, ["ape", "apes"])])
    reader = Reader(tmp_path)
    assert merged(reader) == {}
    book.commit([merge(2, 1)], at=AT, elapsed_s=0.0)
    assert set(merged(reader)) == {2}
    book.commit([separation(2)], at=AT, elapsed_s=0.0)
    assert merged(reader) == {}
    reader.close()
    book.close()


@given(
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    said=st.lists(st.tuples(st.integers(2, 200), st.integers(1, 199), st.booleans()), max_size=60),
)
@settings(deadline=None, max_examples=30)
def test_any_history_of_merges_agrees_with_a_map(
    sizes: list[int], said: list[tuple[int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    texts = [f"item {n}" for n in range(1, sum(sizes) + 1)]
    records: list[Record] = []
    for seq, size in enumerate(sizes, 1):
        first = sum(sizes[: seq - 1]) + 1
        records.append(answer(seq, first, texts[first - 1 : first - 1 + size]))
    by_hand: dict[int, MergedInto] = {}
    for number, head, undo in said:
        if not head < number <= len(texts):
            continue
        records.append(separation(number) if undo else merge(number, head))
        by_hand.pop(number, None)
        if not undo:
            by_hand[number] = MergedInto(head, texts[head - 1], "plural")
    folder = tmp_path_factory.mktemp("topic")
    book = book_of(folder, records)
    reader = Reader(folder)
    assert merged(reader) == by_hand
    reader.close()
    book.close()


async def test_a_topic_that_is_not_open_is_amended(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "outputs")
    archive.claim()
    archive.open(spec(), "new", listener=Listener())
    archive.submit(1, answer(1, 1, ["ape", "apes"]))
    archive.submit(2, merge(2, 1))
    await archive.close()
    folder = tmp_path / "outputs/paris_attractions"
    reader = Reader(folder)
    assert set(merged(reader)) == {2}
    archive.amend("paris_attractions", separation(2), {"near_duplicates": {"merged": 0}})
    assert merged(reader) == {}
    assert orjson.loads((folder / "metrics.json").read_bytes()) == {"near_duplicates": {"merged": 0}}
    with pytest.raises(TopicError):
        archive.amend("../elsewhere", separation(2))
    reader.close()
    archive.release()
