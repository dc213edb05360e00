"""What a producer and the orchestrator say to each other.

Frozen dataclasses, validated once, at the edge, by `decode`. On the wire a message is one msgpack map
`{"type": <class name>, <field>: <value>, ...}` inside a length-prefixed frame (`igentai.codec`).

    producer                                orchestrator
       │  ◀───────────────────────────── Challenge │   nonce
       │ Hello ─────────────────────────────────▶  │   version, run id, nonce, proof
       │  ◀─────────────────────────────── Welcome │   proof, last seq kept, credit
       │  ◀──────────────────────────── StartTopic │
       │ Ready ─────────────────────────────────▶  │   n more requests wanted
       │  ◀──────────────────────────────── Assign │
       │ AttributeBatch | RequestFailed ────────▶  │   seq
       │  ◀─────────────────────────────────── Ack │   after the commit
       │ ProducerStatus (every 2 s) ────────────▶  │
       │ KnownAnswer (for an AttributeBatch) ───▶  │
       │  ◀─── UpdateConfiguration, TextWanted, FinishTopic, Stop
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin, get_type_hints

from igentai.errors import FrameError
from igentai.limits import RateHeaders

PROTOCOL_VERSION: Final = 1
MAX_ATTRIBUTES: Final = 1_000  # in one AttributeBatch, those named by key included
MAX_COUNT: Final = 1 << 40  # tokens or milliseconds of one answer
MAX_COST_USD: Final = 1e6  # of one answer
KEY_BYTES: Final = 8  # of `igentai.text.key64`
LEDGER_BEGINS: Final = 8  # characters of a ledger's name in a KnownAnswer


@dataclass(frozen=True, slots=True)
class Challenge:
    """First word on a connection: what the producer has to answer with its proof."""

    version: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """A producer introduces itself.

    `slot` is None for one that was not spawned by this orchestrator. `run_id` is 16 random bytes in hex,
    new for every producer process; with the ledger and `seq` it names an answer for ever.
    """

    version: int
    slot: int | None
    run_id: str
    host: str
    pid: int
    nonce: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """The orchestrator proves itself. `credit`: how many answers a producer may have unacknowledged."""

    proof: bytes
    credit: int


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """How a producer reaches a provider. Keys are never in here: each producer has its own.

    `kind` picks the client (`openai`, `anthropic`, `gemini`, `simulated`); `base_url` None means the
    client's default. `stream` asks for a streamed reply.
    """

    kind: str
    base_url: str | None = None
    stream: bool = True


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """What holds for a whole topic."""

    providers: dict[str, ProviderAccess]
    concurrency: int = 2
    request_size: int = 40
    temperature: float | None = None
    spool: str | None = None  # folder for the spool of a local producer; a remote one has its own


@dataclass(frozen=True, slots=True)
class StartTopic:
    """Work on this topic now. Also sent again after a reconnect.

    `ledger` names the topic's ledger for ever (random hex). Answers are numbered from 1 within (run_id, ledger).
    `last_seq` is the highest of this producer run that this ledger holds on disk (0: none): the producer forgets all up
    to it, as at an Ack, and resends everything after it.
    What a producer still holds for another ledger stays in its spool until that topic is started again.
    """

    ledger: str
    last_seq: int
    topic: str
    prompt: str
    provider_weights: dict[str, float]
    generation_config: GenerationConfig


@dataclass(frozen=True, slots=True)
class UpdateConfiguration:
    """What changed. `bloom_filter`: what is known of the current ledger, in the form of `igentai.bloom.Bloom.merge`."""

    prompt: str | None = None
    provider_weights: dict[str, float] | None = None
    bloom_filter: bytes | None = None
    generation_config: GenerationConfig | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """One request the orchestrator wants made. `messages` are (role, content) pairs.

    `key`: which of the provider's keys to use, from 0, in the order in which they are configured.
    """

    assignment_id: int
    provider: str
    model: str
    partition: str
    messages: list[tuple[str, str]]
    max_tokens: int
    temperature: float | None
    timeout_s: float
    purpose: str = "list"  # list | split | verify: what kind of reply to expect
    key: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything up to and including `seq` of this producer run is committed in `ledger`."""

    ledger: str
    seq: int


@dataclass(frozen=True, slots=True)
class TextWanted:
    """The answer `seq` named by key what the orchestrator does not hold: send it again with every text, and then
    again whatever came after it. Until then it is not taken, nor is anything that follows it.
    """

    ledger: str
    seq: int


@dataclass(frozen=True, slots=True)
class FinishTopic:
    """The topic is over: start nothing more for it, keep what is unacknowledged until its Ack."""

    ledger: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Leave. `drain`: finish the requests in flight first and wait for their Acks."""

    drain: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """`free` more assignments can be taken now, beside those asked for earlier; a StartTopic begins the count anew."""

    free: int


# What the headers of a reply said of the account's limits: the fields of `RateHeaders` in their order, unnamed because
# they travel with every answer. None: nothing.
LimitsSeen: TypeAlias = tuple[int | None, int | None, int | None, int | None, int | None, int | None]  # resets in ms


def limits_seen(headers: RateHeaders | None) -> LimitsSeen | None:
    """`headers` as they travel."""
    if headers is None or headers == RateHeaders():
        return None
    h = headers
    requests = h.requests_limit, h.requests_remaining, _milliseconds(h.requests_reset_s)
    return (*requests, h.tokens_limit, h.tokens_remaining, _milliseconds(h.tokens_reset_s))


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(min(seconds, 1e9) * 1000)


def _headers(seen: LimitsSeen | None) -> RateHeaders | None:
    if seen is None:
        return None
    requests, requests_left, requests_ms, tokens, tokens_left, tokens_ms = seen
    requests_s = None if requests_ms is None else requests_ms / 1000
    tokens_s = None if tokens_ms is None else tokens_ms / 1000
    return RateHeaders(requests, requests_left, requests_s, tokens, tokens_left, tokens_s)


@dataclass(frozen=True, slots=True)
class AnswerMetadata:
    """How an answer came about. `cost_usd` is only what the provider itself reported, else None."""

    prompt_hash: str
    candidates: int
    response_time_ms: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    usage_reported: bool
    cost_usd: float | None
    finish: str  # stop | length | refusal | cut
    limits: LimitsSeen | None = None

    @property
    def headers(self) -> RateHeaders | None:
        return _headers(self.limits)


@dataclass(frozen=True, slots=True)
class AttributeBatch:
    """One answer: a model's reply, parsed. `attributes` are clean lines (`igentai.text.clean`) in reply order.

    `run_id` is that of the producer process that received it: a spool may be sent on by a successor. For a split
    `attributes` are the labels, for a verification the items judged real.
    """

    ledger: str
    run_id: str
    producer_id: str
    seq: int
    assignment_id: int
    attributes: list[str]
    provider_used: str
    model: str
    metadata: AnswerMetadata
    known: bytes = b""  # 8-byte keys of candidates that the filter knew, in place of their texts


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An AttributeBatch much of which is known: what the connection and the assignment say is left out.

    Sent only where the filter of what is known was sent. `ledger` is the beginning of its name, enough to tell two
    topics apart. `keys` are the 8-byte keys of those that the filter knows, in place of their texts and in no order.
    `meta` is the AnswerMetadata without prompt_hash and limits, in its order.
    """

    ledger: str
    seq: int
    id: int
    texts: list[str]
    keys: bytes
    meta: tuple[int, int, int, int, int, bool, float | None, str]
    limits: LimitsSeen | None = None


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request came to nothing. Sequenced and acknowledged like an answer, for the ledger keeps every attempt."""

    ledger: str
    run_id: str
    producer_id: str
    seq: int
    assignment_id: int
    kind: str
    status: int | None
    retry_after_s: float | None
    detail: str
    response_time_ms: int = 0
    limits: LimitsSeen | None = None

    @property
    def headers(self) -> RateHeaders | None:
        return _headers(self.limits)


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    in_flight: int
    ok: int
    failed: int


@dataclass(frozen=True, slots=True)
class ProducerStatus:
    """Heartbeat: cpu in percent of one core, rss in bytes."""

    cpu: float
    rss: int
    in_flight: int
    unacknowledged: int
    providers: dict[str, ProviderHealth] = field(default_factory=dict)


FromProducer: TypeAlias = Hello | Ready | AttributeBatch | KnownAnswer | RequestFailed | ProducerStatus
FromOrchestrator: TypeAlias = (
    Challenge | Welcome | StartTopic | UpdateConfiguration | Assign | Ack | TextWanted | FinishTopic | Stop
)
Message: TypeAlias = FromProducer | FromOrchestrator

_TYPES: Final[dict[str, type[Any]]] = {t.__name__: t for t in get_args(FromProducer) + get_args(FromOrchestrator)}


def encode(message: Message) -> dict[str, Any]:
    """The plain map that goes into a frame."""
    return {"type": type(message).__name__, **_plain(message)}


def decode(data: Any) -> Message:
    """A validated message.

    Raises:
        FrameError: not a map, an unknown type, a missing or surplus field, a value of the wrong type, a count or a cost
            that cannot be, or more than 1,000 attributes and keys. Peer data is never put into the error text.
    """
    if not isinstance(data, dict):
        raise FrameError("a frame must hold a map; the peer is not an igentai of this version")
    name = data.pop("type", None)
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FrameError("unknown message type; the peer is not an igentai of this version")
    message = _build(kind, data)
    if kind is AttributeBatch and len(message.attributes) + len(message.known) // KEY_BYTES > MAX_ATTRIBUTES:
        raise FrameError(f"an AttributeBatch holds more than {MAX_ATTRIBUTES} attributes")
    if kind is KnownAnswer and len(message.texts) + len(message.keys) // KEY_BYTES > MAX_ATTRIBUTES:
        raise FrameError(f"a KnownAnswer holds more than {MAX_ATTRIBUTES} attributes")
    if kind in _ANSWERS and not _can_be(message):
        raise FrameError(f"a {kind.__name__} counts what cannot be counted so")
    return typing.cast("Message", message)


def _can_be(answer: Any) -> bool:
    """Whether the numbers of an answer are of this world: budgets and statistics add them up."""
    if answer.seq < 0:
        return False
    if type(answer) is RequestFailed:
        return 0 <= answer.response_time_ms <= MAX_COUNT and (answer.retry_after_s or 0.0) >= 0.0
    if type(answer) is KnownAnswer:
        *counts, _, cost, _ = answer.meta
    else:
        meta = answer.metadata
        counts = [meta.candidates, meta.response_time_ms, meta.tokens_in, meta.tokens_out, meta.tokens_cached]
        cost = meta.cost_usd
    return min(counts) >= 0 and max(counts) <= MAX_COUNT and 0.0 <= (cost or 0.0) <= MAX_COST_USD


_ANSWERS: Final = frozenset({AttributeBatch, KnownAnswer, RequestFailed})
_FIELDS: Final[dict[type[Any], tuple[str, ...]]] = {}


def _plain(value: Any) -> dict[str, Any]:
    kind = type(value)
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(f.name for f in fields(kind))
    return {name: _plain_value(getattr(value, name)) for name in names}


def _plain_value(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    if is_dataclass(value):
        return _plain(value)
    if isinstance(value, dict):
        return {k: _plain_value(v) for k, v in value.items()}
    return value


# What a field must hold, worked out once a class: decoding an answer of 200 attributes takes half as long so.
# A check gets the value and the field's full name for the error text, and returns the value to keep.
_Check: TypeAlias = Callable[[Any, str], Any]
_SCALARS: Final = frozenset({str, bytes, int, float, bool, type(None)})


class _Field(NamedTuple):
    name: str
    full_name: str
    exact: type[Any] | None  # the one type whose values need no further look
    check: _Check
    default: Callable[[], Any] | None  # None: the field is required


_PLANS: Final[dict[type[Any], tuple[_Field, ...]]] = {}


def _plan(kind: type[Any]) -> tuple[_Field, ...]:
    hints = get_type_hints(kind)
    plan = []
    for f in fields(kind):
        hint = hints[f.name]
        exact = hint if hint in (str, bytes, bool) else None
        plan.append(_Field(f.name, f"{kind.__name__}.{f.name}", exact, _check_of(hint), _default_of(f)))
    return tuple(plan)


def _default_of(f: Field[Any]) -> Callable[[], Any] | None:
    if f.default_factory is not MISSING:
        return f.default_factory
    return None if f.default is MISSING else lambda: f.default


def _build(kind: type[Any], data: dict[str, Any]) -> Any:
    plan = _PLANS.get(kind)
    if plan is None:
        plan = _PLANS[kind] = _plan(kind)
    values, found = [], 0
    for name, full_name, exact, check, default in plan:
        value = data.get(name, MISSING)
        if value is MISSING:
            if default is None:
                raise FrameError(f"{kind.__name__} lacks {name}")
            values.append(default())
            continue
        found += 1
        values.append(value if type(value) is exact else check(value, full_name))
    if found != len(data):
        raise FrameError(f"{kind.__name__} carries fields of another version")
    return kind(*values)


def _check_of(hint: Any) -> _Check:
    """The check for a type: a scalar, a message's part, or an optional, list, tuple or map of such."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (option,) = [part for part in parts if part is not type(None)]
        inner = _check_of(option)
        return lambda value, name: None if value is None else inner(value, name)
    if origin is list:
        return _texts if parts[0] is str else _list_of(_check_of(parts[0]))
    if origin is dict:
        return _map_of(_check_of(parts[1]))
    if origin is tuple:
        return _tuple_of(tuple(_check_of(part) for part in parts))
    if is_dataclass(hint):
        return _part_of(typing.cast("type[Any]", hint))
    return _scalar(hint)


def _scalar(kind: type[Any]) -> _Check:
    if kind is int:
        return _int
    if kind is float:
        return _float

    def check(value: Any, name: str) -> Any:
        if type(value) is kind:
            return value
        raise FrameError(f"{name} is not of type {kind.__name__}")

    return check


def _int(value: Any, name: str) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:  # what SQLite can keep
        return value
    raise FrameError(f"{name} is not a 64-bit integer")


def _float(value: Any, name: str) -> float:
    if type(value) in (float, int) and math.isfinite(value):
        return float(value)
    raise FrameError(f"{name} is not a finite number")


def _texts(value: Any, name: str) -> Any:
    if not isinstance(value, list):
        raise FrameError(f"{name} is not a list")
    try:
        "".join(value)  # checks thousands of items at C speed
    except TypeError:
        raise FrameError(f"{name} holds something that is no text") from None
    return value


def _list_of(check_item: _Check) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, list):
            raise FrameError(f"{name} is not a list")
        return [check_item(item, name) for item in value]

    return check


def _map_of(check_item: _Check) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise FrameError(f"{name} is not a map")
        return {key: check_item(item, name) for key, item in value.items()}

    return check


def _tuple_of(checks: tuple[_Check, ...]) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(checks):
            raise FrameError(f"{name} holds a tuple of another length")
        return tuple(check_part(part, name) for check_part, part in zip(checks, value, strict=True))

    return check


def _part_of(kind: type[Any]) -> _Check:
    def check(value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            raise FrameError(f"{name} is not a map")
        return _build(kind, value)

    return check
