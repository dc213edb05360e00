"""What to ask next: the interface between the desk and a policy.

An *arm* is a model (`provider:model`) asked about one partition. The desk calls `choose` whenever a producer has a
free place, and `learn` once for every outcome, in ledger order: a policy is a fold over outcomes, so that a run can be
rebuilt, and replayed against another policy, from its ledger alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set
    from random import Random

    from igentai_orchestrator.core.named import Named

Purpose: TypeAlias = Literal["list", "split", "verify", "probe"]
Arm: TypeAlias = tuple[str, str]  # (model key, partition id)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a policy wants asked. `forecast` is the share of fresh attributes it expects, 0 to 1.

    `subject` is for `verify` alone: the model whose fresh attributes `model` is to judge.
    """

    model: str
    partition: str
    purpose: Purpose = "list"
    forecast: float = 1.0
    subject: str = ""


class Outcome(NamedTuple):
    """One finished request, as the ledger holds it.

    `numbers` are the attributes named, by number, fresh ones included (`Named` holds each once); `fresh` says how many
    of them were first sightings. Both are empty/0 where `ok` is False. `usd` is the settled cost, `seconds` the
    latency. `children` are the ids of the partitions that a split opened. `audit` is (checked, judged real), `subject`
    the model whose attributes were judged (empty: the model of this outcome). `asked` is how many attributes were asked
    for, 0 where that is not known; `kept_away` the share of the answer that its exclusion list was to keep free of
    repeats.
    """

    assignment_id: int
    model: str
    partition: str
    purpose: Purpose
    ok: bool
    numbers: Sequence[int] | Named
    fresh: int
    usd: float
    seconds: float
    forecast: float = 1.0
    children: tuple[str, ...] = ()
    audit: tuple[int, int] = (0, 0)
    subject: str = ""
    asked: int = 0
    kept_away: float = 0.0


@dataclass(frozen=True, slots=True)
class Situation:
    """What holds at the moment of a choice.

    `available` are the model keys that may be asked right now (limits, breaker, budget and concurrency allow it);
    `usable` also those that only have to wait. `in_flight` counts requests by arm. `usd_left`, `seconds_left`
    and `requests_left` are None where there is no such limit. `kept_away` is, by partition, what the next exclusion
    list will do (see `Outcome`). `drying`: the topic is about to end as saturated.
    """

    now: float
    available: Set[str]
    usable: Set[str]
    in_flight: Mapping[Arm, int]
    usd_left: float | None = None
    seconds_left: float | None = None
    requests_left: int | None = None
    kept_away: Mapping[str, float] = field(default_factory=dict)
    drying: bool = False


class Policy(Protocol):
    """Decides which arm is asked next."""

    def choose(self, situation: Situation, rng: Random) -> Ask | None:
        """The next request, with a model out of `situation.available`, or None to wait for a better one."""
        ...

    def learn(self, outcome: Outcome) -> None:
        """Take in one outcome. Idempotent by assignment id."""
        ...

    def forecast(self) -> float:
        """Fresh attributes the best next request is expected to bring per USD (or second, or request: `--optimise`)."""
        ...

    def unheard(self, usable: Set[str], in_flight: Mapping[Arm, int]) -> Set[str]:
        """Usable models that must have their say before an end is believed, and are not having it."""
        ...

    def shares(self) -> dict[str, float]:
        """Share of the last assignments that went to each model; sums to 1. This is what people see as weights."""
        ...

    def set_weights(self, weights: Mapping[str, float | None]) -> None:
        """Fix the share of the models named; None gives a share back to the policy."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """What the page shows of the policy: plain data."""
        ...
