"""What the ledger holds, row by row. The desk writes them; the archive commits them; recovery reads them back.

A record is given a `ticket`, a number that only grows, when the desk orders it recorded. `facts.Committed` reports
the highest ticket that is durable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AssignmentRecord:
    """A request about to be made, durable before it leaves. `reserved_usd` is its upper bound.

    `asked` is how many attributes it asks for, `listed` the numbers of those its prompt names as known.
    """

    assignment_id: int
    provider: str
    model: str
    partition: str
    prompt_hash: str
    purpose: str
    attempt: int
    reserved_usd: float
    asked: int = 0
    listed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One attempt's outcome. `first_number` is the number of the first fresh attribute: numbers are the line numbers
    of output.txt, from 1. `fresh` are texts; `repeats` are the numbers of attributes named again. `elapsed_s` is how
    long the topic had been worked on when it came.
    """

    assignment_id: int
    producer_run: str
    seq: int
    producer: str
    provider: str
    model: str
    partition: str
    purpose: str
    prompt_hash: str
    status: str  # ok | length | refusal | cut | failed:<FailureKind>
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost_usd: float
    latency_ms: int
    candidates: int
    first_number: int
    fresh: tuple[str, ...] | list[str]
    repeats: tuple[int, ...] | list[int]
    elapsed_s: float
    notes: tuple[str, ...] | list[str] = ()  # labels of a split, items judged real


@dataclass(frozen=True, slots=True)
class LostRecord:
    """An assignment whose outcome will never be known: its producer died before an answer reached a spool.

    It stays counted at its reservation: what is not settled counts as spent.
    """

    assignment_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something decided, with its reason in words: weights changed, a partition split, a merge, a stop.

    `data` is JSON text of what recovery needs to do it again.
    """

    kind: str
    reason: str
    data: str


Record: TypeAlias = AssignmentRecord | AnswerRecord | LostRecord | EventRecord
