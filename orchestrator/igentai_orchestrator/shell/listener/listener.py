"""Where producers connect: TCP, one task a connection, all inside the group that `serve` holds open.

A connection proves itself within 5 s and 4 KiB, or is closed. After that every message becomes a fact, handed to
`dispatch` synchronously: whoever decides there makes the reader, and so the peer, wait. A peer that breaks the
protocol, or does not read what it is sent, loses its own connection and nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from igentai.codec import MAX_FRAME, MAX_UNPROVEN_FRAME, Deframer, frame
from igentai.errors import FrameError, ProtocolError
from igentai.messages import PROTOCOL_VERSION, Challenge, FromOrchestrator, Hello, Message
from igentai.proof import NONCE_BYTES, check_hello
from igentai_orchestrator.core.facts import Fact, ProducerJoined, ProducerLeft
from igentai_orchestrator.shell.listener.binding import listening_socket
from igentai_orchestrator.shell.listener.incoming import facts_in

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

CHUNK: Final = 256 << 10  # bytes taken from a socket at once: many messages a wake-up
MAX_UNREAD: Final = 4 << 20  # bytes a peer may leave unread
FLUSH_S: Final = 1.0  # for the last words to a peer that is disconnected
ACCEPT_PAUSE_S: Final = 0.1  # after an accept that failed for want of descriptors or memory


@dataclass(slots=True)
class _Connection:
    link: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    deframer: Deframer = field(default_factory=lambda: Deframer(MAX_UNPROVEN_FRAME))
    reading: asyncio.Timeout | None = None  # the scope of its task's reading, set to expire when it is to end
    reason: str | None = None  # why it was closed from this side


class Listener:
    """Accepts producers.

    Args:
        secret: the run's secret, which both sides prove to hold.
        dispatch: given each fact, in order, on the event loop; what it raises ends `serve`.
        log: structlog-like.
        tls: needed for any address that is not loopback.
        links: where link numbers come from; two listeners (loopback without TLS, others with) share one source.
    """

    def __init__(
        self,
        secret: bytes,
        dispatch: Callable[[Fact], None],
        *,
        log: Any,
        max_connections: int = 128,
        handshake_deadline_s: float = 5.0,
        tls: ssl.SSLContext | None = None,
        links: Iterator[int] | None = None,
    ) -> None:
        self._secret = secret
        self._dispatch = dispatch
        self._log = log
        self._max_connections = max_connections
        self._handshake_deadline_s = handshake_deadline_s
        self._tls = tls
        self._socket: socket.socket | None = None
        self._serving = False
        self._closed = asyncio.Event()
        self._open = 0  # connections, proven or not
        self._unproven: set[asyncio.Task[None]] = set()
        self._links = links if links is not None else itertools.count(1)
        self._proven: dict[int, _Connection] = {}

    async def start(self, host: str, port: int) -> int:
        """Bind and listen. Returns the port: `port`, or for 0 a free one below 32768.

        Raises:
            OutputsBusy: the port is taken.
            ConfigurationError: there is no such address here, or it is not loopback and there is no TLS.
        """
        self._socket, bound = await listening_socket(host, port, encrypted=self._tls is not None)
        return bound

    async def serve(self) -> None:
        """Accept until `close`, then wait until the last connection has ended."""
        assert self._socket is not None, "start comes before serve"
        self._serving = True
        try:
            async with asyncio.TaskGroup() as group:
                accepting = group.create_task(self._accept(self._socket, group))
                await self._closed.wait()
                for task in (accepting, *self._unproven):
                    task.cancel()
                for connection in list(self._proven.values()):
                    self._close(connection, "the orchestrator is leaving")
        finally:
            self._socket.close()

    def close(self) -> None:
        """Stop accepting and disconnect everybody; `serve` returns when that is done."""
        self._closed.set()
        if self._socket is not None and not self._serving:
            self._socket.close()

    def send(self, link: int, message: FromOrchestrator) -> None:
        """Put a message on its way; one to a connection that is gone is dropped."""
        connection = self._proven.get(link)
        if connection is None or connection.reason is not None:
            return
        try:
            data = frame(message)
        except FrameError as error:
            self._log.error("listener.message_too_big", link=link, detail=str(error))
            self._close(connection, str(error))
            return
        transport = connection.writer.transport
        connection.writer.write(data)
        if transport.get_write_buffer_size() > MAX_UNREAD:
            self._close(connection, "it does not read what it is sent")
            transport.abort()

    def disconnect(self, link: int, reason: str) -> None:
        """End a connection after what was sent to it so far."""
        connection = self._proven.get(link)
        if connection is not None:
            self._close(connection, reason)

    def _close(self, connection: _Connection, reason: str) -> None:
        if connection.reason is None and connection.reading is not None:
            connection.reason = reason
            connection.reading.reschedule(asyncio.get_running_loop().time())

    async def _accept(self, listening: socket.socket, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                self._log.error("listener.accept_failed", detail=error.strerror)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if self._open >= self._max_connections:
                accepted.close()
                self._log.warning("listener.full", connections=self._open)
                continue
            self._open += 1
            task = group.create_task(self._serve_one(accepted))
            self._unproven.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._open -= 1
        self._unproven.discard(task)

    async def _serve_one(self, accepted: socket.socket) -> None:
        connection = await self._connect(accepted)
        if connection is None:
            return
        try:
            joined = await self._handshake(connection)
            if joined is not None:
                await self._converse(connection, joined)
        finally:
            await self._hang_up(connection.writer)

    async def _connect(self, accepted: socket.socket) -> _Connection | None:
        """Streams over the accepted socket, after the TLS handshake where there is one."""
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a machine that vanished is noticed in 25 s
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake_deadline_s if self._tls else None,
            )
        except OSError as error:  # ssl.SSLError is one
            accepted.close()
            self._log.warning("listener.refused", reason=f"no TLS connection ({type(error).__name__})")
            return None
        return _Connection(next(self._links), reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def _converse(self, connection: _Connection, joined: ProducerJoined) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._unproven.discard(task)
        connection.deframer.limit = MAX_FRAME
        try:
            async with asyncio.timeout(None) as connection.reading:
                self._proven[connection.link] = connection
                self._dispatch(joined)
                reason = await self._read(connection)
        except TimeoutError:
            if connection.reason is None:
                raise  # not ours: something below `dispatch` failed
            reason = connection.reason
        finally:
            self._proven.pop(connection.link, None)
        self._dispatch(ProducerLeft(connection.link, reason))

    async def _handshake(self, connection: _Connection) -> ProducerJoined | None:
        """The proven producer, None where it could not prove itself; the log says why."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        try:
            async with asyncio.timeout(self._handshake_deadline_s):
                connection.writer.write(frame(Challenge(PROTOCOL_VERSION, nonce)))
                hello = await self._first_message(connection)
            if not isinstance(hello, Hello):
                raise ProtocolError(f"{type(hello).__name__} came before Hello")
            proof = check_hello(self._secret, hello, nonce)
            return ProducerJoined(connection.link, hello.slot, hello.run_id, hello.host, hello.pid, proof)
        except TimeoutError:
            reason = f"no proof within {self._handshake_deadline_s:g} s"
        except ProtocolError as error:
            reason = str(error)
        except OSError as error:
            reason = f"the connection broke ({type(error).__name__})"
        self._log.warning("listener.refused", link=connection.link, reason=reason)
        return None

    async def _first_message(self, connection: _Connection) -> Message:
        while data := await connection.reader.read(MAX_UNPROVEN_FRAME):
            messages = list(connection.deframer.feed(data))
            if len(messages) > 1:
                raise ProtocolError("it went on talking before it was let in")
            if messages:
                return messages[0]
        raise ProtocolError("it left before it had proved itself")

    async def _read(self, connection: _Connection) -> str:
        """Facts until the connection ends. Returns why it did."""
        while True:
            try:
                data = await connection.reader.read(CHUNK)
            except OSError as error:
                return f"the connection broke ({type(error).__name__})"
            if not data:
                return "the producer closed the connection"
            facts, fault = facts_in(connection.link, connection.deframer, data)
            for fact in facts:
                self._dispatch(fact)
                if connection.reason is not None:
                    return connection.reason
            if fault is not None:
                self._log.warning("listener.protocol_broken", link=connection.link, reason=fault)
                return fault

    async def _hang_up(self, writer: asyncio.StreamWriter) -> None:
        """Let what was written go out, for a moment; a peer that does not read is not waited for."""
        writer.close()
        try:
            async with asyncio.timeout(FLUSH_S):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # the peer is gone already, or will not read
        finally:
            writer.transport.abort()
