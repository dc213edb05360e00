"""What the daemon was told of its providers and of itself, apart from any topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """How a provider is reached and what it allows. Limits None: learned from what it says.

    `keys` says where each of its keys comes from, for the line that mends it; empty where none is needed.
    """

    kind: str
    base_url: str | None = field(default=None, repr=False)
    stream: bool = True
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    timeout_s: float = 120.0
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Configuration of the desk. `share` is the part of every rate limit that is aimed at."""

    producers: int
    providers: Mapping[str, ProviderTerms] = field(default_factory=dict)
    share: float = 0.95
    credit: int = 8
    drain_s: float = 6.0  # of the 10 s that a stop may take: what follows takes 4 on a busy machine
    wait_when_out: bool = True  # with every provider out: a daemon waits for a person, `explore` ends
    lost_after_s: float = 60.0  # beyond a request's own time limit, before it is given up
    orphan_s: float = 600.0  # how long a remote producer that lost its connection is waited for
    optimization_interval_s: float = 5.0
    list_tokens: int = 1_500  # allowance of an exclusion list
    budget_per_hour: float | None = None  # USD, over all topics
    bloom: Literal["auto", "on", "off"] = "auto"  # who is sent the filter of what is known: remote producers, all, none
