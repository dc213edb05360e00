"""Every error igentai raises on purpose.

    IgentaiError                      exit code 1
    ├── UsageError                    2   a wrong flag, file or setting: the person can mend it
    │   ├── ConfigurationError
    │   ├── TopicError
    │   └── OutputsBusy               another daemon owns the outputs folder, or a port is taken
    ├── NoUsableProvider              3   nothing to ask
    ├── StoppedEarly                  4   stopped with work left; the reason is in the message
    ├── StorageError                  1   the ledger or the files cannot be trusted or written
    │   ├── StorageFull                   space may return: wait and go on
    │   └── LedgerDamaged                 a failed fsync or a corrupt file: stop, then recover
    ├── ProtocolError                 1   a peer broke the protocol; its connection alone is closed
    │   ├── FrameError
    │   ├── VersionMismatch
    │   └── PeerUnproven
    ├── BudgetReached                 4   the next request could cost more than what is left
    └── ProviderError                 1   one call to a provider failed; `kind` says how

A message says what happened, to what, and what to do about it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from igentai.limits import RateHeaders


class IgentaiError(Exception):
    """Base of every deliberate error. `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1


class UsageError(IgentaiError):
    """Something a person said is wrong; the message names it and says what to say instead."""

    exit_code = 2


class ConfigurationError(UsageError):
    """igentai.toml, an environment variable or a flag does not hold a usable value."""


class TopicError(UsageError):
    """A topic that cannot be used: empty, too long, or already there without --resume or --overwrite."""


class OutputsBusy(UsageError):
    """A second daemon on one outputs folder, or a port that is already taken."""


class NoUsableProvider(IgentaiError):
    """No provider can be asked: no key, no local server, no embedded model, or all are out."""

    exit_code = 3


class StoppedEarly(IgentaiError):
    """A run ended with work left; the message is the reason."""

    exit_code = 4


class StorageError(IgentaiError):
    """The outputs folder cannot be read or written as it must be."""


class StorageFull(StorageError):
    """No space (or quota) left. Nothing is acknowledged or asked until writing works again."""


class LedgerDamaged(StorageError):
    """The ledger can no longer be trusted in this process: stop, start again, recover."""


class ProtocolError(IgentaiError):
    """A peer broke the protocol. The reason is logged; nothing but its connection is affected."""


class FrameError(ProtocolError):
    """A frame that is too long, not msgpack, or not a known message."""


class VersionMismatch(ProtocolError):
    """The two sides speak different versions of the protocol."""


class PeerUnproven(ProtocolError):
    """The peer could not prove that it knows the run's secret."""


class BudgetReached(IgentaiError):
    """A request was refused because settled + reserved + its upper bound would pass the budget."""

    exit_code = 4


class FailureKind(StrEnum):
    """How one call to a provider failed. What follows from each is decided in `igentai.retry`."""

    RATE_LIMITED = "rate_limited"  # 429: wait as told
    QUOTA = "quota"  # 402, insufficient_quota, a day quota: out until the configuration changes
    KEY = "key"  # 401, 403: out until the configuration changes
    MODEL = "model"  # 404: unknown model or wrong address: out until the configuration changes
    REFUSED = "refused"  # 400, 413, 422: this request is wrong; asking again cannot help
    SERVER = "server"  # 5xx, 529
    TIMEOUT = "timeout"  # no connection, first byte, next byte or end in time; 408
    RESET = "reset"  # connection refused, reset or closed in the middle; 409
    GARBAGE = "garbage"  # a 200 that is no reply: HTML, broken JSON, an empty body
    CANCELLED = "cancelled"  # the assignment was withdrawn before it was sent
    INTERNAL = "internal"  # a fault of ours at the producer; its text is in the log


class ProviderError(IgentaiError):
    """One call failed.

    Args:
        kind: how it failed.
        detail: one line for people, without keys and without the prompt.
        status: HTTP status, None where there was none.
        retry_after_s: seconds the provider asked to wait, None where it said nothing.
        limits: what the reply's headers said of the account's limits, None where there was no reply.
    """

    def __init__(
        self,
        kind: FailureKind,
        detail: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        limits: RateHeaders | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s
        self.limits = limits
