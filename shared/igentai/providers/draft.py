"""A reply while it comes in, and what it amounts to when it is over, however it ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from igentai.errors import FailureKind, ProviderError
from igentai.messages import MAX_COST_USD, MAX_COUNT
from igentai.providers.base import Call, Finish, Reply
from igentai.providers.faults import error_body, http_fault, stream_fault
from igentai.providers.rate_headers import rate_headers
from igentai.providers.salvage import salvage
from igentai.providers.scrubbing import scrub
from igentai.tokens import estimate, estimate_messages

if TYPE_CHECKING:
    from igentai.providers.wire import Exchange


@dataclass(slots=True)
class Draft:
    """What has come so far. `finish` None: the provider has not said that it is done. Usage None: not reported."""

    parts: list[str] = field(default_factory=list)
    model: str | None = None
    finish: Finish | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int = 0
    cost_usd: float | None = None

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def declined(self) -> None:
        """A filter or the model itself ended the reply. What had come before is kept, as of one that broke off."""
        self.finish = "cut" if self.text.strip() else "refusal"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What judging an exchange needs to know besides the exchange.

    `now`: Unix time in seconds. `text_key`: the member of a plain reply that holds its text.
    """

    provider: str
    call: Call
    secrets: tuple[str, ...]
    now: float
    latency_ms: int
    streamed: bool
    text_key: str


def settle(draft: Draft, exchange: Exchange, error: Exception | None, about: Circumstances) -> Reply:
    """The reply, whole or cut off.

    Args:
        draft: what the SDK gave us.
        exchange: what came over the wire.
        error: what the SDK raised, None where it ended by itself.
        about: the circumstances.

    Raises:
        ProviderError: nothing usable came, with the kind that fits.
        Exception: `error` itself, where it arose before anything was sent.
    """
    if exchange.status is not None and not 200 <= exchange.status < 300:
        raise http_fault(
            exchange.status,
            exchange.headers,
            bytes(exchange.body),
            provider=about.provider,
            now=about.now,
            secrets=about.secrets,
            prompt=_prompt(about.call),
        )
    if draft.finish is not None:
        return _reply(draft, draft.finish, exchange, about)
    if error is not None and not about.streamed and not draft.text:
        draft.parts.append(salvage(bytes(exchange.body), about.text_key))
    if draft.text:
        return _reply(draft, _unsaid_finish(exchange, error), exchange, about)
    raise _fault(exchange, error, about)


def _unsaid_finish(exchange: Exchange, error: Exception | None) -> Finish:
    """Some compatible servers never say why they ended; the mark that closes a stream says that they did."""
    whole = error is None and exchange.fault is None and exchange.body.rstrip().endswith(b"[DONE]")
    return "stop" if whole else "cut"


def _reply(draft: Draft, finish: Finish, exchange: Exchange, about: Circumstances) -> Reply:
    text = draft.text
    said_in, tokens_out = _count(draft.tokens_in), _count(draft.tokens_out)
    tokens_in = said_in if said_in is not None else estimate_messages(about.call.messages)
    reported = said_in is not None and tokens_out is not None
    if draft.finish is None and finish == "cut":
        # Usage that comes with each piece lags behind the text that came with it.
        tokens_out, reported = max(tokens_out or 0, estimate(text)), False
    return Reply(
        text=text,
        model=draft.model or about.call.model,
        finish=finish,
        tokens_in=tokens_in,
        tokens_out=tokens_out if tokens_out is not None else estimate(text),
        tokens_cached=min(_count(draft.tokens_cached) or 0, tokens_in),
        usage_reported=reported,
        cost_usd=_cost(draft.cost_usd),
        latency_ms=about.latency_ms,
        limits=rate_headers(exchange.headers, about.now),
    )


def _count(said: object) -> int | None:
    """A count of tokens as a server said it, None where it is none: servers write what they like, SDKs pass it on."""
    return said if type(said) is int and 0 <= said <= MAX_COUNT else None


def _cost(said: float | None) -> float | None:
    return said if said is not None and 0.0 <= said <= MAX_COST_USD else None


def _fault(exchange: Exchange, error: Exception | None, about: Circumstances) -> Exception:
    """Why there is no reply, where HTTP itself said that all was well or said nothing."""
    prompt = _prompt(about.call)
    if exchange.fault is not None:
        detail = scrub(f"{about.provider}: {exchange.reason}", about.secrets, prompt)
        return ProviderError(exchange.fault, detail, status=exchange.status)
    if exchange.status is None and error is not None:
        return error
    said = error_body(bytes(exchange.body))
    if said is not None:
        return stream_fault(
            said,
            exchange.headers,
            provider=about.provider,
            now=about.now,
            secrets=about.secrets,
            prompt=prompt,
        )
    shape = "an empty body" if not exchange.body.strip() else "something that is no reply"
    detail = scrub(
        f"{about.provider}: HTTP {exchange.status} with {shape}; is the address that of an API?", about.secrets
    )
    return ProviderError(FailureKind.GARBAGE, detail, status=exchange.status)


def _prompt(call: Call) -> str:
    return "\n".join(content for _, content in call.messages)
