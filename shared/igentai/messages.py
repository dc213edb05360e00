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
       │  ◀─── UpdateConfiguration, FinishTopic, Stop
"""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints

from igentai.errors import FrameError

PROTOCOL_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Challenge:
    """First word on a connection: what the producer has to answer with its proof."""

    version: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """A producer introduces itself.

    `slot` is None for one that was not spawned by this orchestrator. `run_id` is 16 random bytes in hex,
    new for every producer process; with `seq` it names an answer for ever.
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
    """The orchestrator proves itself and says what it already holds of this producer run.

    `last_seq` is the highest seq committed (0: none); the producer resends everything after it.
    """

    proof: bytes
    last_seq: int
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
    topic: str
    prompt: str
    provider_weights: dict[str, float]
    generation_config: GenerationConfig


@dataclass(frozen=True, slots=True)
class UpdateConfiguration:
    prompt: str | None = None
    provider_weights: dict[str, float] | None = None
    bloom_filter: bytes | None = None
    generation_config: GenerationConfig | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """One request the orchestrator wants made. `messages` are (role, content) pairs."""

    assignment_id: int
    provider: str
    model: str
    partition: str
    messages: list[tuple[str, str]]
    max_tokens: int
    temperature: float | None
    timeout_s: float
    purpose: str = "list"  # list | split | verify: what kind of reply to expect


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything up to and including `seq` of this producer run is committed."""

    seq: int


@dataclass(frozen=True, slots=True)
class FinishTopic:
    """The topic is over: drop what was not started, keep what is unacknowledged until its Ack."""

    topic: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Leave. `drain`: finish the requests in flight first and wait for their Acks."""

    drain: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """`free` more assignments can be taken now."""

    free: int


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


@dataclass(frozen=True, slots=True)
class AttributeBatch:
    """One answer: a model's reply, parsed. `attributes` are clean lines (`igentai.text.clean`) in reply order.

    `run_id` is that of the producer process that received it: a spool may be sent on by a successor. For a split
    `attributes` are the labels, for a verification the items judged real.
    """

    run_id: str
    producer_id: str
    seq: int
    assignment_id: int
    attributes: list[str]
    provider_used: str
    model: str
    metadata: AnswerMetadata
    known: bytes = b""  # 8-byte keys of candidates that the filter knew, concatenated


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request came to nothing. Sequenced and acknowledged like an answer, for the ledger keeps every attempt."""

    run_id: str
    producer_id: str
    seq: int
    assignment_id: int
    kind: str
    status: int | None
    retry_after_s: float | None
    detail: str
    response_time_ms: int = 0


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


FromProducer: TypeAlias = Hello | Ready | AttributeBatch | RequestFailed | ProducerStatus
FromOrchestrator: TypeAlias = Challenge | Welcome | StartTopic | UpdateConfiguration | Assign | Ack | FinishTopic | Stop
Message: TypeAlias = FromProducer | FromOrchestrator

_TYPES: Final[dict[str, type[Any]]] = {t.__name__: t for t in get_args(FromProducer) + get_args(FromOrchestrator)}


def encode(message: Message) -> dict[str, Any]:
    """The plain map that goes into a frame."""
    return {"type": type(message).__name__, **_plain(message)}


def decode(data: Any) -> Message:
    """A validated message.

    Raises:
        FrameError: not a map, an unknown type, a missing or surplus field, or a value of the wrong type.
    """
    if not isinstance(data, dict):
        raise FrameError("a frame must hold a map; the peer is not an igentai of this version")
    name = data.pop("type", None)
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FrameError("unknown message type; the peer is not an igentai of this version")
    return typing.cast(Message, _build(kind, data))


def _plain(value: Any) -> Any:
    return {f.name: _plain_value(getattr(value, f.name)) for f in fields(value)}


def _plain_value(value: Any) -> Any:
    if is_dataclass(value):
        return _plain(value)
    if isinstance(value, dict):
        return {k: _plain_value(v) for k, v in value.items()}
    return value


_HINTS: Final[dict[type[Any], dict[str, Any]]] = {}


def _build(kind: type[Any], data: dict[str, Any]) -> Any:
    hints = _HINTS.get(kind)
    if hints is None:
        hints = _HINTS[kind] = get_type_hints(kind)
    if not data.keys() <= hints.keys():
        raise FrameError(f"{kind.__name__} carries fields of another version")
    values = {}
    for f in fields(kind):
        if f.name in data:
            values[f.name] = _checked(hints[f.name], data[f.name], kind.__name__, f.name)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise FrameError(f"{kind.__name__} lacks {f.name}")
    return kind(**values)


def _checked(hint: Any, value: Any, owner: str, name: str) -> Any:
    """`value` as `hint`. Peer data is never put into the error text."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = get_args(hint)
        if value is None and type(None) in options:
            return None
        (hint,) = [o for o in options if o is not type(None)]
        return _checked(hint, value, owner, name)
    if origin is list:
        return _checked_list(get_args(hint)[0], value, owner, name)
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
            raise FrameError(f"{owner}.{name} is not a map")
        return {k: _checked(get_args(hint)[1], v, owner, name) for k, v in value.items()}
    if origin is tuple:
        parts = get_args(hint)
        if not isinstance(value, (list, tuple)) or len(value) != len(parts):
            raise FrameError(f"{owner}.{name} holds a tuple of another length")
        return tuple(_checked(h, v, owner, name) for h, v in zip(parts, value, strict=True))
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise FrameError(f"{owner}.{name} is not a map")
        return _build(typing.cast(type[Any], hint), value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise FrameError(f"{owner}.{name} is not of type {hint.__name__}")
    return value


def _checked_list(item: Any, value: Any, owner: str, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise FrameError(f"{owner}.{name} is not a list")
    if item is str:
        try:
            "".join(value)  # checks thousands of items at C speed
        except TypeError:
            raise FrameError(f"{owner}.{name} holds something that is no text") from None
        return value
    return [_checked(item, v, owner, name) for v in value]
