from __future__ import annotations

import csv
import io
import sqlite3
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import StorageError
from igentai_orchestrator.shell.archive import Reader, export
from igentai_orchestrator.shell.archive.ledger import Ledger
from tests.doubles.storage import answer, answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from igentai_orchestrator.core.records import AnswerRecord

AT = "2026-01-01T00:00:00.000Z"


def _write(folder: Path, records: list[AnswerRecord]) -> Ledger:
    book = Ledger.create(folder / "ledger.db", {"ledger": "f0", "topic": "t"})
    book.commit(records, at=AT, elapsed_s=0.0)
    return book


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    book = _write(
        tmp_path,
        [
            answer(1, 1, ["Louvre", "Île de la Cité", 'The "Dôme"'], partition="museums"),
            answer(2, 4, [], [1, 3], provider="gemini", model="flash"),
            answer(
                3, 4, ["Москва-реки", "50% off?", "back\\slash", "[brackets]*"], [1], provider="gemini", model="flash"
            ),
            answer(4, 8, ["Arc"], [4], provider="gemini", model="pro", partition="arcs"),
        ],
    )
    reader = Reader(tmp_path)
    yield reader
    reader.close()
    book.close()


def test_a_page_says_where_each_attribute_came_from(reader: Reader) -> None:
    first, second = reader.attributes(0, 2)
    assert (first.number, first.text, first.provider, first.model) == (1, "Louvre", "openai", "gpt-4o-mini")
    assert (first.partition, first.producer, first.at, first.times_named) == ("museums", "p1", AT, 3)
    assert (second.number, second.times_named) == (2, 1)


def test_pages_follow_on_from_the_middle_of_an_answer(reader: Reader) -> None:
    assert [row.number for row in reader.attributes(1, 4)] == [2, 3, 4, 5]
    assert [row.number for row in reader.attributes(7, 10)] == [8]
    assert reader.attributes(8, 10) == []
    assert reader.attributes(0, 0) == []
    assert reader.latest() == 8


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ("louvre", [1]), ("CITÉ", [2]), ("île", [2]), ('"dôme"', [3]), ("МОСКВА", [4]), ("0% o", [5]), ("f?", [5]),
        ("\\s", [6]), ("[b", [7]), ("]*", [7]), ("zurich", []), ("", [1, 2, 3, 4, 5, 6, 7, 8]), ('","', []),
    ],
)  # fmt: skip
def test_a_search_finds_text_in_any_case_and_nothing_is_a_pattern(
    reader: Reader, search: str, numbers: list[int]
) -> None:
    assert [row.number for row in reader.attributes(0, 100, search)] == numbers


def test_filters_by_partition_and_provider(reader: Reader) -> None:
    def numbers(**wanted: str) -> list[int]:
        return [row.number for row in reader.attributes(0, 100, **wanted)]

    assert numbers(partition="museums") == [1, 2, 3]
    assert numbers(provider="gemini") == [4, 5, 6, 7, 8]
    assert numbers(provider="gemini:pro") == [8]
    assert numbers(provider="gemini:pro", partition="museums") == []
    assert numbers(provider="gemini", search="s") == [6, 7]


def test_one_attribute_with_its_origin(reader: Reader) -> None:
    origin = reader.one(3)
    assert origin is not None
    assert origin.attribute.text == 'The "Dôme"'
    assert (origin.assignment_id, origin.producer_run, origin.seq, origin.prompt_hash) == (1, "ab" * 16, 1, "c0ffee")
    assert [(naming.provider, naming.model) for naming in origin.named_again] == [("gemini", "flash")]
    assert reader.one(9) is None
    assert reader.one(0) is None


def test_what_is_committed_meanwhile_is_seen_and_counted(tmp_path: Path) -> None:
    book = _write(tmp_path, answers(3))
    reader = Reader(tmp_path)
    assert reader.attributes(0, 1)[0].times_named == 2
    book.commit([answer(4, 10, ["new"], [1])], at=AT, elapsed_s=0.0)
    assert reader.attributes(0, 1)[0].times_named == 3
    assert reader.attributes(9, 5)[0].text == "new"
    reader.close()
    book.close()


def test_a_topic_that_was_overwritten_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _write(tmp_path / "a", answers(3)).close()
    _write(tmp_path / "b", [answer(1, 1, ["other"])]).close()
    reader = Reader(tmp_path / "a")
    assert reader.attributes(0, 1)[0].times_named == 2
    (tmp_path / "a").rename(tmp_path / "old")
    (tmp_path / "b").rename(tmp_path / "a")
    (row,) = reader.attributes(0, 10)
    assert (row.text, row.times_named) == ("other", 1)
    reader.close()


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        Reader(tmp_path / "nowhere").attributes()


@st.composite
def _answers(draw: st.DrawFn) -> list[AnswerRecord]:
    records, number = [], 1
    for seq in range(1, draw(st.integers(1, 30)) + 1):
        fresh = [f"item {number + place}" for place in range(draw(st.integers(0, 5)))]
        known = st.lists(st.integers(1, max(1, number - 1)), max_size=5 if number > 1 else 0, unique=True)
        records.append(answer(seq, number, fresh, draw(known)))
        number += len(fresh)
    return records


@given(records=_answers(), after=st.integers(0, 60), limit=st.integers(1, 60))
@settings(deadline=None, max_examples=30)
def test_any_page_agrees_with_counting_by_hand(
    records: list[AnswerRecord], after: int, limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("topic")
    book = _write(folder, records)
    reader = Reader(folder)
    repeats = [number for record in records for number in record.repeats]
    texts = [text for record in records for text in record.fresh]
    by_hand = [(number, text, 1 + repeats.count(number)) for number, text in enumerate(texts, 1)]
    found = [(row.number, row.text, row.times_named) for row in reader.attributes(after, limit)]
    assert found == by_hand[after : after + limit]
    reader.close()
    book.close()


def test_export_as_text_is_output_txt(tmp_path: Path) -> None:
    book = _write(tmp_path, answers(700, each=20))
    reader = Reader(tmp_path)
    assert b"".join(export(reader, "txt")) == b"".join(book.blocks())
    reader.close()
    book.close()


def test_export_as_json_lines(reader: Reader) -> None:
    lines = b"".join(export(reader, "jsonl")).splitlines()
    assert orjson.loads(lines[1]) == {
        "number": 2, "text": "Île de la Cité", "provider": "openai", "model": "gpt-4o-mini", "partition": "museums",
        "producer": "p1", "at": AT, "times_named": 1, "merged_into": None,
    }  # fmt: skip
    assert len(lines) == 8


def test_a_spreadsheet_finds_no_formula_and_every_text(tmp_path: Path) -> None:
    texts = ["=1+1", "+cmd", "-2", "@SUM(A1)", "\tx", "＝1", 'say "hi", twice', "plain", "semi;colon"]
    book = _write(tmp_path, [answer(1, 1, texts, partition="=HYPERLINK()")])
    reader = Reader(tmp_path)
    data = b"".join(export(reader, "csv")).decode()
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    assert [row["text"] for row in rows] == [f"'{text}" for text in texts[:6]] + texts[6:]
    assert rows[0]["partition"] == "'=HYPERLINK()"
    assert data.splitlines()[8] == f'8,"plain","openai","gpt-4o-mini","\'=HYPERLINK()","p1","{AT}",1,""'
    reader.close()
    book.close()


def test_export_as_sqlite_is_a_whole_ledger(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    path.write_bytes(b"".join(export(reader, "sqlite")))
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT number, text FROM attributes ORDER BY number").fetchall()
    assert rows[0] == (1, "Louvre")
    assert len(rows) == 8
    connection.close()
    assert not list(tmp_path.glob("copy.db-*")), "no log beside it"


def test_an_export_is_of_the_moment_it_began(tmp_path: Path) -> None:
    book = _write(tmp_path, answers(2))
    reader = Reader(tmp_path)
    pieces = export(reader, "csv")
    next(pieces)
    book.commit([answer(3, 7, ["late"])], at=AT, elapsed_s=0.0)
    assert b"late" not in b"".join(pieces)
    reader.close()
    book.close()
