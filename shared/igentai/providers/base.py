"""What a provider is: one call in, one reply or one `ProviderError` out.

Clients keep no queue, make no retry and know no limit: who is asked, when and how often is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from igentai.limits import RateHeaders

Role: TypeAlias = Literal["system", "user", "assistant"]
Finish: TypeAlias = Literal["stop", "length", "refusal", "cut"]


class Secret:
    """A key. Shows itself only when asked by `reveal`; everything else prints stars."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled: hand it over an inherited pipe")


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """How to reach one provider.

    `name` is what people say (`openai`, `groq`); `kind` picks the client: `openai` (also every OpenAI-compatible
    endpoint, Ollama and the embedded model), `anthropic`, `gemini`, `simulated`. `connections` is the most that are
    open at once; calls beyond it wait for one. `more_keys` are those that take turns with `key`.
    """

    name: str
    kind: str
    key: Secret | None = None
    base_url: str | None = field(default=None, repr=False)  # people put keys into it
    stream: bool = True
    connections: int = 128
    more_keys: tuple[Secret, ...] = ()

    @property
    def keys(self) -> tuple[Secret, ...]:
        """All keys, in the order by which an assignment names them; empty where none is needed."""
        return (self.key, *self.more_keys) if self.key else ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `timeout_s` bounds it whole; `temperature` None leaves the provider's default."""

    model: str
    messages: tuple[tuple[Role, str], ...]
    max_tokens: int
    temperature: float | None = None
    timeout_s: float = 120.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `finish`: `stop` said all; `length` hit max_tokens; `refusal` declined; `cut` broke off.

    `usage_reported` False means the token counts are our own estimate. `cost_usd` only where the provider
    reports one itself. `tokens_in` counts cached tokens too; `tokens_cached` says how many of them were.
    """

    text: str
    model: str
    finish: Finish
    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    usage_reported: bool = True
    cost_usd: float | None = None
    latency_ms: int = 0
    limits: RateHeaders = field(default_factory=RateHeaders)


class Provider(Protocol):
    """A connected client. Safe for many concurrent `ask`s on one event loop."""

    async def ask(self, call: Call) -> Reply:
        """Make the call.

        A reply that broke off after it had begun is returned with finish `cut`, for what came was paid for.

        Raises:
            ProviderError: with the kind of `igentai.errors.FailureKind` that fits.
        """
        ...

    async def close(self) -> None:
        """Give back connections. Called once, when nothing is in flight."""
        ...
