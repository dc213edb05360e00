"""What happens to a producer's session, and what it wants done. All frozen; `session.py` decides, `link.py` acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from igentai.messages import Assign, FromProducer, Message, ProviderAccess
    from igentai.spool import Answer


@dataclass(frozen=True, slots=True)
class Begun:
    """The process is up."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection stands; `nonce` is 32 fresh random bytes for its proof."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Received:
    message: Message


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended, or could not be made."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An assignment that was begun has its outcome; ledger, run and seq are filled in by the session."""

    ledger: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Spooled:
    """The answer is in the spool file."""

    ledger: str
    seq: int


@dataclass(frozen=True, slots=True)
class SpoolFailed:
    """It is not. `gone`: the folder is no longer there, so the topic was removed."""

    ledger: str
    detail: str
    gone: bool


@dataclass(frozen=True, slots=True)
class SpoolRead:
    """What the spool of a ledger holds of this run."""

    ledger: str
    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Beat:
    """Time passed, about 2 s. `cpu` in percent of one core since the last beat, `rss` in bytes."""

    cpu: float
    rss: int


@dataclass(frozen=True, slots=True)
class LeaveRequested:
    """A signal asks the process to leave; without `drain` at once."""

    drain: bool


Event: TypeAlias = (
    Begun | Connected | Received | Lost | Answered | Spooled | SpoolFailed | SpoolRead | Beat | LeaveRequested
)


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect after so many seconds; Connected or Lost follows."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Say:
    message: FromProducer


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the connection; Lost follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Begin:
    """Make this request; Answered follows. `access` says how providers are reached."""

    ledger: str
    assign: Assign
    access: Mapping[str, ProviderAccess]


@dataclass(frozen=True, slots=True)
class Spool:
    """Append the answer to the spool in `folder`; Spooled or SpoolFailed follows at once."""

    folder: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class ReadSpool:
    """SpoolRead follows at once."""

    folder: str
    ledger: str


@dataclass(frozen=True, slots=True)
class ClearSpool:
    """Leave nothing but `keep` in the spool; `remove` the file where that is nothing."""

    folder: str
    keep: Sequence[Answer]
    remove: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    level: Literal["debug", "info", "warning", "error"]
    event: str
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave, with this exit code, after what was said has gone out."""

    code: int


Action: TypeAlias = Connect | Say | HangUp | Begin | Spool | ReadSpool | ClearSpool | Note | Exit
