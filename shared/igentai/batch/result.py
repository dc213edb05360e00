"""What came of one prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from igentai.batch.request import Identity
    from igentai.providers.base import Finish

STOPPED: Final = "cancelled"
BUDGET: Final = "budget"
BROKE_OFF: Final = "cut"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `reported` False: our own estimate, for the provider said nothing."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    reported: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer.

    `kind` is one of `igentai.errors.FailureKind`, or `budget` (not asked: it could cost more than what is left),
    `cancelled` (not asked, or called off, because another failed and fail_fast was said), `cut` (the reply broke off;
    what came of it is in the text), `input` (the row is no prompt). `status` is that of HTTP, if there was one.
    """

    kind: str
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One prompt's outcome. `error` None: it succeeded.

    `index` counts prompts from 0; `id` is your own. `cost_usd` None: nobody knows the price. `attempts` are calls
    made, 0 for one from the cache. `latency_ms` is of the last call. `finish`: `length` means that max_tokens was
    reached, `refusal` that the model declined.
    """

    index: int
    id: Identity
    text: str
    error: Failure | None
    usage: Usage | None
    cost_usd: float | None
    attempts: int
    provider: str
    model: str
    latency_ms: int
    finish: Finish | None = None
    cached: bool = False

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.error is None


def failed_result(
    index: int, identity: Identity, failure: Failure, attempts: int = 0, provider: str = "", model: str = ""
) -> Result:
    """The result of a prompt that has no answer."""
    return Result(index, identity, "", failure, None, 0.0, attempts, provider, model, 0)


def as_row(result: Result) -> dict[str, Any]:
    """The row of an output file."""
    usage, error = result.usage, result.error
    return {
        "index": result.index,
        "id": result.id,
        "text": result.text if error is None or result.text else None,
        "error": None if error is None else {"kind": error.kind, "message": error.message, "status": error.status},
        "usage": None
        if usage is None
        else {
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "tokens_cached": usage.tokens_cached,
            "reported": usage.reported,
        },
        "cost_usd": result.cost_usd,
        "attempts": result.attempts,
        "provider": result.provider or None,
        "model": result.model or None,
        "latency_ms": result.latency_ms,
    }


def from_row(row: dict[str, Any]) -> Result:
    """The result that `as_row` made `row` of. Raises KeyError or TypeError for any other."""
    usage, error = row["usage"], row["error"]
    return Result(
        index=row["index"],
        id=row["id"],
        text=row["text"] or "",
        error=None if error is None else Failure(error["kind"], error["message"], error["status"]),
        usage=None if usage is None else Usage(**usage),
        cost_usd=row["cost_usd"],
        attempts=row["attempts"],
        provider=row["provider"] or "",
        model=row["model"] or "",
        latency_ms=row["latency_ms"],
    )
