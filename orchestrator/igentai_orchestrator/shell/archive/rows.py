"""Records as rows of the ledger, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from igentai_orchestrator.core.records import AnswerRecord, AssignmentRecord, EventRecord, LostRecord, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row: TypeAlias = tuple[Any, ...]

_ANSWER_FIELDS: Final = (
    "provider", "model", "partition", "prompt_hash", "status", "tokens_in", "tokens_out", "tokens_cached", "cost_usd",
    "latency_ms", "assignment_id", "producer", "purpose", "candidates", "first_number", "elapsed_s",
)  # fmt: skip
_ASSIGNMENT_FIELDS: Final = (
    "assignment_id", "provider", "model", "partition", "prompt_hash", "purpose", "attempt", "reserved_usd", "asked",
)  # fmt: skip
_answer_values = attrgetter(*_ANSWER_FIELDS)
_assignment_values = attrgetter(*_ASSIGNMENT_FIELDS)

COLUMNS: Final = {
    "answers": ("id", "producer_run", "seq", "at", *_ANSWER_FIELDS, "fresh_count", "notes", "fresh", "repeats"),
    "assignments": ("id", "at", *_ASSIGNMENT_FIELDS, "listed"),
    "losses": ("id", "at", "assignment_id", "reason"),
    "events": ("id", "at", "kind", "reason", "data"),
}

_NOTHING: Final = "[]"


@dataclass(slots=True)
class Rows:
    """One group commit, sorted by table. `texts` is what output.txt gets."""

    answers: list[Row] = field(default_factory=list)
    assignments: list[Row] = field(default_factory=list)
    losses: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    next_id: int = 1
    next_number: int = 1
    gap: tuple[int, int] | None = None  # the first number that does not follow on, and the one that was due

    def take(self, records: Iterable[Record], at: str) -> None:
        """Turn `records` into rows, numbered on from `next_id`."""
        for record in records:
            if isinstance(record, AnswerRecord):
                self._take_answer(record, at)
            elif isinstance(record, AssignmentRecord):
                self.assignments.append((self.next_id, at, *_assignment_values(record), _json(record.listed)))
            elif isinstance(record, LostRecord):
                self.losses.append((self.next_id, at, record.assignment_id, record.reason))
            else:
                self.events.append((self.next_id, at, record.kind, record.reason, record.data))
            self.next_id += 1

    def _take_answer(self, record: AnswerRecord, at: str) -> None:
        count = len(record.fresh)
        if count:
            if record.first_number != self.next_number and self.gap is None:
                self.gap = (record.first_number, self.next_number)
            self.next_number += count
            self.texts.extend(record.fresh)
        self.answers.append(
            (
                self.next_id, record.producer_run, record.seq, at, *_answer_values(record), count,
                _json(record.notes), _json(record.fresh), _json(record.repeats),
            )
        )  # fmt: skip

    def tables(self) -> Iterable[tuple[str, list[Row]]]:
        """Each table that has rows."""
        named = (
            ("assignments", self.assignments), ("answers", self.answers), ("losses", self.losses),
            ("events", self.events),
        )  # fmt: skip
        return [(name, rows) for name, rows in named if rows]


def _json(values: Sequence[Any]) -> str:
    return orjson.dumps(values).decode() if values else _NOTHING


def answer(row: Row) -> AnswerRecord:
    """A row of `SELECT_HISTORY["answers"]` as a record."""
    (
        _, run, seq, provider, model, partition, prompt_hash, status, tokens_in, tokens_out, tokens_cached, cost_usd,
        latency_ms, assignment_id, producer, purpose, candidates, first_number, elapsed_s, notes, fresh, repeats,
    ) = row  # fmt: skip
    loads = orjson.loads
    return AnswerRecord(
        assignment_id, run, seq, producer, provider, model, partition, purpose, prompt_hash, status, tokens_in,
        tokens_out, tokens_cached, cost_usd, latency_ms, candidates, first_number, loads(fresh), loads(repeats),
        elapsed_s, loads(notes),
    )  # fmt: skip


def assignment(row: Row) -> AssignmentRecord:
    listed = row[-1]
    values = (*row[1:-1], () if listed == _NOTHING else tuple(orjson.loads(listed)))
    return AssignmentRecord(*values)


def loss(row: Row) -> LostRecord:
    return LostRecord(*row[1:])


def event(row: Row) -> EventRecord:
    return EventRecord(*row[1:])


# JSON columns are read as blobs: orjson takes the bytes as they are, without a detour through str.
SELECT_HISTORY: Final = {
    "answers": (
        f"SELECT id, producer_run, seq, {', '.join(_ANSWER_FIELDS)}, CAST(notes AS BLOB), CAST(fresh AS BLOB), "  # noqa: S608  column names of this file
        "CAST(repeats AS BLOB) FROM answers WHERE id <= ? ORDER BY id"
    ),
    "assignments": f"SELECT id, {', '.join(_ASSIGNMENT_FIELDS)}, listed FROM assignments WHERE id <= ? ORDER BY id",  # noqa: S608
    "losses": "SELECT id, assignment_id, reason FROM losses WHERE id <= ? ORDER BY id",
    "events": "SELECT id, kind, reason, data FROM events WHERE id <= ? ORDER BY id",
}
