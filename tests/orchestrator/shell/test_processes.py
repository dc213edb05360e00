from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from igentai.errors import ConfigurationError
from igentai_orchestrator.core.facts import Fact, ProducerExited, ProducerSpawned, SpawnFailed
from igentai_orchestrator.shell.processes import Processes
from igentai_orchestrator.shell.processes.words import LINES_A_SECOND, LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Shop:
    """Keeps facts and log lines of the processes it runs."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.changed = asyncio.Event()

    def dispatch(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.changed.set()

    def _line(self, event: str, **keys: Any) -> None:
        self.lines.append((event, keys))
        self.changed.set()

    debug = info = warning = error = _line

    async def until(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(15):
            while True:
                for fact in self.facts:
                    if isinstance(fact, kind):
                        return fact
                self.changed.clear()
                await self.changed.wait()

    async def line(self, event: str) -> dict[str, Any]:
        async with asyncio.timeout(15):
            while True:
                for name, keys in self.lines:
                    if name == event:
                        return keys
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def watching(processes: Processes) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(processes.watch())
        try:
            yield
        finally:
            task.cancel()


@pytest.fixture
def shop() -> Shop:
    return Shop()


def interpreter(tmp_path: Path, body: str) -> str:
    """A program that stands for the interpreter: it runs `body` whatever it is told to run."""
    path = tmp_path / "python"
    path.write_text(f"#!{sys.executable}\nimport json, os, signal, sys, time\n{textwrap.dedent(body)}")
    path.chmod(0o755)
    return str(path)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


SHOW = """
said = dict(zip(sys.argv[4::2], sys.argv[5::2]))
handed = os.fdopen(int(said["--handover-fd"]), "rb").read().decode()
print(json.dumps({"level": "info", "event": "shown", "argv": sys.argv[1:], "handed": handed, "pid_": os.getpid(),
                  "group": os.getpgid(0), "names": sorted(os.environ), "fds": sorted(os.listdir("/proc/self/fd"))}),
      file=sys.stderr)
"""


async def test_a_producer_gets_its_secrets_by_the_pipe_alone(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    processes = Processes(shop.dispatch, log=shop, python=interpreter(tmp_path, SHOW))
    async with watching(processes):
        processes.spawn(3, "127.0.0.1:9", b"the secret")
        shown = await shop.line("shown")
        exited = await shop.until(ProducerExited)
    spawned = await shop.until(ProducerSpawned)
    assert (spawned.slot, spawned.pid) == (3, shown["pid_"])
    assert exited == ProducerExited(3, spawned.pid, 0)
    assert shown["handed"] == "the secret"
    assert shown["argv"][:7] == ["-P", "-m", "igentai_producer", "--orchestrator-addr", "127.0.0.1:9", "--slot", "3"]
    assert shown["argv"][7:9] == ["--parent", str(os.getpid())]
    assert "the secret" not in " ".join(shown["argv"])
    assert "OPENAI_API_KEY" not in shown["names"]
    assert "NOTIFY_SOCKET" not in shown["names"]
    assert "HTTPS_PROXY" in shown["names"]
    assert shown["group"] == spawned.pid, "a group of its own: Ctrl-C is for the orchestrator"
    assert len(shown["fds"]) <= 5, "nothing is inherited but the pipe"
    assert (shown["slot"], shown["pid"]) == (3, spawned.pid)


async def test_a_program_that_cannot_be_started_is_said_so(shop: Shop, tmp_path: Path) -> None:
    processes = Processes(shop.dispatch, log=shop, python=str(tmp_path / "none"))
    async with watching(processes):
        processes.spawn(1, "127.0.0.1:9", b"")
        assert await shop.until(SpawnFailed) == SpawnFailed(1, "No such file or directory")


@pytest.mark.parametrize(("how", "number"), [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)])
async def test_a_signal_reaches_its_producer_and_no_other(
    shop: Shop, tmp_path: Path, how: Any, number: signal.Signals
) -> None:
    waiting = 'print("up", flush=True); signal.pause()'
    processes = Processes(shop.dispatch, log=shop, python=interpreter(tmp_path, waiting))
    async with watching(processes):
        processes.spawn(0, "127.0.0.1:9", b"")
        spawned = await shop.until(ProducerSpawned)
        await shop.line("producer.said")
        processes.signal(1, spawned.pid, how)
        processes.signal(0, os.getpid(), how)
        processes.signal(0, spawned.pid, how)
        assert await shop.until(ProducerExited) == ProducerExited(0, spawned.pid, -number)
        processes.signal(0, spawned.pid, how)


async def test_a_hung_producer_leaves_a_traceback_when_it_is_aborted(shop: Shop, tmp_path: Path) -> None:
    hung = 'import faulthandler; faulthandler.enable()\nprint("up", flush=True)\nwhile True: pass'
    processes = Processes(shop.dispatch, log=shop, python=interpreter(tmp_path, hung))
    async with watching(processes):
        processes.spawn(0, "127.0.0.1:9", b"")
        spawned = await shop.until(ProducerSpawned)
        await shop.line("producer.said")
        processes.signal(0, spawned.pid, "abort")
        exited = await shop.until(ProducerExited)
    assert exited.code == -signal.SIGABRT
    assert any("Fatal Python error: Aborted" in keys.get("line", "") for _, keys in shop.lines)


async def test_what_a_producer_says_is_bounded(shop: Shop, tmp_path: Path) -> None:
    chatty = f'print("x" * 1_000_000)\nfor n in range({LINES_A_SECOND * 20}): print(n)\nprint("[1]\\n\\"a\\"\\n{{}}")'
    processes = Processes(shop.dispatch, log=shop, python=interpreter(tmp_path, chatty))
    async with watching(processes):
        processes.spawn(0, "127.0.0.1:9", b"")
        await shop.until(ProducerExited)
    said = [keys["line"] for event, keys in shop.lines if event == "producer.said"]
    assert said[0] == "x" * LONGEST_LINE
    assert len(said) <= LINES_A_SECOND * 5


async def test_cancelling_ends_every_child_and_what_it_started(shop: Shop, tmp_path: Path) -> None:
    stubborn = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child:
        print(json.dumps({"level": "info", "event": "up", "child": child}), flush=True)
    while True: signal.pause()
    """
    processes = Processes(shop.dispatch, log=shop, python=interpreter(tmp_path, stubborn))
    async with watching(processes):
        processes.spawn(0, "127.0.0.1:9", b"")
        spawned = await shop.until(ProducerSpawned)
        grandchild = os.pidfd_open((await shop.line("up"))["child"])
    assert not is_alive(spawned.pid)
    ended, _, _ = select.select([grandchild], [], [], 1.0)
    os.close(grandchild)
    assert ended


async def test_killing_all_ends_them_and_starts_none_again(shop: Shop, tmp_path: Path) -> None:
    processes = Processes(shop.dispatch, log=shop, python=interpreter(tmp_path, "signal.pause()"))
    async with watching(processes):
        processes.spawn(0, "127.0.0.1:9", b"")
        spawned = await shop.until(ProducerSpawned)
        processes.kill_all()
        assert not is_alive(spawned.pid)
        assert await shop.until(ProducerExited) == ProducerExited(0, spawned.pid, -signal.SIGKILL)
        processes.spawn(1, "127.0.0.1:9", b"")
        assert await shop.until(SpawnFailed) == SpawnFailed(1, "the orchestrator is leaving")


async def test_many_come_and_go_without_leaving_descriptors(shop: Shop, tmp_path: Path) -> None:
    processes = Processes(shop.dispatch, log=shop, python=interpreter(tmp_path, "print('x')"))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  a count is all
    async with watching(processes):
        for slot in range(10):
            processes.spawn(slot, "127.0.0.1:9", b"")
        async with asyncio.timeout(15):
            while sum(isinstance(fact, ProducerExited) for fact in shop.facts) < 10:
                shop.changed.clear()
                await shop.changed.wait()
        assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208  a count is all


# -- the embedded model ---------------------------------------------------------------------------------------

READY = "print(json.dumps({'port': 4321}), flush=True)"


async def test_the_embedded_model_names_its_port_when_it_is_ready(shop: Shop, tmp_path: Path) -> None:
    ready = (
        'print("loading", file=sys.stderr, flush=True)\nprint(json.dumps({"port": 4321}), flush=True)\nsignal.pause()'
    )
    processes = Processes(shop.dispatch, log=shop)
    async with watching(processes):
        assert await processes.start_embedded([interpreter(tmp_path, ready)]) == 4321
        said = await shop.line("embedded.said")
        assert said["line"] == "loading"
        pid = said["pid"]
        assert is_alive(pid)
    assert not is_alive(pid)


async def test_its_end_is_noticed(shop: Shop, tmp_path: Path) -> None:
    ready = f"{READY}\nsys.exit(3)"
    processes = Processes(shop.dispatch, log=shop)
    async with watching(processes):
        await processes.start_embedded([interpreter(tmp_path, ready)])
        ended = await shop.line("processes.ended")
    assert (ended["name"], ended["code"]) == ("embedded", 3)


@pytest.mark.parametrize(
    "says", ["", "print('no JSON', flush=True); signal.pause()", "print(json.dumps({'port': 'x'}))"]
)
async def test_one_that_does_not_start_is_said_so_with_its_own_words(shop: Shop, tmp_path: Path, says: str) -> None:
    program = f'print("no such weights", file=sys.stderr, flush=True)\n{says}'
    processes = Processes(shop.dispatch, log=shop)
    with pytest.raises(ConfigurationError, match="igentai doctor"):
        await processes.start_embedded([interpreter(tmp_path, program)])
    assert [keys["line"] for _, keys in shop.lines] == ["no such weights"]
    assert not is_alive(shop.lines[0][1]["pid"])


async def test_one_that_is_never_ready_is_given_up(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igentai_orchestrator.shell.processes.children.READY_WITHIN_S", 0.2)
    with pytest.raises(ConfigurationError, match="did not start"):
        await Processes(shop.dispatch, log=shop).start_embedded([interpreter(tmp_path, "signal.pause()")])
