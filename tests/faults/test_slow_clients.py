"""Bar 8, the page's part: pages that never read and requests that never end cost little and keep nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.command import Daemon, daemon, until

pytestmark = pytest.mark.alone

SLOW = "simulated:large?latency=0.5"
MB = 1 << 20
TURNS = 20  # a push is for one connection in so many


def plug(port: int) -> socket.socket:
    """A connection that will take in next to nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


def deaf_page(port: int, token: str) -> socket.socket:
    """A WebSocket that asks for everything from the start and reads nothing."""
    made = plug(port)
    made.sendall(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    made.sendall(b"\x81\x8f\x00\x00\x00\x00" + b'{"watch": null}')
    return made


def slow_request(port: int) -> socket.socket:
    made = plug(port)
    made.sendall(b"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    return made


class Crowd:
    """Connections that trickle on, one byte in twenty pushes, and are made again when they were cut."""

    def __init__(self, port: int, token: str, deaf: int, slow: int) -> None:
        self._made: dict[int, Callable[[], socket.socket]] = {n: lambda: deaf_page(port, token) for n in range(deaf)}
        self._made |= {deaf + n: lambda: slow_request(port) for n in range(slow)}
        self._deaf = deaf
        self._open: dict[int, socket.socket] = {}
        self._pushes = 0
        self.cut = 0
        for number, make in self._made.items():
            self._open[number] = make()

    def push(self) -> None:
        self._pushes += 1
        for number, make in self._made.items():
            if (number + self._pushes) % TURNS:
                continue
            connection = self._open.get(number)
            try:
                if connection is None:
                    self._open[number] = make()
                elif number >= self._deaf:
                    connection.send(b"a")
            except OSError:
                self.cut += 1
                if connection is not None:
                    connection.close()
                self._open.pop(number, None)

    def disperse(self) -> None:
        for connection in self._open.values():
            connection.close()


async def good_answer(port: int, token: str) -> float:
    """Seconds that a client which behaves waits for a whole answer on a connection of its own."""
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = (
            f"GET /api/status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        answer = await reader.read()
        while piece := await reader.read():
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200"), answer[:80]
        return time.perf_counter() - start
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def rss(running: Daemon) -> int:
    return int(psutil.Process(running.pid).memory_info().rss)


@pytest.mark.parametrize(
    ("deaf", "slow", "seconds", "within_s"),
    [(10, 200, 4.0, 1.0), pytest.param(50, 800, 60.0, 0.1, marks=pytest.mark.torture)],
)
async def test_a_crowd_that_never_reads_and_never_ends(
    tmp_path: Path, deaf: int, slow: int, seconds: float, within_s: float
) -> None:
    async with daemon("-n", "1", "-p", "0", "--topic", "cities", "--provider", SLOW, cwd=tmp_path) as running:
        await until(lambda: running.lines("cities"), 20, "a topic at work")
        port, token = int(running.plate()["address"].rpartition(":")[2]), running.plate()["token"]
        alone = [await good_answer(port, token) for _ in range(20)]
        before, lines = rss(running), len(running.lines("cities"))
        crowd = await asyncio.to_thread(Crowd, port, token, deaf, slow)
        answers, end = list[float](), time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                await asyncio.to_thread(crowd.push)
                answers += [await good_answer(port, token) for _ in range(3)]
                await asyncio.sleep(0.05)
            grown = rss(running) - before
        finally:
            crowd.disperse()
        assert len(running.lines("cities")) > lines, "the topic goes on"
        await until(lambda: psutil.Process(running.pid).num_fds() < 128, 15, "the crowd's connections are given back")
    slowest = sorted(answers)[int(len(answers) * 0.99)]
    print(
        f"\n{deaf} deaf pages, {slow} slow requests, {crowd.cut} connections cut: {len(answers)} good answers, median "
        f"{1000 * statistics.median(answers):.1f} ms (alone {1000 * statistics.median(alone):.1f}), 99 of 100 within "
        f"{1000 * slowest:.1f} ms, longest {1000 * max(answers):.1f} ms; RSS {grown / MB:+.1f} MB"
    )
    assert slowest <= within_s
    assert grown <= 15 * MB
