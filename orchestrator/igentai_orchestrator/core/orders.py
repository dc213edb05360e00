"""Things to do. The only output of the desk; the shell performs them in the order given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from igentai.messages import FromOrchestrator
from igentai_orchestrator.core.records import Record


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a producer process for `slot`."""

    slot: int


@dataclass(frozen=True, slots=True)
class Kill:
    """Signal the process of `slot`: `terminate` asks, `abort` wants a traceback, `kill` ends it."""

    slot: int
    pid: int
    how: Literal["terminate", "abort", "kill"]


@dataclass(frozen=True, slots=True)
class Send:
    link: int
    message: FromOrchestrator


@dataclass(frozen=True, slots=True)
class Disconnect:
    link: int
    reason: str


@dataclass(frozen=True, slots=True)
class TakeSpool:
    """Read the left-over spool of a producer run that is gone and feed what it holds back as facts."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RemoveSpool:
    """All that the left-over spool of this producer run held is durable: it can go."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RecordThis:
    """Commit `record`; `facts.Committed` with this ticket or a higher one follows."""

    ticket: int
    record: Record


@dataclass(frozen=True, slots=True)
class Publish:
    """Attributes up to number `latest` are durable: those who watch read them by number."""

    latest: int


@dataclass(frozen=True, slots=True)
class CloseTopic:
    """All is recorded: write the last metrics and state, close the files, answer with `facts.TopicClosed`."""

    status: Literal["finished", "stopped", "interrupted"]
    reason: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Exit:
    """Nothing is left to do in this process."""

    code: int


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the log: a dotted event and its keys."""

    level: Literal["debug", "info", "warning", "error"]
    event: str
    keys: Mapping[str, Any] = field(default_factory=dict)


Order: TypeAlias = (
    Spawn | Kill | Send | Disconnect | TakeSpool | RemoveSpool | RecordThis | Publish | CloseTopic | Exit | Log
)
