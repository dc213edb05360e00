"""What goes wrong, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Refusals by status: each API words them in its own way (status, type, code, details).
REFUSALS = frozenset(
    {"rate_limit", "quota", "day_quota", "key", "forbidden", "payment", "model", "bad_request", "too_large"}
    | {"request_timeout", "conflict", "server", "unavailable", "overloaded"}
)
# What is sent instead of, or done to, a reply with status 200.
SPOILINGS = frozenset(
    {"hang", "stall", "reset_before", "reset_mid", "close_mid", "html", "broken_json", "empty_body", "huge"}
    | {"length", "refusal", "refusal_mid", "empty_reply", "error_in_reply", "error_mid", "no_usage", "gzip"}
)


@dataclass(frozen=True)
class Fault:
    """`name` is one of the above. `wait_s` is how long to wait, said as `wait_as`: seconds, ms, date, body or None.

    `after`: pieces that go out before a stream breaks. `echo`: put the key and the prompt into the error's text.
    """

    name: str
    wait_s: float | None = None
    wait_as: str = "seconds"
    after: int = 3
    echo: bool = False

    def __post_init__(self) -> None:
        if self.name not in REFUSALS | SPOILINGS:
            raise ValueError(f"no such fault: {self.name}")


@dataclass
class Script:
    """`at` by request number from 0; else `chances`, drawn with `seed`; else `always`; else nothing is wrong."""

    at: Mapping[int, Fault] = field(default_factory=dict)
    chances: tuple[tuple[Fault, float], ...] = ()
    always: Fault | None = None
    seed: int = 0

    def fault(self, index: int) -> Fault | None:
        if index in self.at:
            return self.at[index]
        rng = Random(f"{self.seed}/{index}")
        for fault, chance in self.chances:
            if rng.random() < chance:
                return fault
        return self.always

    @classmethod
    def from_json(cls, text: str) -> Script:
        """`{"at": {"0": {"name": "rate_limit", "wait_s": 2}}, "chances": [[{"name": "server"}, 0.1]], "seed": 1}`"""
        data: dict[str, Any] = json.loads(text)
        return cls(
            at={int(index): Fault(**fault) for index, fault in data.get("at", {}).items()},
            chances=tuple((Fault(**fault), chance) for fault, chance in data.get("chances", [])),
            always=Fault(**data["always"]) if data.get("always") else None,
            seed=data.get("seed", 0),
        )
