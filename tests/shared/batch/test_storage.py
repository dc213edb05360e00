"""Files of a batch: journal, cache, metrics, outputs."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from igentai import Failure, Result, Usage, write_results
from igentai.batch.cache import Cache
from igentai.batch.journal import Journal, Kept, Promise
from igentai.batch.outputs import COLUMNS, JsonLines, output_at
from igentai.batch.request import Query
from igentai.batch.result import as_row, from_row
from igentai.errors import OutputsBusy, StorageError, StorageFull, UsageError

GOOD = Result(0, "a", "text", None, Usage(3, 4, 1), 0.5, 1, "openai", "m", 12, "stop")
BAD = Result(1, None, "", Failure("server", "down", 500), None, 0.0, 4, "openai", "m", 9)


def test_a_row_has_these_names_and_can_be_read_back() -> None:
    assert tuple(as_row(GOOD)) == COLUMNS
    assert as_row(GOOD)["error"] is None
    assert as_row(BAD)["text"] is None
    assert from_row(json.loads(json.dumps(as_row(BAD)))) == BAD
    assert from_row(as_row(GOOD)) == replace(GOOD, finish=None)


def test_an_output_that_cannot_be_written_says_so_once_and_a_pipe_that_nobody_reads_ends_quietly() -> None:
    full = JsonLines(os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb"), "full")
    with pytest.raises(StorageError, match="No space left"):
        full.write(GOOD)
    with pytest.raises(StorageError, match="No space left"):
        full.close()
    reading, writing = os.pipe()
    os.close(reading)
    pipe = JsonLines(os.fdopen(writing, "wb"), "pipe")
    with pytest.raises(BrokenPipeError):
        pipe.write(GOOD)
    with pytest.raises(BrokenPipeError):
        pipe.close()


def test_jsonl_csv_and_sqlite_hold_the_same(tmp_path: Path) -> None:
    formula = replace(GOOD, index=2, text='=HYPERLINK("x")\nline, "two"')
    for name in ("o.jsonl", "o.csv", "o.db"):
        output = output_at(tmp_path / name)
        for result in (GOOD, BAD, formula):
            output.write(result)
        output.close()
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().split("\n")[:-1]]
    assert lines == [as_row(GOOD), as_row(BAD), as_row(formula)]
    with (tmp_path / "o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["index"] for row in rows] == ["0", "1", "2"]
    assert rows[1]["error"] == "server: down"
    assert rows[2]["text"] == f"'{formula.text}", "a spreadsheet runs nothing"
    database = sqlite3.connect(tmp_path / "o.db")
    found = database.execute('SELECT "index", id, text, error, tokens_in FROM results ORDER BY rowid').fetchall()
    database.close()
    assert found == [(0, "a", "text", None, 3), (1, None, None, "server", None), (2, "a", formula.text, None, 3)]
    with pytest.raises(UsageError, match="call it"):
        output_at(tmp_path / "o.parquet")


def test_a_batch_is_written_in_order_in_one_transaction_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "answers.db"
    assert write_results(path, [GOOD, BAD], "monday") == 2
    with pytest.raises(StorageError):
        write_results(path, [replace(GOOD, index=5), GOOD, replace(GOOD, index=5)], "tuesday")
    with pytest.raises(StorageError):
        write_results(path, [replace(GOOD, index=9), GOOD], "monday")
    database = sqlite3.connect(path)
    assert database.execute('SELECT batch, "index" FROM results ORDER BY rowid').fetchall() == [
        ("monday", 0),
        ("monday", 1),
    ]
    database.close()


def written(path: Path, *items: Kept | Promise) -> None:
    journal = Journal(path)
    for item in items:
        journal.append(item)
    journal.close()


def test_the_journal_finds_an_answer_for_the_same_question_at_the_same_place(tmp_path: Path) -> None:
    long = replace(GOOD, index=2, text="x" * 50_000)
    written(tmp_path / "j", Kept(b"q", long), Kept(b"q", GOOD))
    again = Journal(tmp_path / "j")
    assert again.find(0, b"q") == replace(GOOD, finish=None)
    assert again.find(2, b"q") == replace(long, finish=None)
    assert [again.find(0, b"other"), again.find(1, b"q"), again.find(99, b"q")] == [None, None, None]
    assert again.count() == 2
    again.close()


def test_the_last_answer_for_a_row_stands(tmp_path: Path) -> None:
    written(tmp_path / "j", Kept(b"old", GOOD), Kept(b"new", replace(GOOD, text="newer")))
    journal = Journal(tmp_path / "j")
    found = journal.find(0, b"new")
    assert found is not None
    assert found.text == "newer"
    assert journal.find(0, b"old") is None
    journal.close()


def test_a_torn_line_is_cut_off_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, Kept(b"q", GOOD))
    whole = path.read_bytes()
    for torn in range(1, len(whole)):
        path.write_bytes(whole + whole[:torn])
        journal = Journal(path)
        assert journal.count() == 1
        journal.append(Kept(b"q", replace(GOOD, index=1)))
        journal.close()
        again = Journal(path)
        assert again.count() == 2
        again.close()


def test_one_run_at_a_time_writes_a_journal(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j")
    with pytest.raises(OutputsBusy, match="another run"):
        Journal(tmp_path / "j")
    first.close()
    Journal(tmp_path / "j").close()


def test_what_was_promised_and_never_settled_counts_as_spent(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, Promise(1, 0.5), Promise(2, 0.25), Promise(1, 0.125, settled=True))
    journal = Journal(path)
    assert journal.spent_usd() == 0.375
    journal.settle_unknown()
    assert journal.spent_usd() == 0.375
    journal.append(Promise(1, 1.0))
    journal.append(Promise(1, 0.0, settled=True))
    journal.close()
    again = Journal(path)
    assert again.spent_usd() == 0.375
    again.close()


def test_a_file_that_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    letter = b"a letter to a friend\nof many lines\n"
    (tmp_path / "j").write_bytes(letter)
    with pytest.raises(StorageError, match="no journal"):
        Journal(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == letter, "and is left as it is"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(Kept(b"q", GOOD))
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:10]))
    with pytest.raises(StorageFull):
        journal.append(Kept(b"q", replace(GOOD, index=1)))
    monkeypatch.undo()
    journal.append(Kept(b"q", replace(GOOD, index=2)))
    journal.close()
    again = Journal(tmp_path / "j")
    assert again.count() == 2
    again.close()


def test_a_cache_answers_as_the_prompt_that_asks(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "folder")
    cache.write([(b"q", GOOD)])
    found = cache.find(b"q", 41, Query("p", id="mine"))
    assert found is not None
    assert (found.index, found.id, found.text, found.cost_usd, found.attempts, found.cached) == (
        *(41, "mine", "text", 0.0, 0),
        True,
    )
    assert cache.find(b"other", 0, Query("p")) is None
    cache.close()
