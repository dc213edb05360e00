"""What can be asked about attributes, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class MergedInto:
    """The earlier attribute that another one probably repeats in other words, and why (`igentai.kinship`)."""

    number: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One attribute. `number` is its line in output.txt, `at` is ISO 8601 in UTC, `times_named` counts answers."""

    number: int
    text: str
    provider: str
    model: str
    partition: str
    producer: str
    at: str
    times_named: int
    merged_into: MergedInto | None = None


@dataclass(frozen=True, slots=True)
class Naming:
    """An answer that named an attribute again."""

    at: str
    provider: str
    model: str
    partition: str
    producer: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an attribute came from. `named_again` holds the first hundred answers that repeated it, `variants` the
    later attributes that probably repeat it in other words (numbers and texts are theirs).

    `cost_usd` and the tokens are those of the whole answer that brought it.
    """

    attribute: AttributeRow
    named_again: tuple[Naming, ...]
    variants: tuple[MergedInto, ...]
    assignment_id: int
    producer_run: str
    seq: int
    purpose: str
    prompt_hash: str
    tokens_in: int
    tokens_out: int
    cost_usd: float
    latency_ms: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which attributes: part of the text in any case, a partition, a provider or a `provider:model`. None: any."""

    search: str | None = None
    partition: str | None = None
    provider: str | None = None

    def conditions(self) -> tuple[str, list[Any]]:
        """What an answer must fulfil to hold such an attribute, as SQL and its values."""
        sql, values = "", []
        if self.partition is not None:
            sql += " AND partition = ?"
            values.append(self.partition)
        if self.provider is not None:
            sql += " AND (provider = ? OR provider || ':' || model = ?)"
            values += [self.provider, self.provider]
        if self.search:
            sql += " AND fresh GLOB ?"
            values.append(_any_case(self.search))
        return sql, values


def _any_case(text: str) -> str:
    """A GLOB pattern that finds `text` inside a JSON array in any case, letter by letter, in any script.

    SQLite's LIKE folds ASCII only. This is a sieve for whole answers; the attributes are looked at again.
    """
    inside = orjson.dumps(text)[1:-1].decode()
    return f"*{''.join(_either(char) for char in inside)}*"


def _either(char: str) -> str:
    cases = {case for case in (char, char.lower(), char.upper(), char.title(), char.casefold()) if len(case) == 1}
    if len(cases) == 1:
        return f"[{char}]" if char in "*?[" else char
    return f"[{''.join(sorted(cases))}]"
