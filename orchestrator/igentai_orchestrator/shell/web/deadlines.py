"""What uvicorn leaves to a proxy and this daemon has none of: deadlines for peers that are slow on purpose.

- A request must have arrived whole, headers and body, five seconds after its first byte or after the connection was
  made. A trickle of bytes does not put that off.
- At most 128 connections. When they are taken, the one that has waited longest without having made its request
  gives way, so that a crowd of silent connections cannot keep out a browser that speaks at once.
- A peer that does not read what it asked for is cut after ten seconds (a download after thirty): its buffer is
  bounded by the transport's 64 KiB and one message.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

REQUEST_DEADLINE_S: Final = 5.0
DOWNLOAD_STALL_S: Final = 30.0
SOCKET_STALL_S: Final = 10.0
MAX_CONNECTIONS: Final = 128


@dataclass(slots=True)
class Door:
    """The connections of one server. `waiting` are those without a whole request so far, oldest first."""

    most: int = MAX_CONNECTIONS
    request_deadline_s: float = REQUEST_DEADLINE_S
    download_stall_s: float = DOWNLOAD_STALL_S
    socket_stall_s: float = SOCKET_STALL_S
    waiting: dict[asyncio.Protocol, asyncio.Transport] = field(default_factory=dict)

    def admit(self, connections: int) -> bool:
        """Whether one more may come in; makes room at the expense of the one that has waited longest."""
        if connections < self.most:
            return True
        for protocol, transport in self.waiting.items():
            del self.waiting[protocol]
            transport.abort()
            return True
        return False

    def protocols(self) -> tuple[type[H11Protocol], type[WebSocketsSansIOProtocol]]:
        """The protocol classes of one server, bound to this door: uvicorn makes the instances itself."""
        http = type("DoorHttp", (_PunctualHttp,), {"door": self})
        websocket = type("DoorWebSocket", (_PunctualWebSocket,), {"door": self})
        return http, websocket


class _Stall:
    """Cuts a transport whose peer does not read for too long."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport, seconds: float) -> None:
        self.end()
        self._timer = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _PunctualHttp(H11Protocol):
    door: Door

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stall = _Stall()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        admitted = self.door.admit(len(self.connections))
        super().connection_made(transport)
        if admitted:
            self._await_request()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self.conn.their_state is h11.IDLE:
            self._await_request()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE and self.conn.their_state is not h11.SEND_BODY:
            self._request_is_here()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._request_is_here()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # A pipelined request may have arrived whole with the one before it, or in part: then its time runs.
        if self.conn.their_state is h11.SEND_BODY:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_is_here()
        self._stall.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._stall.begin(self.transport, self.door.download_stall_s)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stall.end()
        super().resume_writing()

    def _await_request(self) -> None:
        if self._deadline is None:
            self.door.waiting[self] = self.transport
            self._deadline = self.loop.call_later(self.door.request_deadline_s, self.transport.abort)

    def _request_is_here(self) -> None:
        self.door.waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _PunctualWebSocket(WebSocketsSansIOProtocol):
    door: Door

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stall = _Stall()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stall.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._stall.begin(self.transport, self.door.socket_stall_s)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stall.end()
        super().resume_writing()
