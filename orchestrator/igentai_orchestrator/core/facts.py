"""Things that happened. The only input of the desk; frozen; without a clock (`now` comes beside them).

`link` is a number the listener gives a connection: a producer that comes back has a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from igentai.messages import AttributeBatch, KnownAnswer, ProducerStatus, RequestFailed
from igentai_orchestrator.core.records import Record
from igentai_orchestrator.core.topic import TopicSpec


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class TopicOpened:
    """The archive has the topic's folder ready. `history` is the ledger so far, oldest first (empty for a new one).

    `elapsed_s` is how long earlier daemons worked on it. `spool` is the folder for its producers' spools.
    """

    spec: TopicSpec
    ledger: str
    spool: str
    history: Iterable[Record] = ()
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TopicStopRequested:
    """A person, a signal or the shell wants the topic to end. `reason` is what state.json will say."""

    reason: str


@dataclass(frozen=True, slots=True)
class TopicClosed:
    """Everything of the topic is on disk and its files are closed."""


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """Stop everything: drain, then let the producers go."""


@dataclass(frozen=True, slots=True)
class ProducerSpawned:
    slot: int
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    slot: int
    detail: str


@dataclass(frozen=True, slots=True)
class ProducerExited:
    """`code` as Popen gives it: negative is a signal."""

    slot: int
    pid: int
    code: int


@dataclass(frozen=True, slots=True)
class ProducerJoined:
    """A proven producer is connected. `slot` is None for one that joined from elsewhere.

    `proof` is the orchestrator's own, to be sent back in the Welcome.
    """

    link: int
    slot: int | None
    run_id: str
    host: str
    pid: int
    proof: bytes


@dataclass(frozen=True, slots=True)
class ProducerLeft:
    link: int
    reason: str


@dataclass(frozen=True, slots=True)
class ProducerReady:
    link: int
    free: int


@dataclass(frozen=True, slots=True)
class AnswerArrived:
    """`link` is None for an answer found in a left-over spool."""

    link: int | None
    batch: AttributeBatch


@dataclass(frozen=True, slots=True)
class KnownAnswerArrived:
    link: int
    answer: KnownAnswer


@dataclass(frozen=True, slots=True)
class FailureArrived:
    link: int | None
    failure: RequestFailed


@dataclass(frozen=True, slots=True)
class StatusArrived:
    link: int
    status: ProducerStatus


@dataclass(frozen=True, slots=True)
class SpoolTaken:
    """The left-over spool of a dead producer run was read whole; what it held came before this."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Committed:
    """Every record up to `ticket` is durable."""

    ticket: int


@dataclass(frozen=True, slots=True)
class StorageTroubled:
    """Writing does not work (`detail` says why): ask nothing, acknowledge nothing."""

    detail: str


@dataclass(frozen=True, slots=True)
class StorageMended:
    """Writing works again."""


@dataclass(frozen=True, slots=True)
class WeightsSet:
    """A person set shares. Keys are `provider:model`; None gives that share back to the policy."""

    weights: Mapping[str, float | None]
    by: str


@dataclass(frozen=True, slots=True)
class MergeUndone:
    """A person says that attribute `number` is none of its group."""

    number: int


@dataclass(frozen=True, slots=True)
class ConfigurationReloaded:
    """SIGHUP: providers that were out may be tried again. `keys_changed`: producers hold other keys than those set."""

    keys_changed: bool = False


Fact: TypeAlias = (
    Tick
    | TopicOpened
    | TopicStopRequested
    | TopicClosed
    | ShutdownRequested
    | ProducerSpawned
    | SpawnFailed
    | ProducerExited
    | ProducerJoined
    | ProducerLeft
    | ProducerReady
    | AnswerArrived
    | KnownAnswerArrived
    | FailureArrived
    | StatusArrived
    | SpoolTaken
    | Committed
    | StorageTroubled
    | StorageMended
    | WeightsSet
    | MergeUndone
    | ConfigurationReloaded
)
