"""Child processes: start them, read their words, signal them, see them end.

They are started from the main thread and without preexec_fn; each dies with this process by its own request to the
kernel (`igentai_producer.parent`). A child's end is seen through its pidfd, and its pid is given back to the kernel
only here: a signal can never reach a stranger.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from igentai.errors import ConfigurationError
from igentai_orchestrator.core.facts import Fact, ProducerExited, ProducerSpawned, SpawnFailed
from igentai_orchestrator.shell.processes.words import LINES_A_SECOND, Lines, Rate, first_line, read_line, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

READY_WITHIN_S: Final = 60.0  # for the embedded model to load
LAST_WORDS_S: Final = 1.0  # to read what an ended child left in its pipe, should a grandchild hold it open
REAP_S: Final = 2.0
MOST_WANTED: Final = 1024  # children ordered and not started yet

# A child has no business with keys (it gets them by its pipe), nor with this process's own tie to systemd.
_WITHHELD_SUFFIXES: Final = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_WITHHELD: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"})
_SIGNALS: Final = {"terminate": signal.SIGTERM, "abort": signal.SIGABRT, "kill": signal.SIGKILL}


@dataclass(slots=True)
class _Child:
    name: str  # what the log calls it: producer, embedded
    process: subprocess.Popen[bytes]
    pidfd: int
    slot: int | None = None

    def send(self, number: int) -> None:
        """Signal it, and for SIGKILL whatever it started; does nothing once it has been reaped."""
        if self.process.returncode is not None:
            return
        try:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass  # a zombie that is about to be reaped

    def reap(self) -> bool:
        """End it for certain and give its pid back. False where even SIGKILL does not end it: a hung disk, say."""
        self.send(signal.SIGKILL)
        try:
            self.process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Close our ends of its pipes."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Processes:
    """The children of this process.

    Args:
        dispatch: given ProducerSpawned, SpawnFailed and ProducerExited, on the event loop.
        log: structlog-like; gets the children's own lines too.
        python: the interpreter that runs producers.

    `withheld` are the environment variables that no child may see, beside those whose names say that they hold a key.
    """

    def __init__(self, dispatch: Callable[[Fact], None], *, log: Any, python: str = sys.executable) -> None:
        self._dispatch = dispatch
        self._log = log
        self._python = python
        self._wanted: asyncio.Queue[tuple[int, str, bytes]] = asyncio.Queue(MOST_WANTED)
        self._started: asyncio.Queue[_Child] = asyncio.Queue(MOST_WANTED)
        self._children: dict[int, _Child] = {}
        self._killed = False
        self.withheld: frozenset[str] = frozenset()

    def spawn(self, slot: int, address: str, handover: bytes) -> None:
        """Have a producer started for `slot`, to connect to `address` (HOST:PORT); `watch` does it.

        `handover` is what `igentai.handover.encode` made. ProducerSpawned or SpawnFailed follows.
        """
        self._wanted.put_nowait((slot, address, handover))

    def signal(self, slot: int, pid: int, how: Literal["terminate", "abort", "kill"]) -> None:
        """Signal the producer of `slot`, if `pid` is still it."""
        child = self._children.get(pid)
        if child is not None and child.slot == slot:
            child.send(_SIGNALS[how])

    async def watch(self) -> None:
        """Start what is wanted and see every child to its end, until cancelled; then kill them all."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._adopt(group))
                while True:
                    slot, address, handover = await self._wanted.get()
                    self._start_producer(slot, address, handover)
        finally:
            self.kill_all()
            for child in list(self._children.values()):
                self._forget(child)

    def kill_all(self) -> None:
        """SIGKILL whatever still lives and reap it; nothing is started after this. Takes milliseconds."""
        self._killed = True
        for child in self._children.values():
            child.send(signal.SIGKILL)
        for child in list(self._children.values()):
            if not child.reap():
                self._log.error("processes.unkillable", name=child.name, pid=child.process.pid)
        while not self._started.empty():
            self._forget(self._started.get_nowait())

    async def start_embedded(self, command: Sequence[str]) -> int:
        """Start the embedded model's server. Returns its port; `watch` sees it to its end.

        Raises:
            ConfigurationError: it ended, or was not ready within 60 s; its own words are in the log.
        """
        said, says = os.pipe()
        try:
            child = self._start("embedded", command, stdout=says)
        except OSError as error:
            os.close(said)
            raise ConfigurationError(f"the embedded model cannot be started: {error.strerror}") from error
        finally:
            os.close(says)
        port: int | None = None
        try:
            port = await self._port_of(child, said)
        finally:
            os.close(said)
            if port is None:
                child.reap()
                self._forget(child)
        if port is None:
            raise ConfigurationError(
                "the embedded model did not start (its own words are in the log): run `igentai doctor`, or name "
                "another provider with --provider"
            )
        self._started.put_nowait(child)
        return port

    async def _port_of(self, child: _Child, said: int) -> int | None:
        """The port it names once it is ready, None where it does not; its words go to the log meanwhile."""
        async with asyncio.TaskGroup() as group:
            words = group.create_task(self._forward(child))
            try:
                async with asyncio.timeout(READY_WITHIN_S):
                    port = json.loads(await first_line(said))["port"]
            except (TimeoutError, ValueError, TypeError, KeyError):
                port = None
                child.send(signal.SIGKILL)
                await asyncio.wait([words], timeout=LAST_WORDS_S)
            words.cancel()
        return port if type(port) is int else None

    def _start_producer(self, slot: int, address: str, handover: bytes) -> None:
        reads, writes = os.pipe()
        try:
            os.set_blocking(writes, False)
            if os.write(writes, handover) < len(handover):
                raise OSError("the handover is longer than a pipe takes at once")
            command = [
                *(self._python, "-P", "-m", "igentai_producer"),
                *("--orchestrator-addr", address, "--slot", str(slot)),
                *("--parent", str(os.getpid()), "--handover-fd", str(reads)),
            ]
            child = self._start("producer", command, slot=slot, pass_fds=(reads,))
            self._started.put_nowait(child)
        except OSError as error:
            self._dispatch(SpawnFailed(slot, error.strerror or str(error)))
            return
        finally:
            os.close(reads)
            os.close(writes)
        self._dispatch(ProducerSpawned(slot, child.process.pid))

    def _start(
        self,
        name: str,
        command: Sequence[str],
        *,
        slot: int | None = None,
        pass_fds: Sequence[int] = (),
        stdout: int | None = None,
    ) -> _Child:
        """Start a process in a session of its own: a terminal's Ctrl-C is for this process, which then decides."""
        if self._killed:
            raise OSError("the orchestrator is leaving")
        process = subprocess.Popen(  # returns after the exec: milliseconds
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.STDOUT if stdout is None else subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=True,
            env=_environment(os.environ, self.withheld),
        )
        child = _Child(name, process, -1, slot)
        try:
            child.pidfd = os.pidfd_open(process.pid)
        except OSError:
            child.reap()
            child.close()
            raise
        self._children[process.pid] = child
        return child

    async def _adopt(self, group: asyncio.TaskGroup) -> None:
        while True:
            child = await self._started.get()
            group.create_task(self._see_to_its_end(child))

    async def _see_to_its_end(self, child: _Child) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                words = group.create_task(self._forward(child))
                await readable(child.pidfd)
                code = child.process.wait()  # it has ended: this only reaps it
                await asyncio.wait([words], timeout=LAST_WORDS_S)
                words.cancel()
        finally:
            child.reap()
            self._forget(child)
        if child.slot is not None:
            self._dispatch(ProducerExited(child.slot, child.process.pid, code))
        else:
            self._log.error("processes.ended", name=child.name, pid=child.process.pid, code=code)

    def _forget(self, child: _Child) -> None:
        if self._children.get(child.process.pid) is child:  # the pid may be another child's by now
            del self._children[child.process.pid]
        child.close()

    async def _forward(self, child: _Child) -> None:
        """The child's lines, to the log, until its pipe closes."""
        pipe = child.process.stderr or child.process.stdout
        assert pipe is not None
        descriptor = pipe.fileno()
        os.set_blocking(descriptor, False)
        loop = asyncio.get_running_loop()
        lines, rate = Lines(), Rate(LINES_A_SECOND)
        while True:
            await readable(descriptor)
            data = os.read(descriptor, 64 << 10)
            for line in lines.feed(data):
                if rate.allows(loop.time()):
                    self._log_line(child, line, rate.taken_missed())
            if not data:
                return

    def _log_line(self, child: _Child, line: bytes, missed: int) -> None:
        keys: dict[str, Any] = {"pid": child.process.pid}
        if child.slot is not None:
            keys["slot"] = child.slot
        if missed:
            keys["lines_missed"] = missed
        level, event, said = read_line(child.name, line)
        getattr(self._log, level)(event, **{**said, **keys})


def _environment(own: Mapping[str, str], withheld: frozenset[str]) -> dict[str, str]:
    """What a child inherits of the environment: all but keys and the tie to systemd."""
    return {
        name: value
        for name, value in own.items()
        if name not in _WITHHELD and name not in withheld and not name.upper().endswith(_WITHHELD_SUFFIXES)
    }
