"""Bar 12: a budget, 64 requests in flight, and SIGKILL again and again: what is billed stays within the budget.

python -m tests.faults.budget_kills --kills 100
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.faults.kills import Zygote, zygote
from tests.faults.provider import MODEL, Provider, processes_of, provider

TOPIC: Final = "cities"
PRODUCERS: Final = 4
AT_ONCE: Final = 16  # requests a producer: 64 in all
LATENCY_S: Final = 0.7
USD_A_KILL: Final = 0.025  # what 64 reservations come to, about
PATIENCE_S: Final = 60.0


@dataclass
class Spent:
    """What came of it, USD."""

    kills: int
    budget: float
    billed: float
    counted: float
    requests: int
    most_in_flight: int
    reason: str
    seconds: float

    def __str__(self) -> str:
        money = f"billed ${self.billed:.4f}, counted ${self.counted:.4f}, budget ${self.budget:.2f}"
        flown = f"up to {self.most_in_flight} in flight, {self.requests} requests"
        return f"{self.kills} kills in {self.seconds:.0f} s, {flown}: {money}; {self.reason}"


async def spend(folder: Path, kills: int, seed: int = 0) -> Spent:
    """Kill the daemon, or one of its producers, `kills` times; then let it work until the budget is spent."""
    budget = round(USD_A_KILL * (kills + 3), 2)
    rng, began = Random(seed), time.monotonic()
    async with provider(folder, latency_s=LATENCY_S, style="numbered") as source:
        async with zygote(source.variables()) as daemons:
            done, most = 0, 0
            while done < kills and _stopped(folder) is None:
                killed, flying = await _life(folder, daemons, source, rng, budget)
                done, most = done + killed, max(most, flying)
            reason = await _last_life(folder, daemons, budget)
        served = source.served()
    metrics = _read(folder / "outputs" / TOPIC / "metrics.json")
    billed = sum(entry["cost_usd"] for entry in served)
    counted = metrics["budget"]["settled"] + metrics["budget"]["reserved"]
    return Spent(done, budget, billed, counted, len(served), most, reason, time.monotonic() - began)


async def _start(folder: Path, daemons: Zygote, budget: float) -> int:
    args = ["explore", TOPIC, "-n", str(PRODUCERS), "--concurrency", str(AT_ONCE), "--provider", MODEL, "--resume"]
    args += ["--policy", "round_robin", "--partition", "none", "--no-saturation"]  # one that asks whatever it may
    return await daemons.start(
        [*args, "--request-size", "40", "--budget", f"{budget:g}"], folder, folder / "daemon.log", []
    )


async def _life(folder: Path, daemons: Zygote, source: Provider, rng: Random, budget: float) -> tuple[int, int]:
    """Until it is in full flight; then a producer is killed, or not, and then the daemon. Kills, and most in flight."""
    pid = await _start(folder, daemons, budget)
    before, most, kills = source.count(), 0, 0
    target = rng.randint(1, 40)
    deadline = time.monotonic() + PATIENCE_S
    while source.count() - before < target and daemons.alive(pid) and time.monotonic() < deadline:
        most = max(most, _read(folder / "outputs" / TOPIC / "metrics.json").get("in_flight", 0))
        await asyncio.sleep(0.02)
    producers = processes_of(pid)
    if producers and rng.random() < 0.5:
        os.kill(rng.choice(producers), signal.SIGKILL)
        kills += 1
        await asyncio.sleep(rng.uniform(0.0, 0.3))
    if daemons.alive(pid):
        os.kill(pid, signal.SIGKILL)
        kills += 1
    await daemons.ended(pid, 10)
    return kills, most


def _stopped(folder: Path) -> str | None:
    """Why the topic ended, None while it has not."""
    return _read(folder / "outputs" / TOPIC / "state.json").get("stop_reason")


async def _last_life(folder: Path, daemons: Zygote, budget: float) -> str:
    if (reason := _stopped(folder)) is not None:
        return reason
    pid = await _start(folder, daemons, budget)
    deadline = time.monotonic() + 3 * PATIENCE_S
    while (reason := _stopped(folder)) is None:
        if time.monotonic() > deadline or not daemons.alive(pid):
            raise AssertionError(f"the budget was not spent: {(folder / 'daemon.log').read_text()[-1500:]}")
        await asyncio.sleep(0.05)
    await daemons.ended(pid, 12)
    return reason


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--kills", type=int, default=100)
    flags.add_argument("--seed", type=int, default=0)
    said = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spent = asyncio.run(spend(Path(folder), said.kills, said.seed))
    print(spent)
    return 0 if spent.billed <= spent.budget else 1


if __name__ == "__main__":
    sys.exit(main())
