"""What a budget an hour begins with after a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from igentai_orchestrator.core.records import AssignmentRecord, LostRecord, Record
from igentai_orchestrator.shell.archive import spent_lately
from igentai_orchestrator.shell.archive.ledger import Ledger
from tests.doubles.storage import answer

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def at(minutes_ago: float) -> str:
    return (NOW - timedelta(minutes=minutes_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def assigned(number: int, usd: float = 0.5) -> AssignmentRecord:
    return AssignmentRecord(number, "openai", "gpt-4o-mini", "", "h", "list", 1, usd)


def answered(number: int, seq: int, usd: float, status: str = "ok") -> Record:
    return replace(answer(seq, 1, []), assignment_id=number, cost_usd=usd, status=status)


def ledger(outputs: Path, topic: str, *rows: tuple[float, Record]) -> None:
    folder = outputs / topic
    folder.mkdir(parents=True)
    book = Ledger.create(folder / "ledger.db", {"ledger": topic, "topic": topic})
    for minutes_ago, record in rows:
        book.commit([record], at=at(minutes_ago), elapsed_s=0.0)
    book.close()


def test_the_last_hour_of_all_topics_is_counted_at_its_cost(tmp_path: Path) -> None:
    ledger(tmp_path, "one", (70, assigned(1)), (65, answered(1, 1, 0.1)), (30, assigned(2)), (29, answered(2, 2, 0.2)))
    ledger(tmp_path, "two", (62, assigned(1)), (58, answered(1, 1, 0.3)))
    assert spent_lately(tmp_path, NOW) == [(58 * 60.0, 0.3), (29 * 60.0, 0.2)]


@pytest.mark.parametrize(
    ("what", "usd"),
    [
        (None, 0.5),
        (LostRecord(1, "its producer died"), 0.5),
        (answered(1, 1, 0.0, "failed:timeout"), 0.5),
        (answered(1, 1, 0.0, "failed:reset"), 0.5),
        (answered(1, 1, 0.0, "failed:server"), 0.0),
        (answered(1, 1, 0.0, "failed:cancelled"), 0.0),
        (answered(1, 1, 0.04, "length"), 0.04),
    ],
)
def test_what_may_have_been_billed_counts_as_all_it_can_have_cost(
    tmp_path: Path, what: Record | None, usd: float
) -> None:
    ledger(tmp_path, "one", (10, assigned(1)), *([(9, what)] if what else []))
    assert sum(spent for _, spent in spent_lately(tmp_path, NOW)) == usd


def test_a_request_without_outcome_counts_as_of_now_and_so_does_what_lies_ahead(tmp_path: Path) -> None:
    ledger(tmp_path, "one", (59, assigned(1)), (-5, assigned(2)), (-6, answered(2, 1, 0.25)))
    assert spent_lately(tmp_path, NOW) == [(0.0, 0.5), (0.0, 0.25)]


def test_without_outputs_nothing_was_spent(tmp_path: Path) -> None:
    assert spent_lately(tmp_path / "none", NOW) == []
