"""A daemon at work on one topic, with a provider double and a witness in its producers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from tests.end_to_end.command import Daemon, daemon, until
from tests.faults.examination import Witnessed, noted
from tests.faults.provider import ENDLESS, MODEL, Provider, provider

TOPIC: Final = "cities"


@dataclass(frozen=True)
class Rig:
    """Everything a fault test looks at."""

    daemon: Daemon
    source: Provider
    topic: Witnessed
    notes: Path

    def lines(self) -> int:
        return self.topic.glance()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the daemon logged under this name so far."""
        lines = self.daemon.text().split("\n")[:-1]
        found = [json.loads(line) for line in lines if f'"{name}"' in line and line.startswith("{")]
        return [event for event in found if event["event"] == name]

    def rss(self) -> int:
        """Bytes of the daemon's memory that no other process shares or could give back."""
        return int(psutil.Process(self.daemon.pid).memory_info().rss)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))  # noqa: PTH208  a folder of the kernel's

    async def working(self, more: int = 20, timeout_s: float = 30) -> None:
        """Wait until so many new lines have come."""
        before = self.lines()
        await self.until(lambda: self.lines() >= before + more, timeout_s, f"{more} more lines")

    async def warm(self, producers: int = 3) -> None:
        """Wait until each producer has made a request: its first one loads an SDK, which takes a while."""
        await self.until(lambda: len(noted(self.notes).acked) >= producers, 60, "every producer was acknowledged once")

    async def until(self, true: Callable[[], Any], timeout_s: float, what: str) -> Any:
        try:
            return await until(true, timeout_s, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.daemon.text()[-3000:]}") from None

    async def page(self) -> httpx.AsyncClient:
        """A client that is signed in."""
        plate = await self.until(self.daemon.plate, 20, "the page")
        headers = {"Authorization": f"Bearer {plate['token']}"}
        return httpx.AsyncClient(base_url=plate["address"], headers=headers, trust_env=False, timeout=10)

    async def end(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 12) -> tuple[int, float]:
        """Signal the daemon; its exit code and how long it took."""
        began = asyncio.get_running_loop().time()
        self.daemon.process.send_signal(number)
        code = await self.daemon.ended(timeout_s)
        return code, asyncio.get_running_loop().time() - began

    def at_rest(self) -> list[str]:
        """Faults of the folder, now that nobody works in it."""
        self.topic.at_rest(noted(self.notes), self.source.served())
        return self.topic.faults


@asynccontextmanager
async def at_work(
    folder: Path,
    *args: str,
    producers: int = 3,
    latency_s: float = 0.05,
    plants: Sequence[str] = (),
    outputs: Path | None = None,
    env: dict[str, str] | None = None,
    topic: str | None = TOPIC,
    world: Mapping[str, Any] = ENDLESS,
    **double: str,
) -> AsyncIterator[Rig]:
    """A rig whose daemon was just started. `args` go to `igentai orchestrator`, `double` to the double.

    `topic` None: nothing is started yet.
    """
    notes = folder / "witness.jsonl"
    where = outputs or folder / "outputs"
    flags = ["-n", str(producers), "--request-size", "12", "--concurrency", "2"]
    if topic is not None:
        flags += ["--topic", topic, "--provider", MODEL]
    async with provider(folder, latency_s=latency_s, world=world, style="numbered", **double) as source:
        variables = source.variables([*plants, f"witness={notes}"]) | (env or {})
        async with daemon(*flags, *args, cwd=folder, env=variables, outputs=str(where)) as running:
            yield Rig(running, source, Witnessed(where / TOPIC), notes)
