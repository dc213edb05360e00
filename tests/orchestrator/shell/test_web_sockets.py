"""The WebSocket and the server on a real loopback port: who may listen, what is told, what slow peers get."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from igentai.errors import ConfigurationError, OutputsBusy, UsageError
from igentai_orchestrator.shell.web.app import create_app
from igentai_orchestrator.shell.web.deadlines import Door
from igentai_orchestrator.shell.web.serving import listen, serve
from igentai_orchestrator.shell.web.sockets import FAR_BEHIND, QUIET_S, TAIL, Broadcast
from igentai_orchestrator.shell.web.tokens import Access
from tests.orchestrator.shell.fake_face import FakeFace, World

TOKEN = "a-token-of-the-test"


@asynccontextmanager
async def served(
    face: FakeFace, token: str | None = None, door: Door | None = None, port: int = 0
) -> AsyncIterator[int]:
    app = create_app(face, token=token, allowed_hosts={"127.0.0.1"}, insecure=False)
    async with asyncio.TaskGroup() as group:
        server = await serve(app, "127.0.0.1", port, group, door=door)
        try:
            yield server.port
        finally:
            server.stop()


def birds(unique: int = 120) -> FakeFace:
    face = FakeFace()
    world = face.add(World("birds", "Birds", budget=2.0))
    world.advance(4)
    world.unique = unique
    return face


async def hear(page: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    async with asyncio.timeout(10):
        while True:
            message: dict[str, Any] = json.loads(await page.recv())
            if message["type"] == kind:
                return message


async def numbers_until(page: ClientConnection, last: int) -> list[int]:
    numbers: list[int] = []
    while not numbers or numbers[-1] < last:
        numbers += [row["number"] for row in (await hear(page, "attributes"))["rows"]]
    return numbers


@pytest.mark.parametrize(
    ("headers", "origin", "status"),
    [
        ({}, None, 401),
        ({"Authorization": "Bearer wrong"}, None, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, None, 101),
        ({"Authorization": f"Bearer {TOKEN}"}, "https://attacker.example", 403),
        ({"Cookie": Access(TOKEN).cookie(secure=False).split(";")[0]}, None, 403),
        ({"Cookie": Access(TOKEN).cookie(secure=False).split(";")[0]}, "own", 101),
        ({"Cookie": Access(TOKEN).cookie(secure=False).split(";")[0]}, "http://127.0.0.1:1", 403),
        ({"Cookie": Access(TOKEN).cookie(secure=False).split(";")[0]}, "null", 403),
    ],
)
async def test_who_may_listen(headers: dict[str, str], origin: str | None, status: int) -> None:
    async with served(birds(), TOKEN) as port:
        said = dict(headers)
        if origin is not None:
            said["Origin"] = f"http://127.0.0.1:{port}" if origin == "own" else origin
        if status == 101:
            async with connect(f"ws://127.0.0.1:{port}/ws", additional_headers=said) as page:
                await page.send('{"watch": null}')
                assert (await hear(page, "snapshot"))["topic"] == "birds"
            return
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}/ws", additional_headers=said)
        assert refused.value.response.status_code == status
        assert set(json.loads(refused.value.response.body)) == {"error"}


async def test_a_page_gets_a_whole_snapshot_and_then_only_what_changed() -> None:
    face = birds()
    async with served(face) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send('{"watch": null}')
        first = await hear(page, "snapshot")
        assert {"status", "numbers", "series", "partitions", "topics", "providers"} <= set(first)
        assert first["numbers"]["unique_attributes"] == 120
        face.uptime += 1
        face.changed()
        second = await hear(page, "snapshot")
        assert "status" in second
        assert "series" not in second


async def test_a_page_that_comes_back_is_told_what_followed_without_a_gap() -> None:
    face = birds(700)
    async with served(face) as port:
        async with connect(f"ws://127.0.0.1:{port}/ws") as page:
            await page.send('{"watch": "birds", "after": 100}')
            assert await numbers_until(page, 700) == list(range(101, 701))
        face.worlds["birds"].unique = 930
        async with connect(f"ws://127.0.0.1:{port}/ws") as page:
            await page.send('{"watch": "birds", "after": 700}')
            assert await numbers_until(page, 930) == list(range(701, 931))


async def test_catching_up_does_not_wait_until_something_changes() -> None:
    async with served(birds(990)) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send('{"watch": "birds", "after": 0}')
        async with asyncio.timeout(QUIET_S):
            assert await numbers_until(page, 990) == list(range(1, 991))


async def test_a_page_far_behind_gets_the_newest_and_fetches_the_rest_itself() -> None:
    newest = FAR_BEHIND * 5
    async with served(birds(newest)) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send('{"watch": "birds", "after": 3}')
        message = await hear(page, "attributes")
        assert message["after"] == newest - TAIL
        assert [row["number"] for row in message["rows"]] == list(range(newest - TAIL + 1, newest + 1))


async def test_a_topic_that_was_started_over_is_told_from_its_beginning() -> None:
    async with served(birds(40)) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send('{"watch": "birds", "after": 500}')
        message = await hear(page, "attributes")
        assert (message["after"], message["rows"][0]["number"]) == (0, 1)


async def test_a_page_may_watch_a_topic_that_ended() -> None:
    face = birds()
    past = face.add(World("cheeses", "Cheeses", status="finished"))
    past.unique = 50
    async with served(face) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send('{"watch": "cheeses", "after": 0}')
        snapshot = await hear(page, "snapshot")
        assert (snapshot["topic"], snapshot["numbers"]["topic"]) == ("cheeses", "Cheeses")
        await page.send('{"watch": "birds", "after": 0}')
        assert (await hear(page, "attributes"))["topic"] == "birds"


async def test_a_topic_that_is_not_there_has_no_numbers() -> None:
    async with served(FakeFace()) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send('{"watch": "nowhere", "after": 0}')
        assert (await hear(page, "snapshot"))["numbers"] is None


@pytest.mark.parametrize(
    "said", ["{", '{"watch": 7}', '{"after": -1}', '{"more": 1}', b"\x00\x01", '{"watch": "' + "x" * 300 + '"}']
)
async def test_a_page_that_talks_nonsense_is_closed(said: str | bytes) -> None:
    async with served(birds()) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send(said)
        with pytest.raises(ConnectionClosed) as closed:
            await hear(page, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_a_long_message_is_refused_before_it_is_read() -> None:
    async with served(birds()) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send("x" * 10_000)
        with pytest.raises(ConnectionClosed) as closed:
            await hear(page, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_many_pages_share_one_reading() -> None:
    face = birds(300)
    async with served(face) as port:
        pages = [await connect(f"ws://127.0.0.1:{port}/ws") for _ in range(12)]
        for page in pages:
            await page.send('{"watch": "birds", "after": 0}')
        for page in pages:
            assert len((await hear(page, "attributes"))["rows"]) == 300
        assert face.attribute_reads == 1
        for page in pages:
            await page.close()


async def test_too_many_pages_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igentai_orchestrator.shell.web.sockets.MAX_PAGES", 1)
    async with served(birds()) as port, connect(f"ws://127.0.0.1:{port}/ws") as page:
        await page.send('{"watch": null}')
        await hear(page, "snapshot")
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{port}/ws")


async def test_stopping_tells_open_pages_to_come_back_and_frees_the_port() -> None:
    face = birds()
    async with served(face) as port:
        page = await connect(f"ws://127.0.0.1:{port}/ws")
        await page.send('{"watch": null}')
        await hear(page, "snapshot")
    with pytest.raises(ConnectionClosed) as closed:
        await hear(page, "never")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    async with served(face, port=port) as again:
        assert again == port


async def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputsBusy, match=f"127.0.0.1:{port} is taken"):
            listen("127.0.0.1", port)
    with pytest.raises(UsageError):
        listen("203.0.113.7", 0)
    with pytest.raises(UsageError):
        listen("no such name.invalid", 0)


async def test_a_certificate_that_is_not_there_is_a_configuration_error(tmp_path: Any) -> None:
    app = create_app(FakeFace(), token=None, allowed_hosts=set(), insecure=False)
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.TaskGroup() as group:
            await serve(app, "127.0.0.1", 0, group, certificate=tmp_path / "none.pem", key=tmp_path / "none.key")
    assert raised.group_contains(ConfigurationError)


async def trickle(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    await writer.drain()
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side ends the connection."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_a_request_that_does_not_arrive_whole_in_time_is_cut() -> None:
    async with served(birds(), door=Door(request_deadline_s=0.2)) as port:
        silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
        slow, slow_writer = await trickle(port)
        body, body_writer = await asyncio.open_connection("127.0.0.1", port)
        body_writer.write(b"POST /api/topics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{")
        for reader, writer in ((silent, silent_writer), (slow, slow_writer), (body, body_writer)):
            assert await ended(reader) == b""
            writer.close()


async def test_a_connection_that_is_kept_may_rest_longer_than_the_deadline() -> None:
    async with served(birds(), door=Door(request_deadline_s=0.15)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with asyncio.timeout(5):
                assert b"200 OK" in await reader.readuntil(b"\r\n\r\nok\n")
            resting = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.3, resting.set_result, None)
            await resting
        writer.close()


async def test_a_crowd_of_slow_connections_gives_way_to_one_that_speaks() -> None:
    async with served(birds(), door=Door(most=10)) as port:
        crowd = [await trickle(port) for _ in range(60)]
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in await reader.read()
        writer.close()
        for _, slow in crowd:
            slow.close()


async def test_an_export_nobody_reads_is_cut() -> None:
    class Endless(FakeFace):
        closed = False

        async def export(self, topic_id: str, fmt: str) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
            finally:
                self.closed = True

    face = Endless()
    face.add(World("birds", "Birds"))
    async with served(face, door=Door(download_stall_s=0.2)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /api/topics/birds/export HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        async with asyncio.timeout(10):
            while not face.closed:
                await asyncio.sleep(0)
        writer.close()


async def test_a_page_that_never_reads_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igentai_orchestrator.shell.web.sockets.SPACING_S", 0.0)
    face = birds(500)
    face.alerts = [{"level": "info", "text": "x" * 1000} for _ in range(60)]
    broadcasts: list[Broadcast] = []
    made = Broadcast.__init__

    def keep(self: Broadcast, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.clock = iter(range(10**9)).__next__  # every section is old at once: as much as can be is told
        broadcasts.append(self)

    monkeypatch.setattr(Broadcast, "__init__", keep)
    async with served(face, door=Door(socket_stall_s=0.2)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x8f\x00\x00\x00\x00" + b'{"watch": null}')
        broadcast = broadcasts[0]
        async with asyncio.timeout(15):
            while broadcast.pages == 0:
                await asyncio.sleep(0)
            while broadcast.pages:
                face.uptime += 1
                face.changed()
                await asyncio.sleep(0)
        writer.close()
