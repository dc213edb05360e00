"""HTTP/1.1 by hand on asyncio streams: a real server would not misbehave as ours must."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Request:
    """Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.usable = True

    async def request(self) -> Request | None:
        """The next request, None where the client has left."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.rstrip("\r\n").split("\r\n")
            method, path, _ = line.split(" ", 2)
            headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Request(method, path, headers, body)

    async def respond(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """A whole reply; JSON unless `headers` say otherwise."""
        self._head(status, {"content-type": "application/json", **(headers or {}), "content-length": str(len(body))})
        self._writer.write(body)
        await self._writer.drain()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """A reply whose length is not known yet."""
        self._head(status, {**headers, "transfer-encoding": "chunked"})

    async def piece(self, data: bytes) -> None:
        """One chunk of it."""
        self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self._writer.drain()

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def promise(self, length: int, data: bytes, headers: Mapping[str, str]) -> None:
        """The head of a plain reply of `length` bytes and only `data` of it."""
        self._head(200, {"content-type": "application/json", **headers, "content-length": str(length)})
        self._writer.write(data)
        await self._writer.drain()

    async def client_left(self) -> None:
        """Wait until the client hangs up."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(1024):
                pass
        self.usable = False

    async def sent(self) -> None:
        """Wait until the kernel has taken all that was written: a reset throws away what is still in our buffer."""
        self._writer.transport.set_write_buffer_limits(high=0)
        await self._writer.drain()

    def reset(self) -> None:
        """RST, as of a process that died."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self.usable = False

    async def close(self) -> None:
        """FIN, wherever we are."""
        self.usable = False
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
