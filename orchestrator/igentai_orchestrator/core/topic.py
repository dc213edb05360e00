"""What a person asked for: a topic and how far to go with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Optimise: TypeAlias = Literal["cost", "speed", "requests"]
PolicyName: TypeAlias = Literal["learned", "fixed", "round_robin"]
PartitionMode: TypeAlias = Literal["auto", "none", "alphabetical", "categories"]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One provider and model to ask. `weight` None leaves its share to the policy.

    `key` is what people see and what the ledger holds: `provider:model`.
    """

    provider: str
    model: str
    weight: float | None = None

    @property
    def key(self) -> str:
        return f"{self.provider}:{self.model}"


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop. None: not for this reason. Money in USD, time in minutes, yield in fresh attributes per answer."""

    max_attributes: int | None = None
    max_requests: int | None = None
    budget_usd: float | None = None
    max_minutes: float | None = None
    until_coverage: float | None = None
    min_yield: float | None = None
    saturation: bool = True


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic and its configuration, as written to topic.txt, state.json and the ledger."""

    topic: str
    folder: str
    models: tuple[ModelChoice, ...]
    prompt: str | None = None
    producers: int = 4
    concurrency: int = 2
    request_size: int | None = None  # None: learned, starting at 40
    temperature: float | None = None
    limits: Limits = field(default_factory=Limits)
    optimise: Optimise = "cost"
    policy: PolicyName = "learned"
    partition: PartitionMode = "auto"
    categories: tuple[str, ...] = ()
    near_duplicates: Literal["keep", "group"] = "group"
    verify: bool = False
    seed: int = 0
