"""Chat completions over connections of our own: the same replies, the same faults as through the SDK."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles import Double, Fault, Script, World
from tests.tls import contexts

from igentai.errors import FailureKind, ProviderError
from igentai.providers.base import Call, ProviderSpec, Reply, Secret
from igentai.providers.direct import DirectProvider
from igentai.providers.http1 import _Line
from igentai.providers.http1_reply import Malformed, ReplyReader
from igentai.providers.wire import Exchange, Patience

KEY = "sk-test-direct-0000000000"
CALL = Call("gpt-4o-mini", (("system", "be brief"), ("user", "List 3 rivers — één, zwei, 三")), 64, timeout_s=5.0)


async def ask(double: Double, call: Call = CALL, patience: Patience | None = None) -> Reply:
    provider = DirectProvider(ProviderSpec("openai", "openai", Secret(KEY), double.base_url), patience)
    try:
        return await provider.ask(call)
    finally:
        await provider.close()


async def test_a_reply_with_its_usage_and_what_was_sent() -> None:
    async with Double("openai", World(items=50, categories=2), key=KEY) as double:
        reply = await ask(double)
    (served,) = double.log
    assert served.outcome == "delivered"
    assert [item for item in served.items if item not in reply.text] == []
    assert (reply.tokens_in, reply.tokens_out, reply.usage_reported) == (served.tokens_in, served.tokens_out, True)
    assert double.bodies[0]["messages"] == [{"role": r, "content": c} for r, c in CALL.messages]
    assert double.bodies[0]["max_tokens"] == 64
    assert double.heads[0]["accept-encoding"] == "identity"
    assert reply.limits.requests_limit is not None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limit", FailureKind.RATE_LIMITED),
        ("quota", FailureKind.QUOTA),
        ("key", FailureKind.KEY),
        ("model", FailureKind.MODEL),
        ("bad_request", FailureKind.REFUSED),
        ("server", FailureKind.SERVER),
        ("overloaded", FailureKind.SERVER),
        ("reset_before", FailureKind.RESET),
        ("html", FailureKind.GARBAGE),
        ("empty_body", FailureKind.GARBAGE),
        ("broken_json", FailureKind.GARBAGE),
        ("gzip", FailureKind.GARBAGE),
        ("hang", FailureKind.TIMEOUT),
    ],
)
async def test_faults_have_the_kinds_they_have_through_the_sdk(fault: str, kind: FailureKind) -> None:
    script = Script(always=Fault(fault, wait_s=7.0 if fault == "rate_limit" else None, echo=True))
    call = Call(CALL.model, CALL.messages, CALL.max_tokens, timeout_s=0.2 if fault == "hang" else 5.0)
    async with Double("openai", World(items=50, categories=2), script) as double:
        with pytest.raises(ProviderError) as caught:
            await ask(double, call)
    assert caught.value.kind is kind
    assert KEY not in str(caught.value)
    assert CALL.messages[1][1] not in str(caught.value)
    assert caught.value.retry_after_s == (7.0 if fault == "rate_limit" else None)


async def test_a_reply_that_is_too_large_is_read_to_the_limit() -> None:
    async with Double("openai", World(items=50, categories=2)) as double:
        reply = await ask(double, patience=Patience(body_limit=220))
    assert (reply.finish, reply.usage_reported) == ("cut", False)
    assert reply.text, "what came was paid for"


@pytest.mark.parametrize("fault", ["reset_mid", "close_mid"])
async def test_a_reply_that_breaks_off_keeps_its_text(fault: str) -> None:
    async with Double("openai", World(items=50, categories=2), Script(always=Fault(fault))) as double:
        reply = await ask(double)
    assert reply.finish == "cut"
    assert reply.text
    assert not reply.usage_reported or reply.tokens_out > 0


async def test_nothing_listens_there() -> None:
    provider = DirectProvider(ProviderSpec("openai", "openai", None, "http://127.0.0.1:1/v1"))
    with pytest.raises(ProviderError) as caught:
        await provider.ask(CALL)
    assert caught.value.kind is FailureKind.RESET
    await provider.close()


async def test_connections_are_used_again_and_no_more_are_open_than_allowed() -> None:
    async with Double("openai", World(items=50, categories=2), latency_s=0.01) as double:
        provider = DirectProvider(ProviderSpec("openai", "openai", None, double.base_url, connections=3))
        replies = await asyncio.gather(*(provider.ask(CALL) for _ in range(30)))
        assert len(replies) == 30
        assert len(double._tasks) <= 3
        await provider.close()


async def test_a_cancelled_call_leaves_no_reply_for_the_next() -> None:
    async with Double("openai", World(items=50, categories=2), Script(at={0: Fault("hang")})) as double:
        provider = DirectProvider(ProviderSpec("openai", "openai", None, double.base_url, connections=1))
        first = asyncio.create_task(provider.ask(CALL))
        await double.arrived.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        reply = await provider.ask(CALL)
        assert [item for item in double.log[1].items if item not in reply.text] == []
        await provider.close()


class Wire(asyncio.Transport):
    """A transport that sends nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: object) -> None:
        self.sent.append(bytes(data))  # type: ignore[call-overload]

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


async def test_a_line_that_says_more_than_it_was_asked_is_not_used_again() -> None:
    line, wire = _Line(), Wire()
    line.connection_made(wire)
    asked = asyncio.create_task(line.post(b"GET", Exchange(Patience(), 1.0)))
    await asyncio.sleep(0)
    line.data_received(LENGTH)
    line.data_received(LENGTH)
    assert await asked is False
    assert wire.closed


async def test_a_line_that_closed_before_it_was_used_is_a_reset() -> None:
    line, wire = _Line(), Wire()
    line.connection_made(wire)
    wire.closed = True
    line.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(line.post(b"GET", Exchange(Patience(), 1.0)), 1.0)
    assert wire.sent == []


async def test_https_is_proven_and_an_unproven_server_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    theirs, ours = contexts(tmp_path)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=theirs)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    doubtful = DirectProvider(ProviderSpec("openai", "openai", Secret(KEY), url))
    with pytest.raises(ProviderError) as caught:
        await doubtful.ask(CALL)
    assert caught.value.kind is FailureKind.RESET
    assert heard == []
    await doubtful.close()
    monkeypatch.setattr("igentai.providers.direct.certificates", lambda: ours)
    trusting = DirectProvider(ProviderSpec("openai", "openai", Secret(KEY), url))
    assert (await trusting.ask(CALL)).text == "hi"
    assert f"Bearer {KEY}".encode() in heard[0]
    await trusting.close()
    server.close()
    await server.wait_closed()


def read(data: bytes, cuts: list[int], limit: int = 1000) -> tuple[Exchange, bool, ReplyReader]:
    exchange = Exchange(Patience(body_limit=limit), 1.0)
    reader, whole = ReplyReader(exchange), False
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        whole = reader.feed(data[start:end]) if end > start else whole
    return exchange, whole, reader


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"
CHUNKS = (
    b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nT: x\r\n\r\n"
)


@given(st.sampled_from([LENGTH, CHUNKS]), st.lists(st.integers(0, 200), max_size=8))
def test_a_reply_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    exchange, whole, reader = read(data, cuts)
    assert (exchange.status, bytes(exchange.body), whole, reader.reusable) == (200, b"hello", True, True)


@pytest.mark.parametrize(
    ("data", "body", "whole", "reusable", "by_close"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True, True, False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", b"ab", True, False, False),
        (b"HTTP/1.0 200 OK\r\n\r\nab", b"ab", False, False, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab", True, False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200", b"ab", True, False, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", b"ab", False, True, False),
    ],
)
def test_how_a_reply_ends(data: bytes, body: bytes, whole: bool, reusable: bool, by_close: bool) -> None:
    exchange, is_whole, reader = read(data, [])
    assert (bytes(exchange.body), is_whole, reader.ended_by_close()) == (body, whole, by_close)
    assert reader.reusable is reusable


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_what_is_no_reply_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data, [])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_bytes_of_any_kind_end_in_a_reply_or_in_malformed(data: bytes, cuts: list[int]) -> None:
    with suppress(Malformed):
        exchange, _, _ = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data, cuts)
        assert len(exchange.body) <= len(data)
