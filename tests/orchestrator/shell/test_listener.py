from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import struct
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from igentai.codec import Deframer, frame
from igentai.errors import ConfigurationError, OutputsBusy
from igentai.messages import (
    PROTOCOL_VERSION,
    Ack,
    Assign,
    Challenge,
    GenerationConfig,
    Hello,
    Message,
    ProducerStatus,
    Ready,
    StartTopic,
    Stop,
    Welcome,
)
from igentai.proof import Claims, orchestrator_proof, producer_proof, proves
from igentai_orchestrator.core.facts import (
    AnswerArrived,
    Fact,
    FailureArrived,
    ProducerJoined,
    ProducerLeft,
    ProducerReady,
    StatusArrived,
)
from igentai_orchestrator.shell.listener import MAX_UNREAD, PORTS, Listener
from tests.wire import answer, failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = b"s" * 32
NONCE = b"n" * 32
RUN_ID = "a" * 32


class Lines:
    """A log that remembers, and says when there is something new."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self._changed = changed

    def _line(self, event: str, **keys: Any) -> None:
        self.lines.append((event, keys))
        self._changed.set()

    debug = info = warning = error = _line

    def reasons(self) -> list[str]:
        return [str(keys.get("reason", "")) for _, keys in self.lines]


class Desk:
    """Welcomes everybody, and keeps what it is told."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.changed = asyncio.Event()
        self.log = Lines(self.changed)
        self.port = 0
        self.listener = self.make()

    def make(self, **options: Any) -> Listener:
        return Listener(SECRET, self.dispatch, log=self.log, **options)

    def dispatch(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.changed.set()
        if isinstance(fact, ProducerJoined):
            self.listener.send(fact.link, Welcome(fact.proof, 8))

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def until(self, kind: type[Any], count: int = 1) -> list[Any]:
        """Wait until so many facts of a kind have come."""
        async with asyncio.timeout(5):
            while len(self.of(kind)) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.of(kind)

    async def until_logged(self, text: str) -> None:
        async with asyncio.timeout(5):
            while not any(text in reason for reason in self.log.reasons()):
                self.changed.clear()
                await self.changed.wait()


class Peer:
    """The other end, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.deframer = Deframer()
        self.inbox: list[Message] = []

    async def hear(self) -> Message:
        async with asyncio.timeout(5):
            while not self.inbox:
                data = await self.reader.read(65536)
                assert data, "the listener closed the connection"
                self.inbox += self.deframer.feed(data)
        return self.inbox.pop(0)

    def say(self, *messages: Message) -> None:
        self.write(b"".join(map(frame, messages)))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def closed(self) -> bool:
        """Whether the listener ends the connection."""
        async with asyncio.timeout(5):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass
        return True

    async def introduce(self, **changed: Any) -> None:
        challenge = await self.hear()
        assert isinstance(challenge, Challenge)
        hello = Hello(PROTOCOL_VERSION, None, RUN_ID, "host", 42, NONCE, b"")
        hello = replace(hello, **changed)
        claims = Claims(challenge.nonce, hello.nonce, hello.run_id, hello.slot, hello.version)
        self.say(replace(hello, proof=hello.proof or producer_proof(SECRET, claims)))
        self.expected = orchestrator_proof(SECRET, claims)

    async def join(self, **changed: Any) -> None:
        await self.introduce(**changed)
        welcome = await self.hear()
        assert isinstance(welcome, Welcome)
        assert proves(self.expected, welcome.proof)


@asynccontextmanager
async def serving(desk: Desk) -> AsyncIterator[Desk]:
    desk.port = await desk.listener.start("127.0.0.1", 0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.listener.serve())
        yield desk
        desk.listener.close()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with serving(Desk()) as desk:
        yield desk


@asynccontextmanager
async def connected(desk: Desk, **options: Any) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port, **options)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass  # it was cut from the other side


# -- listening ------------------------------------------------------------------------------------------------


async def test_a_port_of_its_own_choice_is_below_the_kernels_range(desk: Desk) -> None:
    assert desk.port in PORTS
    assert max(PORTS) < 32768


async def test_a_port_that_is_taken_is_said_so(desk: Desk) -> None:
    with pytest.raises(OutputsBusy, match=f"port {desk.port} on 127.0.0.1 is taken"):
        await desk.make().start("127.0.0.1", desk.port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
async def test_another_machines_producers_need_tls(host: str) -> None:
    with pytest.raises(ConfigurationError, match="igentai cert"):
        await Desk().make().start(host, 0)


async def test_an_address_that_is_not_here_is_said_so() -> None:
    with pytest.raises(ConfigurationError, match="choose another"):
        await Desk().make(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).start("192.0.2.1", 0)


async def test_closing_before_serving_gives_the_port_back() -> None:
    listener = Desk().make()
    port = await listener.start("127.0.0.1", 0)
    listener.close()
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", port))


# -- coming in ------------------------------------------------------------------------------------------------


async def test_a_proven_producer_joins_and_is_heard_in_order(desk: Desk) -> None:
    async with connected(desk) as peer:
        await peer.join(slot=3)
        status = ProducerStatus(1.0, 2, 3, 4)
        peer.say(Ready(2), answer(), failure(), status)
        await desk.until(StatusArrived)
    await desk.until(ProducerLeft)
    joined, *heard, left = desk.facts
    assert isinstance(joined, ProducerJoined)
    assert (joined.slot, joined.run_id, joined.host, joined.pid) == (3, RUN_ID, "host", 42)
    link = joined.link
    assert heard == [
        ProducerReady(link, 2),
        AnswerArrived(link, answer()),
        FailureArrived(link, failure()),
        StatusArrived(link, status),
    ]
    assert left == ProducerLeft(link, "the producer closed the connection")


async def test_every_connection_has_a_number_of_its_own(desk: Desk) -> None:
    async with connected(desk) as one, connected(desk) as other:
        await one.join()
        await other.join()
        assert len({joined.link for joined in desk.of(ProducerJoined)}) == 2


async def test_two_listeners_can_number_their_links_together() -> None:
    links = itertools.count(1)
    one, other = Desk(), Desk()
    one.listener, other.listener = one.make(links=links), other.make(links=links)
    async with serving(one), serving(other), connected(one) as here, connected(other) as there:
        await here.join()
        await there.join()
        assert {desk.of(ProducerJoined)[0].link for desk in (one, other)} == {1, 2}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"proof": b"x" * 32}, "does not hold this run's secret"),
        ({"version": PROTOCOL_VERSION + 1}, "install the same igentai on both machines"),
        ({"run_id": "../../etc"}, "not one of an igentai"),
        ({"host": "h" * 5000}, "1 to 4096 are accepted"),
    ],
)
async def test_who_cannot_prove_itself_is_disconnected(desk: Desk, changed: dict[str, Any], reason: str) -> None:
    async with connected(desk) as peer:
        await peer.introduce(**changed)
        assert await peer.closed()
    await desk.until_logged(reason)
    assert desk.facts == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(Ready(1)), "Ready came before Hello"),
        (b"GET / HTTP/1.1\r\n\r\n", "are accepted"),
        (struct.pack(">I", 1 << 20), "are accepted"),
        (struct.pack(">I", 0), "are accepted"),
        (b"\x00\x00\x00\x01\xc1", "not readable msgpack"),
        (frame(Ready(1)) * 2, "went on talking"),
    ],
)
async def test_garbage_before_the_proof_ends_that_connection_alone(desk: Desk, data: bytes, reason: str) -> None:
    async with connected(desk) as good, connected(desk) as bad:
        await good.join()
        bad.write(data)
        assert await bad.closed()
        await desk.until_logged(reason)
        good.say(Ready(1))
        await desk.until(ProducerReady)


async def test_who_says_nothing_is_disconnected_when_the_time_is_up() -> None:
    desk = Desk()
    desk.listener = desk.make(handshake_deadline_s=0.05)
    async with serving(desk), connected(desk) as peer:
        assert await peer.closed()
        await desk.until_logged("no proof within 0.05 s")


async def test_who_sends_byte_by_byte_has_no_more_time() -> None:
    desk = Desk()
    desk.listener = desk.make(handshake_deadline_s=0.05)
    async with serving(desk), connected(desk) as peer:
        peer.write(b"\x00")
        assert await peer.closed()
        await desk.until_logged("no proof")


async def test_no_more_connections_than_allowed() -> None:
    desk = Desk()
    desk.listener = desk.make(max_connections=2)
    async with serving(desk), connected(desk) as one, connected(desk) as other:
        await one.join()
        async with connected(desk) as third:
            assert await third.closed()
        await other.join()
        one.writer.close()
        await desk.until(ProducerLeft)
        async with connected(desk) as fourth:
            await fourth.join()
        assert [event for event, _ in desk.log.lines if event == "listener.full"] == ["listener.full"]


# -- talking --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Hello(1, None, RUN_ID, "h", 1, NONCE, b""), "Hello is not what a producer sends here"),
        (Ack("l", 1), "Ack is not what a producer sends here"),
        (Ready(-1), "impossible number"),
        (Ready(10**6), "impossible number"),
    ],
)
async def test_a_message_out_of_place_ends_the_connection(desk: Desk, message: Message, reason: str) -> None:
    async with connected(desk) as peer:
        await peer.join()
        peer.say(Ready(1), message, Ready(2))
        assert await peer.closed()
    (left,) = await desk.until(ProducerLeft)
    assert reason in left.reason
    assert [ready.free for ready in desk.of(ProducerReady)] == [1], "what came before it counts"


async def test_long_messages_come_through_once_proven(desk: Desk) -> None:
    big = [replace(answer(n, attributes=["x" * 1000] * 900), seq=n) for n in range(1, 6)]
    async with connected(desk) as peer:
        await peer.join()
        peer.say(*big)
        arrived = await desk.until(AnswerArrived, 5)
    assert [fact.batch for fact in arrived] == big


async def test_what_is_sent_arrives_in_order(desk: Desk) -> None:
    async with connected(desk) as peer:
        await peer.join()
        (joined,) = desk.of(ProducerJoined)
        for seq in range(100):
            desk.listener.send(joined.link, Ack("l", seq))
        assert [await peer.hear() for _ in range(100)] == [Ack("l", seq) for seq in range(100)]


async def test_sending_to_nobody_does_nothing(desk: Desk) -> None:
    desk.listener.send(99, Stop(drain=True))
    desk.listener.disconnect(99, "gone")
    assert desk.facts == []


async def test_who_is_disconnected_hears_the_last_words(desk: Desk) -> None:
    async with connected(desk) as peer:
        await peer.join()
        (joined,) = desk.of(ProducerJoined)
        desk.listener.send(joined.link, Stop(drain=False))
        desk.listener.disconnect(joined.link, "the slot is another's")
        desk.listener.send(joined.link, Stop(drain=True))
        assert await peer.hear() == Stop(drain=False)
        assert await peer.closed()
    assert await desk.until(ProducerLeft) == [ProducerLeft(joined.link, "the slot is another's")]


async def test_a_peer_that_does_not_read_is_disconnected(desk: Desk) -> None:
    async with connected(desk, limit=1) as deaf, connected(desk) as good:
        await deaf.join()
        (joined,) = desk.of(ProducerJoined)
        start = StartTopic("l", 0, "t" * 60_000, "p" * 60_000, {}, GenerationConfig({}))
        for _ in range(3 * MAX_UNREAD // 120_000 + 50):
            desk.listener.send(joined.link, start)
        (left,) = await desk.until(ProducerLeft)
        assert left == ProducerLeft(joined.link, "it does not read what it is sent")
        await good.join()


async def test_a_message_too_big_for_the_wire_costs_that_link_only(desk: Desk) -> None:
    async with connected(desk) as peer:
        await peer.join()
        (joined,) = desk.of(ProducerJoined)
        desk.listener.send(joined.link, Assign(1, "p", "m", "", [("user", "x" * 70_000)], 1, None, 1.0))
        assert await peer.closed()
    await desk.until(ProducerLeft)
    assert desk.log.lines[0][0] == "listener.message_too_big"


async def test_closing_disconnects_everybody_and_ends_serve(desk: Desk) -> None:
    async with connected(desk) as proven, connected(desk) as unproven:
        await proven.join()
        await unproven.hear()
        desk.listener.close()
        assert await proven.closed()
        assert await unproven.closed()
    (left,) = await desk.until(ProducerLeft)
    assert left.reason == "the orchestrator is leaving"


async def test_a_fault_of_the_desk_is_not_taken_for_the_peers() -> None:
    desk = Desk()

    def dispatch(fact: Fact) -> None:
        raise OSError("the desk is broken")

    desk.listener = Listener(SECRET, dispatch, log=desk.log)

    async def run() -> None:
        async with serving(desk), connected(desk) as peer:
            await peer.introduce()
            await peer.closed()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert caught.group_contains(OSError, match="the desk is broken")
