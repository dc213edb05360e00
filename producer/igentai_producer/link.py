"""The thin shell of a producer: sockets, files, tasks and signals around `ProducerSession`, which decides."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, assert_never

from igentai.codec import Deframer, frame
from igentai.errors import FrameError, ProtocolError
from igentai.proof import NONCE_BYTES
from igentai_producer.events import (
    Action,
    Answered,
    Beat,
    Begin,
    Begun,
    ClearSpool,
    Connect,
    Connected,
    Event,
    Exit,
    HangUp,
    LeaveRequested,
    Lost,
    Note,
    ReadSpool,
    Received,
    Say,
    Spool,
    Spooled,
    SpoolFailed,
    SpoolRead,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    from igentai.messages import FromProducer
    from igentai_producer.lines import Log
    from igentai_producer.session import ProducerSession
    from igentai_producer.spool import SpoolFiles
    from igentai_producer.work import Work

CHUNK: Final = 256 << 10  # bytes taken from the socket at once
BEAT_S: Final = 2.0
CONNECT_S: Final = 5.0
FLUSH_S: Final = 1.0
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)  # asked once it drains, asked twice it leaves
MOST_UNREAD: Final = 1 << 20  # bytes: an orchestrator that does not read misses heartbeats, it does not fill memory


class Link:
    """Performs what the session wants and tells it what happens.

    Args:
        address: host and port of the orchestrator.
        tls: for an orchestrator on another machine.
    """

    def __init__(
        self,
        address: tuple[str, int],
        session: ProducerSession,
        *,
        work: Work,
        spool: SpoolFiles,
        log: Log,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._session = session
        self._work = work
        self._spool = spool
        self._log = log
        self._tls = tls
        self._clock = clock
        self._events: deque[Event] = deque()
        self._feeding = False
        self._writer: asyncio.StreamWriter | None = None
        self._connection: asyncio.Task[None] | None = None
        self._hung_up = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> int:
        """Work until the session wants to leave. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._feed, LeaveRequested(drain=True))
        try:
            async with asyncio.TaskGroup() as self._group:
                self._start(self._beat())
                self._feed(Begun())
                code = await self._code
                await self._flush()
                for task in list(self._tasks):
                    task.cancel()
        finally:
            self._spool.close()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        await self._work.close()
        return code

    def _start(self, what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None
        task = self._group.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _feed(self, event: Event) -> None:
        """Tell the session, and do what it says. What that brings about at once is told after it is all done."""
        self._events.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._events:
                for action in self._session.handle(self._events.popleft(), self._clock()):
                    self._perform(action)
        finally:
            self._feeding = False

    def _perform(self, action: Action) -> None:
        match action:
            case Say():
                self._say(action.message)
            case Begin():
                self._start(self._do_work(action))
            case Spool() | ReadSpool() | ClearSpool():
                self._perform_spool(action)
            case Connect():
                self._connection = self._start(self._connect(action.after_s))
            case HangUp():
                self._hang_up(action.reason)
            case Note():
                getattr(self._log, action.level)(action.event, **action.keys)
            case Exit():
                if not self._code.done():
                    self._code.set_result(action.code)
            case _:
                assert_never(action)

    # -- the connection -----------------------------------------------------------------------------------------

    async def _connect(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._hung_up = ""
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(*self._address, ssl=self._tls, limit=CHUNK)
        except (OSError, TimeoutError) as error:
            self._feed(Lost(f"{self._address[0]}:{self._address[1]} cannot be reached ({_why(error)})"))
            return
        try:
            if is_itself(writer):
                reason = "the connection led back to this process: the port is closed"
            else:
                _tune(writer.get_extra_info("socket"))
                self._writer = writer
                self._feed(Connected(secrets.token_bytes(NONCE_BYTES)))
                reason = await self._read(reader)
        finally:
            self._writer = None
            writer.transport.abort()
        self._feed(Lost(self._hung_up or reason))

    async def _read(self, reader: asyncio.StreamReader) -> str:
        """Messages until the connection ends. Returns why it did."""
        deframer = Deframer()
        try:
            while data := await reader.read(CHUNK):
                for message in deframer.feed(data):
                    if self._hung_up:
                        return self._hung_up
                    self._feed(Received(message))
        except ProtocolError as error:
            return str(error)
        except OSError as error:
            return f"the connection broke ({_why(error)})"
        return "the orchestrator closed the connection"

    def _say(self, message: FromProducer) -> None:
        if self._writer is None or self._hung_up:
            return
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD and not hasattr(message, "seq"):
            return  # answers are bounded by their credit; heartbeats are not
        try:
            self._writer.write(frame(message))
        except FrameError as error:
            self._log.error("producer.message_too_big", detail=str(error))

    def _hang_up(self, reason: str) -> None:
        self._hung_up = reason
        if self._writer is not None:
            self._writer.transport.abort()

    async def _flush(self) -> None:
        """Let the last words go out, for a moment."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.close()
        try:
            async with asyncio.timeout(FLUSH_S):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # nobody is there to hear them

    # -- work, spool and heartbeat ------------------------------------------------------------------------------

    async def _do_work(self, begin: Begin) -> None:
        self._feed(Answered(begin.ledger, await self._work.perform(begin.assign, begin.access)))

    def _perform_spool(self, action: Spool | ReadSpool | ClearSpool) -> None:
        try:
            match action:
                case Spool():
                    self._spool.append(action.folder, action.answer)
                    self._feed(Spooled(action.answer.ledger, action.answer.seq))
                case ReadSpool():
                    self._feed(SpoolRead(action.ledger, self._spool.read(action.folder, action.ledger)))
                case ClearSpool():
                    self._spool.clear(action.folder, action.keep, remove=action.remove)
        except OSError as error:
            self._spool_trouble(action, error)

    def _spool_trouble(self, action: Spool | ReadSpool | ClearSpool, error: OSError) -> None:
        detail = error.strerror or type(error).__name__
        if isinstance(action, Spool):
            gone = isinstance(error, FileNotFoundError)
            self._feed(SpoolFailed(action.answer.ledger, detail, gone=gone))
            return
        self._log.error("producer.spool_unreadable", folder=action.folder, detail=detail)
        if isinstance(action, ReadSpool):
            self._feed(SpoolRead(action.ledger, ()))

    async def _beat(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        wall, busy = self._clock(), time.process_time()
        while True:
            await asyncio.sleep(BEAT_S)
            now, used = self._clock(), time.process_time()
            cpu = 100.0 * (used - busy) / max(now - wall, 1e-3)
            wall, busy = now, used
            self._feed(Beat(round(cpu, 1), _resident_pages() * page))


def _resident_pages() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  read every 2 s: no need of a Path
        return int(file.read().split()[1])


def is_itself(writer: asyncio.StreamWriter) -> bool:
    """Whether both ends are one: on Linux a client that knocks at a closed port of its own range can get that."""
    return bool(writer.get_extra_info("sockname") == writer.get_extra_info("peername"))


def _tune(connected: socket.socket) -> None:
    """Small messages leave at once, and a machine that vanished is noticed within about 20 s."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
