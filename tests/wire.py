"""Hypothesis strategies for the messages of the local link, made from their own type hints."""

from __future__ import annotations

import types
from dataclasses import is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from igentai.messages import (
    MAX_COST_USD,
    MAX_COUNT,
    AnswerMetadata,
    AttributeBatch,
    FromOrchestrator,
    FromProducer,
    KnownAnswer,
    Message,
    RequestFailed,
)

_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    bytes: st.binary(max_size=40),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}


# Numbers in an answer are counted up: only those that can be are let through.
_COUNTED: dict[Any, st.SearchStrategy[Any]] = _SCALARS | {
    int: st.integers(0, MAX_COUNT),
    float: st.floats(0.0, MAX_COST_USD, allow_nan=False),
}


def any_message() -> st.SearchStrategy[Message]:
    return st.one_of([_of(kind) for kind in get_args(FromProducer) + get_args(FromOrchestrator)])


def _of(hint: Any, scalars: dict[Any, st.SearchStrategy[Any]] = _SCALARS) -> st.SearchStrategy[Any]:
    if hint in scalars:
        return scalars[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        scalars = _COUNTED if hint in (AttributeBatch, KnownAnswer, RequestFailed) else scalars
        parts_by_name = {name: _of(part, scalars) for name, part in hints.items()}
        return st.fixed_dictionaries(parts_by_name).map(lambda values: hint(**values))
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([st.none() if part is type(None) else _of(part, scalars) for part in parts])
    if origin is list:
        return st.lists(_of(parts[0], scalars), max_size=5)
    if origin is dict:
        return st.dictionaries(_of(parts[0], scalars), _of(parts[1], scalars), max_size=3)
    if origin is tuple:
        return st.tuples(*(_of(part, scalars) for part in parts))
    raise AssertionError(f"no strategy for {hint}")


def answer(assignment_id: int = 1, *, attributes: list[str] | None = None, seq: int = 1) -> AttributeBatch:
    """An answer as a producer's work makes it."""
    metadata = AnswerMetadata("0" * 16, 1, 10, 20, 30, 0, usage_reported=True, cost_usd=None, finish="stop")
    run_id = "a" * 32
    return AttributeBatch(
        "ledger", run_id, "producer-0", seq, assignment_id, attributes or ["Louvre"], "fake", "m", metadata
    )


def failure(assignment_id: int = 1, *, kind: str = "server", seq: int = 1) -> RequestFailed:
    return RequestFailed("ledger", "a" * 32, "producer-0", seq, assignment_id, kind, 500, None, "it broke")
