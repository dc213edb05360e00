"""The HTTP client under every SDK: how long to wait, how much to read, and a record of what really happened.

All three SDKs take an httpx2 client of ours, so timeouts, the size limit and the reason of a failure are decided here
once, in the same way for each, whatever the SDKs do with their own settings and exceptions.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import httpx2

from igentai.errors import FailureKind

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_IDLE_SHARE: Final = 8  # one in so many connections may be kept idle
_KEEP_ALIVE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait (seconds) and how much to read (bytes).

    `first_byte_s` holds for streams; a plain reply begins when it is finished, so there the limit of the whole call
    is the only one.
    """

    connect_s: float = 5.0
    first_byte_s: float = 30.0
    idle_s: float = 20.0
    body_limit: int = 2 * 1024 * 1024


@dataclass(slots=True)
class Exchange:
    """One request and what came of it. `fault` is set where the network or a limit ended it."""

    patience: Patience
    first_byte_s: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    fault: FailureKind | None = None
    reason: str = ""

    def broke(self, fault: FailureKind, reason: str) -> None:
        """Remember the first reason; what follows from it says nothing new."""
        if self.fault is None:
            self.fault, self.reason = fault, reason


_exchange: ContextVar[Exchange | None] = ContextVar("igentai_exchange", default=None)


@cache
def certificates() -> ssl.SSLContext:
    """Read once a process: it takes some 20 ms, and every provider needs the same."""
    return httpx2.create_ssl_context()


class recorded:  # noqa: N801 - reads as a phrase: `with recorded(exchange):`
    """Requests made inside are recorded in `exchange`. The SDKs call our client in the task that calls them."""

    def __init__(self, exchange: Exchange) -> None:
        self._value = exchange

    def __enter__(self) -> None:
        self._token = _exchange.set(self._value)

    def __exit__(self, *_: object) -> None:
        _exchange.reset(self._token)


class MeteredClient(httpx2.AsyncClient):
    """An httpx2 client that keeps to the `Patience` of the exchange it works for and fills in its record.

    Redirects are not followed: they would carry the key elsewhere. Replies are asked for uncompressed, so that the
    size limit counts what is read into memory.
    """

    def __init__(self, connections: int) -> None:
        limits = httpx2.Limits(
            max_connections=connections,
            max_keepalive_connections=max(1, connections // _IDLE_SHARE),
            keepalive_expiry=_KEEP_ALIVE_S,
        )
        super().__init__(
            verify=certificates(), limits=limits, timeout=None, follow_redirects=False
        )  # `send` sets the timeouts

    async def send(self, request: httpx2.Request, *, stream: bool = False, **kwargs: Any) -> httpx2.Response:
        exchange = _exchange.get()
        if exchange is None:
            msg = "a provider's client was used outside `recorded`"
            raise RuntimeError(msg)
        wait_s = exchange.first_byte_s
        request.extensions["timeout"] = {
            "connect": min(exchange.patience.connect_s, wait_s),
            "read": None,
            "write": wait_s,
            "pool": None,
        }
        request.headers["accept-encoding"] = "identity"
        kwargs["follow_redirects"] = False
        try:
            async with asyncio.timeout(wait_s):
                response = await super().send(request, stream=True, **kwargs)
        except (TimeoutError, httpx2.TransportError) as error:
            raise _noted(exchange, error, request, "no reply began") from error
        exchange.status = response.status_code
        exchange.headers = dict(response.headers)
        response.stream = _MeteredStream(response.stream, exchange, request)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response


class _MeteredStream(httpx2.AsyncByteStream):
    """The body of a reply, timed and counted. A class, not a generator: nothing is left open when it is dropped."""

    def __init__(self, inner: Any, exchange: Exchange, request: httpx2.Request) -> None:
        self._inner = inner
        self._exchange = exchange
        self._request = request
        self._chunks: Any = None

    def __aiter__(self) -> _MeteredStream:
        if self._exchange.headers.get("content-encoding", "identity") != "identity":
            self._exchange.broke(FailureKind.GARBAGE, "the reply is compressed though it was asked for plain")
            raise httpx2.DecodingError(self._exchange.reason, request=self._request)
        self._chunks = aiter(self._inner)
        return self

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        try:
            async with asyncio.timeout(exchange.patience.idle_s):
                chunk: bytes = await anext(self._chunks)
        except (TimeoutError, httpx2.TransportError) as error:
            raise _noted(exchange, error, self._request, "the reply stopped in the middle") from error
        room = exchange.patience.body_limit - len(exchange.body)
        exchange.body += chunk[:room]
        if len(chunk) > room:
            exchange.broke(FailureKind.GARBAGE, f"the reply is larger than {exchange.patience.body_limit} bytes")
            raise httpx2.ReadError(exchange.reason, request=self._request)
        return chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def _noted(exchange: Exchange, error: Exception, request: httpx2.Request, stage: str) -> httpx2.TransportError:
    """Record a failure of the network, and the httpx2 error that SDKs know for it."""
    if isinstance(error, (TimeoutError, httpx2.TimeoutException)):
        exchange.broke(FailureKind.TIMEOUT, f"{stage} in time")
        return httpx2.ReadTimeout(exchange.reason, request=request)
    if isinstance(error, httpx2.UnsupportedProtocol):
        exchange.broke(FailureKind.MODEL, "the address of this provider is not one of http or https")
    else:
        exchange.broke(FailureKind.RESET, f"{stage}: {type(error).__name__}")
    return error if isinstance(error, httpx2.TransportError) else httpx2.ReadError(exchange.reason, request=request)
