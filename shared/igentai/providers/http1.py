"""HTTP/1.1 as far as a JSON API needs it: post a body, read a reply, keep the connection.

The general clients spend 1 to 5 ms of processor time a request, most of it where hundreds of connections are open at
once; a batch at 500 in flight is then bound by its own processor. This one needs some 0.1 ms. It follows no redirect,
asks for plain bytes, knows no proxy (`igentai.batch.accounts` leaves those to the SDKs), and fills in the same
`Exchange` as `igentai.providers.wire`, so that a failure is judged in the same words.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from igentai.errors import FailureKind
from igentai.providers.http1_reply import Malformed, ReplyReader

if TYPE_CHECKING:
    import ssl

    from igentai.providers.wire import Exchange

KEEP_ALIVE_S: Final = (
    15.0  # servers close idle connections after 5 to 75 s; a request sent into one that closes is lost
)


class _Line(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0
        self._reader: ReplyReader | None = None
        self._over: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's transport is an asyncio.Transport

    @property
    def open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    async def post(self, request: bytes, exchange: Exchange) -> bool:
        """Send `request`, read its reply into `exchange`. True where the connection may be used again.

        Raises:
            ConnectionError: it ended before the reply did.
            Malformed: the reply is not HTTP, or is larger than the patience of the exchange allows.
        """
        if self.transport is None or not self.open:  # it ended before it was of any use: nobody would tell `_over`
            raise ConnectionResetError("closed by the server")
        self._reader = reader = ReplyReader(exchange)
        self._over = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            await self._over
        finally:
            self._reader = self._over = None
        return reader.reusable and self.open

    def data_received(self, data: bytes) -> None:
        over, reader = self._over, self._reader
        if over is None or reader is None or over.done():
            self.close()  # a server that speaks before it is asked: the next reply here would be another's
            return
        try:
            if reader.feed(data):
                over.set_result(None)
        except Malformed as error:
            over.set_exception(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        over, reader = self._over, self._reader
        if over is None or over.done():
            return
        if exc is None and reader is not None and reader.ended_by_close():
            over.set_result(None)
            return
        over.set_exception(ConnectionResetError(type(exc).__name__ if exc else "closed by the server"))

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Lines:
    """Connections to one server, at most `most` at once; the one used last is used next."""

    def __init__(self, url: str, most: int, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls if parts.scheme == "https" else None
        self._idle: deque[_Line] = deque()
        self._room = asyncio.Semaphore(most)
        self._closed = False

    async def post(self, request: bytes, exchange: Exchange) -> None:
        """Make one request. How it failed, if it did, stands in `exchange`.

        Raises:
            ConnectionError, OSError, Malformed: the same, as an exception.
        """
        async with self._room:
            line = self._lively() or await self._connect(exchange)
            reusable = False
            try:
                reusable = await line.post(request, exchange)
            except ConnectionError as error:
                began = exchange.status is not None
                stage = "the reply stopped in the middle" if began else "no reply began"
                exchange.broke(FailureKind.RESET, f"{stage}: {error}")
                raise
            except Malformed as error:
                exchange.broke(FailureKind.GARBAGE, str(error))
                raise
            finally:
                if reusable and not self._closed:
                    line.idle_since = asyncio.get_running_loop().time()
                    self._idle.append(line)
                else:
                    line.close()

    async def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)  # lets the transports say goodbye before the loop may close

    def _lively(self) -> _Line | None:
        """An open connection that was used lately, and the old ones closed."""
        oldest = asyncio.get_running_loop().time() - KEEP_ALIVE_S
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            line = self._idle.pop()
            if line.open:
                return line
        return None

    async def _connect(self, exchange: Exchange) -> _Line:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(exchange.patience.connect_s, exchange.first_byte_s)):
                _, line = await loop.create_connection(_Line, self._host, self._port, ssl=self._tls)
        except TimeoutError:
            exchange.broke(FailureKind.TIMEOUT, "no connection in time")
            raise
        except OSError as error:
            exchange.broke(FailureKind.RESET, f"no connection: {type(error).__name__}")
            raise
        return line
