"""Files of a batch: journal, cache, metrics, outputs."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from igentai import Failure, Result, Usage, write_results
from igentai.batch.cache import Cache
from igentai.batch.journal import Journal, Kept, Promise
from igentai.batch.outputs import COLUMNS, output_at
from igentai.batch.request import Query
from igentai.batch.result import as_row, from_row
from igentai.errors import StorageError, UsageError

GOOD = Result(0, "a", "text", None, Usage(3, 4, 1), 0.5, 1, "openai", "m", 12, "stop")
BAD = Result(1, None, "", Failure("server", "down", 500), None, 0.0, 4, "openai", "m", 9)


def test_a_row_has_these_names_and_can_be_read_back() -> None:
    assert tuple(as_row(GOOD)) == COLUMNS
    assert as_row(GOOD)["error"] is None
    assert as_row(BAD)["text"] is None
    assert from_row(json.loads(json.dumps(as_row(BAD)))) == BAD
    assert from_row(as_row(GOOD)) == replace(GOOD, finish=None)


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


def test_the_journal_finds_an_answer_for_the_same_question_at_the_same_place(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.write([Kept(b"q", GOOD)])
    journal.close()
    again = Journal(tmp_path / "j")
    assert again.find(0, b"q") == replace(GOOD, finish=None)
    assert again.find(0, b"other") is None
    assert again.find(1, b"q") is None
    again.close()


def test_what_was_promised_and_never_settled_counts_as_spent(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.write([Promise(1, 0, 0.5), Promise(2, 1, 0.25)])
    journal.write([Promise(1, 0, 0.125, settled=True)])
    assert journal.spent_usd() == 0.375
    journal.settle_unknown()
    journal.write([Promise(1, 5, 1.0), Promise(1, 5, 0.0, settled=True)])
    assert journal.spent_usd() == 0.375
    journal.close()


def test_a_file_that_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("a letter to a friend, long enough to be no empty database at all" * 20)
    with pytest.raises(StorageError, match="cannot be used"):
        Journal(tmp_path / "j")


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
