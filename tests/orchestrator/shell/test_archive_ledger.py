from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igentai.errors import ConfigurationError, LedgerDamaged
from igentai_orchestrator.core.records import AnswerRecord, AssignmentRecord, EventRecord, LostRecord, Record
from igentai_orchestrator.shell.archive.ledger import Ledger
from tests.doubles.storage import answer, answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

META = {"ledger": "f0" * 16, "topic": "t"}

_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
_count = st.integers(0, 2**40)
_money = st.floats(0, 1e6)

_others: st.SearchStrategy[Record] = st.one_of(
    st.builds(AssignmentRecord, _count, _text, _text, _text, _text, _text, _count, _money),
    st.builds(LostRecord, _count, _text),
    st.builds(EventRecord, _text, _text, _text),
)


@st.composite
def _records(draw: st.DrawFn) -> list[Record]:
    """Any records in any order, as a desk would number them."""
    records: list[Record] = []
    number = 1
    for seq in range(1, draw(st.integers(0, 12)) + 1):
        records += draw(st.lists(_others, max_size=2))
        fresh = draw(st.lists(_text, max_size=4))
        records.append(
            answer(
                seq,
                number,
                fresh,
                draw(st.lists(st.integers(1, 50), max_size=4, unique=True)),
                status=draw(_text),
                partition=draw(_text),
                cost_usd=draw(_money),
                tokens_in=draw(_count),
                notes=draw(st.lists(_text, max_size=2)),
            )
        )
        number += len(fresh)
    return records


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    book = Ledger.create(tmp_path / "ledger.db", META)
    yield book
    book.close()


def _commit(book: Ledger, records: list[Record], elapsed_s: float = 1.0) -> bytes:
    return book.commit(records, at="2026-01-01T00:00:00.000Z", elapsed_s=elapsed_s).text


@given(records=_records(), cuts=st.lists(st.integers(0, 40), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_every_record_comes_back_as_it_was_in_the_order_written(
    records: list[Record], cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    book = Ledger.create(path, META)
    edges = sorted({0, len(records), *(min(cut, len(records)) for cut in cuts)})
    text = b"".join(_commit(book, records[a:b]) for a, b in pairwise(edges))
    book.close()

    again = Ledger.open(path)
    assert list(again.history()) == records
    assert b"".join(again.blocks()) == text
    assert text.decode().split("\n")[:-1] == [t for r in records if isinstance(r, AnswerRecord) for t in r.fresh]
    assert again.last_id == len(records)
    again.close()


def test_groups_larger_than_one_statement_keep_their_order(ledger: Ledger) -> None:
    records: list[Record] = list(answers(343, each=1))
    _commit(ledger, records)
    assert list(ledger.history()) == records


def test_an_answer_recorded_before_is_left_out_and_told(ledger: Ledger) -> None:
    first, second = answers(2)
    _commit(ledger, [first])
    resent = answer(1, 4, [], [1, 2, 3])
    written = ledger.commit([resent, second, second], at="-", elapsed_s=0.0)
    assert written.ignored == (("ab" * 16, 1), ("ab" * 16, 2))
    assert written.text == b"attribute 2.0\nattribute 2.1\nattribute 2.2\n"
    assert list(ledger.history()) == [first, second]


def test_numbers_that_do_not_follow_on_are_refused_whole(ledger: Ledger) -> None:
    first, _, third = answers(3)
    with pytest.raises(LedgerDamaged, match="attribute 7 comes where 4 was due"):
        _commit(ledger, [first, third])
    assert list(ledger.history()) == []
    _commit(ledger, [first])
    assert list(ledger.history()) == [first]


def test_a_line_break_in_an_attribute_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerDamaged, match="line break"):
        _commit(ledger, [answer(1, 1, ["one\ntwo"])])
    assert list(ledger.blocks()) == []


def test_a_full_disk_leaves_nothing_of_a_group_and_the_next_try_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    book = Ledger.create(path, META)
    many = answers(400, each=20)
    connection = book._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        _commit(book, list(many))
    assert list(book.history()) == []
    assert not connection.in_transaction
    connection.execute("PRAGMA max_page_count = 1000000")
    _commit(book, list(many))
    assert list(book.history()) == many
    book.close()


def test_working_time_is_kept_with_each_commit(ledger: Ledger) -> None:
    _commit(ledger, list(answers(1)), elapsed_s=12.5)
    assert float(ledger.meta()["elapsed_s"]) == 12.5


def test_commits_are_synced_at_every_commit(ledger: Ledger) -> None:
    (mode,) = ledger._connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = ledger._connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, synchronous) == ("wal", 2)


def test_the_log_is_moved_into_the_file_when_due(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    book = Ledger.create(path, META)
    before = path.stat().st_size
    _commit(book, list(answers(50, each=50)))
    book.checkpoint_if_due()
    assert path.stat().st_size == before, "not due yet"
    book.checkpoint()
    assert path.stat().st_size > before
    book.close()


def test_a_newer_ledger_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.create(path, META).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match=r"schema 99.*upgrade"):
        Ledger.open(path)


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be one" * 40])
def test_what_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerDamaged):
        Ledger.open(path)


def test_a_ledger_that_is_missing_or_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerDamaged):
        Ledger.open(tmp_path / "ledger.db")
    Ledger.create(tmp_path / "elsewhere.db", META).close()
    (tmp_path / "ledger.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(LedgerDamaged, match="symbolic link"):
        Ledger.open(tmp_path / "ledger.db")


def test_the_views_say_where_attributes_came_from_and_what_became_of_requests(ledger: Ledger) -> None:
    _commit(
        ledger,
        [
            AssignmentRecord(1, "openai", "m", "root", "h", "list", 1, 0.5),
            AssignmentRecord(2, "openai", "m", "root", "h", "list", 1, 0.25),
            AssignmentRecord(3, "openai", "m", "root", "h", "list", 1, 0.125),
            answer(1, 1, ["Louvre", 'the "Orsay"'], cost_usd=0.01),
            LostRecord(2, "killed"),
            answer(7, 3, ["Arc"], [2], assignment_id=9),
            answer(8, 4, [], [2, 3], assignment_id=10),
        ],
    )
    rows = ledger._connection.execute("SELECT number, text, times_named FROM attributes ORDER BY number").fetchall()
    assert rows == [(1, "Louvre", 1), (2, 'the "Orsay"', 3), (3, "Arc", 2)]
    requests = ledger._connection.execute(
        "SELECT assignment_id, status, counted_usd FROM requests ORDER BY assignment_id"
    ).fetchall()
    assert requests == [(1, "ok", 0.01), (2, "lost", 0.25), (3, "open", 0.125)]
