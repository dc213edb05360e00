"""A provider double in a process of its own, and the environment in which a daemon asks it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.end_to_end.command import REPOSITORY, environment

SITE: Final = Path(__file__).resolve().parent / "site"
MODEL: Final = "openai:gpt-4o-mini"
# Half of what it says is made up on the spot, so that a topic is never exhausted.
ENDLESS: Final = {"items": 200, "categories": 5, "junk": 0.5}


@dataclass(frozen=True)
class Provider:
    """A running double. `ledger` is its own record of what it served."""

    base_url: str
    ledger: Path

    def served(self) -> list[dict[str, Any]]:
        """One document a request that is over, in their order."""
        lines = self.ledger.read_bytes().split(b"\n")[:-1] if self.ledger.exists() else []
        return [json.loads(line) for line in lines]

    def count(self) -> int:
        """How many requests are over."""
        return self.ledger.read_bytes().count(b"\n") if self.ledger.exists() else 0

    def variables(self, plants: Sequence[str] = ()) -> dict[str, str]:
        """The environment of a daemon that asks this provider, with `plants` in it and in its producers."""
        own = {"OPENAI_API_KEY": "sk-of-the-double", "OPENAI_BASE_URL": self.base_url, "OPENBLAS_NUM_THREADS": "1"}
        return own | planted(plants)


def planted(plants: Sequence[str]) -> dict[str, str]:
    """What has `plants` planted into a process and those that it starts."""
    if not plants:
        return {}
    places = [SITE, REPOSITORY, *(REPOSITORY / name for name in ("orchestrator", "producer", "shared"))]
    return {"PYTHONPATH": ":".join(map(str, places)), "FAULT_PLANTS": ",".join(plants)}


@asynccontextmanager
async def provider(
    folder: Path, *, latency_s: float = 0.05, world: Mapping[str, Any] = ENDLESS, **flags: str
) -> AsyncIterator[Provider]:
    """A double that speaks OpenAI's API until the end of the block."""
    ledger = folder / "served.jsonl"
    more = [word for name, value in flags.items() for word in (f"--{name}", value)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.doubles", "--api", "openai", "--ledger", str(ledger)),
        *("--latency", str(latency_s), "--world", json.dumps(dict(world)), *more),
        cwd=REPOSITORY,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            address = (await process.stdout.readline()).decode().strip()
        yield Provider(address, ledger)
    finally:
        process.kill()
        await process.wait()


def processes_of(parent: int) -> list[int]:
    """Living producers that a process spawned, whoever is their parent by now."""
    mark = f"\0--parent\0{parent}\0".encode()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/cmdline", "rb") as file:  # noqa: PTH123  hundreds of times a second
                if mark not in file.read():
                    continue
            with open(f"/proc/{entry.name}/stat", "rb") as file:  # noqa: PTH123
                state = file.read().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if state not in (b"Z", b"X"):
            found.append(int(entry.name))
    return sorted(found)
