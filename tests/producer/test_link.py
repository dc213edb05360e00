from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tests.tls import contexts

from igentai.errors import ConfigurationError
from igentai.handover import Handover, encode
from igentai.messages import (
    Ack,
    Assign,
    AttributeBatch,
    FinishTopic,
    GenerationConfig,
    ProviderAccess,
    StartTopic,
    Stop,
    Welcome,
)
from igentai.providers.base import Call, ProviderSpec, Reply
from igentai.spool import read_spool, spool_path
from igentai_orchestrator.core.facts import (
    AnswerArrived,
    Fact,
    FailureArrived,
    ProducerExited,
    ProducerJoined,
    ProducerLeft,
    ProducerReady,
    ProducerSpawned,
    StatusArrived,
)
from igentai_orchestrator.shell.listener import Listener
from igentai_orchestrator.shell.processes import Processes
from igentai_producer.greeting import Identity
from igentai_producer.link import Link, is_itself
from igentai_producer.run import parse_address, run
from igentai_producer.session import ProducerSession
from igentai_producer.spool import SpoolFiles
from igentai_producer.work import Work

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from igentai.spool import Answer

SECRET = b"s" * 32
RUN_ID = "a" * 32
LEDGER = "l" * 32


class FakeProvider:
    """Names two museums at once."""

    async def ask(self, call: Call) -> Reply:
        return Reply("1. Louvre\n2. Orangerie", call.model, "stop", 5, 9)

    async def close(self) -> None:
        pass


@dataclass
class Desk:
    """Welcomes producers, gives each what it asks for up to `most` requests, and acknowledges while `commits`."""

    spool: str | None = None
    most: int = 10
    commits: bool = True
    provider: str = "fake"
    facts: list[Fact] = field(default_factory=list)
    kept: list[Answer] = field(default_factory=list)
    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    deadline_s: float = 5.0

    def __post_init__(self) -> None:
        self.changed = asyncio.Event()
        self.given = 0
        self.link = 0
        self.listener = Listener(SECRET, self.dispatch, log=self, tls=self.tls, handshake_deadline_s=self.deadline_s)
        self.processes = Processes(self.dispatch, log=self)
        self.address = ""

    def _line(self, event: str, **keys: Any) -> None:
        self.lines.append((event, keys))
        self.changed.set()

    debug = info = warning = error = _line

    def dispatch(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.changed.set()
        send = self.listener.send
        match fact:
            case ProducerJoined():
                self.link = fact.link
                access = {self.provider: ProviderAccess("simulated")}
                config = GenerationConfig(access, concurrency=2, spool=self.spool)
                last = self.kept[-1].seq if self.kept else 0
                send(fact.link, Welcome(fact.proof, 8))
                send(fact.link, StartTopic(LEDGER, last, "t", "", {}, config))
            case ProducerReady():
                for _ in range(min(fact.free, self.most - self.given)):
                    self.given += 1
                    messages = [("user", "Topic: Fish\n\nList 5 different items of it.")]
                    send(fact.link, Assign(self.given, self.provider, "small", "", messages, 100, None, 10.0))
            case AnswerArrived():
                self.keep(fact.batch)
            case FailureArrived():
                self.keep(fact.failure)

    def keep(self, received: Answer) -> None:
        if not self.kept or received.seq > self.kept[-1].seq:
            self.kept.append(received)
        if self.commits:
            self.listener.send(self.link, Ack(LEDGER, self.kept[-1].seq))

    async def until(self, done: Any) -> None:
        async with asyncio.timeout(20):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    async def until_fact(self, kind: type[Any]) -> Any:
        await self.until(lambda: any(isinstance(fact, kind) for fact in self.facts))
        return next(fact for fact in self.facts if isinstance(fact, kind))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Desk]:
        port = await self.listener.start("127.0.0.1", 0)
        self.address = f"127.0.0.1:{port}"
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(self.listener.serve())
            watching = group.create_task(self.processes.watch())
            yield self
            self.listener.close()
            watching.cancel()


def link_to(desk: Desk, *, tls: ssl.SSLContext | None = None, patience_s: float = 5.0) -> Link:
    identity = Identity(RUN_ID, 0, "host", os.getpid())
    session = ProducerSession(identity, SECRET, Random(1), reconnect_for_s=patience_s)
    work = Work({}, log=desk, connect=lambda _: FakeProvider())
    return Link(parse_address(desk.address), session, work=work, spool=SpoolFiles(RUN_ID), log=desk, tls=tls)


# -- in this process ------------------------------------------------------------------------------------------


async def test_answers_flow_and_the_spool_is_empty_at_rest(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path))
    async with desk.open(), asyncio.TaskGroup() as group:
        running = group.create_task(link_to(desk).run())
        await desk.until(lambda: len(desk.kept) == 10)
        desk.listener.send(desk.link, FinishTopic(LEDGER))
        desk.listener.send(desk.link, Stop(drain=True))
        assert await running == 0
    assert [kept.seq for kept in desk.kept] == list(range(1, 11))
    assert all(isinstance(kept, AttributeBatch) and kept.attributes == ["Louvre", "Orangerie"] for kept in desk.kept)
    assert list(tmp_path.iterdir()) == []


async def test_after_a_lost_connection_it_comes_back_with_what_was_not_acknowledged(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path), commits=False)
    async with desk.open(), asyncio.TaskGroup() as group:
        running = group.create_task(link_to(desk).run())
        await desk.until(lambda: len(desk.kept) >= 8)
        assert [kept.seq for kept in read_spool(spool_path(tmp_path, RUN_ID))][:8] == list(range(1, 9))
        del desk.kept[3:]  # as if the rest had not been committed when the orchestrator died
        desk.commits = True
        desk.listener.disconnect(desk.link, "test")
        await desk.until(lambda: len(desk.kept) == 10)
        desk.listener.send(desk.link, Stop(drain=True))
        assert await running == 0
    assert [kept.seq for kept in desk.kept] == list(range(1, 11))
    assert len([fact for fact in desk.facts if isinstance(fact, ProducerJoined)]) == 2
    assert list(tmp_path.iterdir()) == []


async def test_both_sides_can_speak_tls(tmp_path: Path) -> None:
    server, client = contexts(tmp_path)
    desk = Desk(tls=server, most=2)
    async with desk.open(), asyncio.TaskGroup() as group:
        running = group.create_task(link_to(desk, tls=client).run())
        await desk.until(lambda: len(desk.kept) == 2)
        desk.listener.send(desk.link, Stop(drain=True))
        assert await running == 0


async def test_plain_words_to_a_tls_port_are_refused(tmp_path: Path) -> None:
    server, _ = contexts(tmp_path)
    desk = Desk(tls=server, deadline_s=0.2)
    async with desk.open(), asyncio.TaskGroup() as group:
        running = group.create_task(link_to(desk, patience_s=0.1).run())
        assert await running == 1
    assert not any(isinstance(fact, ProducerJoined) for fact in desk.facts)


async def test_a_full_disk_stops_the_asking_and_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(str(tmp_path))

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    async with desk.open(), asyncio.TaskGroup() as group:
        running = group.create_task(link_to(desk).run())
        await desk.until(lambda: any(event == "producer.spool_failed" for event, _ in desk.lines))
        desk.listener.send(desk.link, Stop(drain=False))
        assert await running == 0
    assert desk.kept == []
    assert desk.given == 2


async def test_a_connection_to_itself_is_seen_through() -> None:
    with closing(socket.socket()) as own:
        own.bind(("127.0.0.1", 0))
        own.connect(own.getsockname())  # Linux allows it: a simultaneous open with itself
        _, writer = await asyncio.open_connection(sock=own)
        assert is_itself(writer)
        writer.close()
        await writer.wait_closed()


def test_it_gives_up_when_nobody_is_there(tmp_path: Path) -> None:
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        assert run(address, secret=SECRET, providers={}, spool=tmp_path / "spool", reconnect_for_s=0.05) == 1
    assert list((tmp_path / "spool").iterdir()) == [], "no lock and no spool is left"


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:65536", "host:x", "host:-1", "host:１"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        parse_address(text)


def test_addresses_may_be_ipv6() -> None:
    assert parse_address("[::1]:9100") == ("::1", 9100)
    assert parse_address("worker.example:9100") == ("worker.example", 9100)


# -- a process of its own -------------------------------------------------------------------------------------


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child finds the packages where this process does."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))


@pytest.mark.usefixtures("paths")
async def test_a_spawned_producer_works_beats_and_drains(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path), provider="simulated")
    handover = encode(Handover(SECRET, {"simulated": ProviderSpec("simulated", "simulated")}))
    async with desk.open():
        desk.processes.spawn(0, desk.address, handover)
        spawned = await desk.until_fact(ProducerSpawned)
        joined = await desk.until_fact(ProducerJoined)
        assert (joined.slot, joined.pid) == (0, spawned.pid)
        await desk.until(lambda: len(desk.kept) == 10)
        status = await desk.until_fact(StatusArrived)
        desk.processes.signal(0, spawned.pid, "terminate")
        exited = await desk.until_fact(ProducerExited)
    assert exited.code == 0
    assert all(isinstance(kept, AttributeBatch) for kept in desk.kept), desk.kept
    assert status.status.rss > 1_000_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("paths")
async def test_kill_leaves_what_was_received_in_the_spool(tmp_path: Path) -> None:
    desk = Desk(str(tmp_path), provider="simulated", commits=False)
    async with desk.open():
        desk.processes.spawn(0, desk.address, encode(Handover(SECRET)))
        spawned = await desk.until_fact(ProducerSpawned)
        await desk.until(lambda: len(desk.kept) >= 8)
        desk.processes.signal(0, spawned.pid, "kill")
        await desk.until_fact(ProducerExited)
        await desk.until_fact(ProducerLeft)
        joined = await desk.until_fact(ProducerJoined)
    spooled = read_spool(spool_path(tmp_path, joined.run_id))
    assert spooled[: len(desk.kept)] == desk.kept


@pytest.mark.usefixtures("paths")
async def test_one_that_is_aborted_says_where_it_was() -> None:
    desk = Desk(most=0)
    async with desk.open():
        desk.processes.spawn(0, desk.address, encode(Handover(SECRET)))
        spawned = await desk.until_fact(ProducerSpawned)
        await desk.until_fact(ProducerJoined)
        desk.processes.signal(0, spawned.pid, "abort")
        exited = await desk.until_fact(ProducerExited)
    assert exited.code == -signal.SIGABRT
    assert any("Fatal Python error: Aborted" in keys.get("line", "") for _, keys in desk.lines)


@pytest.mark.usefixtures("paths")
async def test_one_with_the_wrong_secret_is_not_let_in() -> None:
    desk = Desk()
    async with desk.open():
        desk.processes.spawn(0, desk.address, encode(Handover(b"t" * 32)))
        await desk.until(lambda: any("secret" in str(keys.get("reason")) for _, keys in desk.lines))
    assert not any(isinstance(fact, ProducerJoined) for fact in desk.facts)


GRANDPARENT = """
import os, subprocess, sys
reads, writes = os.pipe()
os.write(writes, bytes.fromhex(sys.argv[2])); os.close(writes)
child = subprocess.Popen([sys.executable, "-m", "igentai_producer", "--orchestrator-addr", sys.argv[1], "--slot", "0",
                          "--parent", str(os.getpid()), "--handover-fd", str(reads)], pass_fds=[reads])
child.wait()
"""


@pytest.mark.usefixtures("paths")
async def test_it_does_not_outlive_its_orchestrator() -> None:
    desk = Desk(most=0)
    async with desk.open():
        command = [sys.executable, "-c", GRANDPARENT, desk.address, encode(Handover(SECRET)).hex()]
        parent = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        joined = await desk.until_fact(ProducerJoined)
        pidfd = os.pidfd_open(joined.pid)
        parent.kill()
        ended, _, _ = select.select([pidfd], [], [], 1.0)
        os.close(pidfd)
        await parent.wait()
    assert ended, "it is gone within a second"


@pytest.mark.usefixtures("paths")
def test_it_does_not_start_for_another_parent() -> None:
    reads, writes = os.pipe()
    os.close(writes)
    command = [sys.executable, "-m", "igentai_producer", "--orchestrator-addr", "127.0.0.1:1", "--slot", "0"]
    command += ["--parent", "1", "--handover-fd", str(reads)]
    done = subprocess.run(command, pass_fds=[reads], capture_output=True, text=True, check=False)
    os.close(reads)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not starting" in done.stderr


@pytest.mark.usefixtures("paths")
def test_its_start_loads_nothing_heavy() -> None:
    heavy = {"pydantic", "typer", "rich", "openai", "anthropic", "google", "httpx", "structlog", "numpy", "uvloop"}
    code = "import igentai_producer.__main__, igentai_producer.run, igentai.handover, igentai_producer.lines, sys"
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert heavy.isdisjoint(shown.stdout.split())
