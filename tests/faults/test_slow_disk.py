"""Bars 8 and 9: memory and descriptors stay where they are, whatever is slow and however long it takes."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.provider import MODEL
from tests.faults.rig import TOPIC, Rig, at_work

pytestmark = pytest.mark.alone

GROWTH = 15 << 20
GOOD_CLIENT_S = 0.1
SLOPE = 0.5 * (1 << 20)  # bytes a minute
SILENT, SLOW = 50, 800
# All of it is known after a while: what grows from then on does not grow with what was found.
FINITE = {"items": 600, "categories": 5, "junk": 0.0}
ENDLESS = {"topic": TOPIC, "providers": [MODEL], "saturation": False, "request_size": 12, "concurrency": 2}


async def settled(rig: Rig, more: int = 100) -> int:
    """The daemon's memory once everything was used that is loaded on first use."""
    await rig.working(more=more, timeout_s=60)
    await asyncio.sleep(3)
    return rig.rss()


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.torture)])
async def test_a_slow_disk_fills_no_memory(tmp_path: Path, seconds: int) -> None:
    async with at_work(tmp_path, plants=["slow_disk=0.5"]) as rig:
        before = await settled(rig, more=30)
        lines = rig.lines()
        await asyncio.sleep(seconds)
        growth = rig.rss() - before
        assert rig.lines() > lines, "slow is not stopped"
        assert growth <= GROWTH
        assert (await rig.end())[0] == 0
    print(f"\nfsync slowed by 500 ms for {seconds} s: {growth / (1 << 20):+.1f} MiB")


def handshake(address: str, token: str) -> bytes:
    return (
        f"GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Origin: http://{address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


async def latencies(page: httpx.AsyncClient, seconds: float) -> list[float]:
    """What a client with good manners waits for /healthz, over and over."""
    took, end = list[float](), time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert (await page.get("/healthz")).status_code == 200
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    return sorted(took)


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.torture)])
async def test_clients_that_never_read_or_never_finish_harm_nobody(tmp_path: Path, seconds: int) -> None:
    async with at_work(tmp_path, "-p", "0", topic=None, producers=1, world=FINITE) as rig:
        page = await rig.page()
        async with page:
            assert (await page.post("/api/topics", json=ENDLESS)).status_code == 201
            before = await settled(rig)
            plate = rig.daemon.plate()
            address = plate["address"].removeprefix("http://")
            host, _, port = address.partition(":")
            sockets: list[socket.socket] = []
            try:
                for number in range(SILENT + SLOW):
                    connection = socket.create_connection((host, int(port)), timeout=5)
                    connection.setblocking(False)
                    sockets.append(connection)
                    words = handshake(address, plate["token"]) if number < SILENT else b"GET / HTTP/1.1\r\nHo"
                    connection.send(words)
                took = await latencies(page, seconds)
                growth = rig.rss() - before
            finally:
                for connection in sockets:
                    connection.close()
        assert growth <= GROWTH
        assert took[len(took) // 2] <= GOOD_CLIENT_S
        assert (await rig.end())[0] == 0
    print(
        f"\n{SILENT} silent and {SLOW} slow clients for {seconds} s: {growth / (1 << 20):+.1f} MiB; "
        f"a good client waits {1000 * took[len(took) // 2]:.0f} ms, at worst {1000 * took[-1]:.0f} ms"
    )


@pytest.mark.parametrize("seconds", [6, pytest.param(480, marks=pytest.mark.torture)])
async def test_a_long_run_keeps_its_memory_and_its_descriptors(tmp_path: Path, seconds: int) -> None:
    async with at_work(tmp_path, "-p", "0", topic=None, producers=2, latency_s=0.02, world=FINITE) as rig:
        page = await rig.page()
        async with page:
            assert (await page.post("/api/topics", json=ENDLESS)).status_code == 201
        await settled(rig)
        samples, descriptors = list[tuple[float, int]](), set[int]()
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            samples.append((time.monotonic() - began, rig.rss()))
            descriptors.add(rig.descriptors())
            await asyncio.sleep(seconds / 100)
        requests = rig.source.count()
        assert (await rig.end())[0] == 0
        assert rig.at_rest() == []
    last = samples[len(samples) // 2 :]
    slope = 60 * (last[-1][1] - last[0][1]) / (last[-1][0] - last[0][0])
    print(
        f"\nsoak of {seconds} s, {requests} requests: {slope / (1 << 20):+.2f} MiB a minute, descriptors {descriptors}"
    )
    assert max(descriptors) - min(descriptors) <= 4  # one topic's readers come and go with who looks
    if seconds >= 60:
        assert slope <= SLOPE
