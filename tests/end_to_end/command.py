"""Runs the real `igentai` in a process of its own, with nothing of the developer's keys or configuration."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without keys and IGENTAI_ variables, plus `extra`."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("IGENTAI_", "OPENAI", "ANTHROPIC", "G", "OLLAMA"))}
    return kept | dict(extra or {})


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


async def igentai(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 60.0, said: str | None = None
) -> Finished:
    """Run a command to its end. `said` is its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "igentai_orchestrator", *args),
        cwd=cwd,
        env=environment(env),
        stdin=asyncio.subprocess.PIPE if said is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(said.encode() if said is not None else None)
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(f"igentai {' '.join(args)} did not end in {timeout_s} s\n{err.decode()[-2000:]}") from None
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


class Daemon:
    """A running `igentai orchestrator`."""

    def __init__(self, process: asyncio.subprocess.Process, outputs: Path, log: Path) -> None:
        self.process, self.outputs, self.log = process, outputs, log

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[psutil.Process]:
        return [c for c in psutil.Process(self.pid).children(recursive=True) if c.status() != psutil.STATUS_ZOMBIE]

    def producers(self) -> list[int]:
        """Pids of its producer processes."""
        return sorted(c.pid for c in self.children() if "igentai_producer" in " ".join(c.cmdline()))

    def text(self) -> str:
        return self.log.read_text()

    def lines(self, topic: str) -> list[str]:
        path = self.outputs / topic / "output.txt"
        return path.read_bytes().decode().split("\n")[:-1] if path.exists() else []

    def metrics(self, topic: str) -> dict[str, Any]:
        path = self.outputs / topic / "metrics.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    def plate(self) -> dict[str, Any]:
        path = self.outputs / ".daemon.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    async def ended(self, timeout_s: float) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


@asynccontextmanager
async def daemon(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, outputs: str = "outputs"
) -> AsyncIterator[Daemon]:
    """A daemon that is killed at the end if it still lives."""
    log = cwd / f"daemon-{time.monotonic_ns()}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "igentai_orchestrator", "orchestrator", "--outputs", outputs, *args),
            cwd=cwd,
            env=environment(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    running = Daemon(process, cwd / outputs, log)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def until(true: Callable[[], Any], timeout_s: float, what: str, *, every_s: float = 0.05) -> Any:
    """Wait until `true()` is; what it gave."""
    deadline = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(every_s)
    return found
