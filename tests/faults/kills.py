"""The kill harness: SIGKILL to the daemon and to its producers, at random moments and at chosen places.

    python -m tests.faults.kills --kills 1000 --rigs 2

An episode is one topic in one outputs folder, with a provider double that keeps its own ledger. A daemon is started
again each time it was killed, and ended in order at last; then everything must be in place (`examination`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import psutil

from tests.end_to_end.command import REPOSITORY, environment
from tests.faults.examination import Witnessed, noted
from tests.faults.plants import DAEMON_PLACES, PRODUCER_PLACES
from tests.faults.provider import MODEL, Provider, processes_of, provider

TOPIC: Final = "cities"
PRODUCERS: Final = 3
LONGEST_LIFE_S: Final = 2.0  # of a daemon that is to be killed at a random moment
PATIENCE_S: Final = 4.0  # for one that is to kill itself at a chosen place
LONG_PATIENCE_S: Final = 20.0  # where nothing else is wanted
ORPHAN_S: Final = 1.0  # promise G3
END_S: Final = 12.0
GLANCE_S: Final = 0.05


@dataclass
class Figures:
    """What was done and what was found."""

    daemon_kills: int = 0
    producer_kills: int = 0
    places: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    lines: int = 0
    answers: int = 0
    served: int = 0
    spooled: int = 0
    longest_orphan_s: float = 0.0
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return self.daemon_kills + self.producer_kills

    def add(self, other: Figures) -> None:
        for name in ("daemon_kills", "producer_kills", "lines", "answers", "served", "spooled"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for place, count in other.places.items():
            self.places[place] = self.places.get(place, 0) + count
        self.faults += other.faults
        self.longest_orphan_s = max(self.longest_orphan_s, other.longest_orphan_s)

    def __str__(self) -> str:
        faults = "\n".join(f"FAULT: {fault}" for fault in self.faults) or "no faults"
        return (
            f"{self.kills} kills ({self.daemon_kills} daemons, {self.producer_kills} producers) "
            f"in {self.seconds:.0f} s; {self.served} requests served, {self.spooled} answers spooled, "
            f"{self.answers} in the ledger, {self.lines} lines; "
            f"the last producer was gone {1000 * self.longest_orphan_s:.0f} ms after its daemon\n"
            f"chosen places: {dict(sorted(self.places.items()))}\n{faults}"
        )


class Zygote:
    """Starts daemons fast; see `tests.faults.zygote`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._codes: dict[int, asyncio.Future[int]] = {}
        self._started: asyncio.Queue[int] = asyncio.Queue(8)

    async def listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "pid" in said:
                self._codes[said["pid"]] = asyncio.get_running_loop().create_future()
                await self._started.put(said["pid"])
            elif "ended" in said:
                self._codes[said["ended"]].set_result(said["code"])

    async def start(self, args: Sequence[str], cwd: Path, log: Path, plants: Sequence[str], **extra: str) -> int:
        """The pid of a new daemon."""
        wanted = {"args": args, "cwd": str(cwd), "log": str(log), "plants": plants, "environment": extra}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        async with asyncio.timeout(30):
            return await self._started.get()

    def alive(self, pid: int) -> bool:
        return not self._codes[pid].done()

    async def ended(self, pid: int, timeout_s: float) -> int:
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(self._codes[pid])


@asynccontextmanager
async def zygote(variables: dict[str, str]) -> AsyncIterator[Zygote]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.zygote"),
        cwd=REPOSITORY,
        env=environment(variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    started = Zygote(process)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(started.listen())
        try:
            yield started
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it kills what it started, and goes
            await process.wait()
            listening.cancel()


class Episode:
    """One topic, from its start over many kills to its orderly end."""

    def __init__(
        self,
        folder: Path,
        kills: int,
        rng: Random,
        source: Provider,
        *,
        bugs: Sequence[str] = (),
        places: bool = True,
        only: str | None = None,
    ) -> None:
        self._folder = folder
        self._kills = kills
        self._rng = rng
        self._source = source
        self._bugs = bugs
        self._places = places
        self._only = only  # one chosen place of the daemon, every time
        self._notes = folder / "witness.jsonl"
        self._topic = Witnessed(folder / "outputs" / TOPIC)
        self.figures = Figures()

    async def run(self, daemons: Zygote) -> Figures:
        began = time.monotonic()
        while self.figures.kills < self._kills and not self._topic.faults:
            await self._life(daemons)
        if not self._topic.faults:
            await self._last_life(daemons)
        seen, served = noted(self._notes), self._source.served()
        figures = self.figures
        figures.lines = self._topic.glance()
        figures.served, figures.spooled, figures.answers = len(served), len(seen.spooled), self._topic.answers
        figures.faults = self._topic.faults
        figures.seconds = time.monotonic() - began
        return figures

    async def _start(self, daemons: Zygote, plants: Sequence[str], producer_plants: Sequence[str]) -> int:
        args = ["orchestrator", "-n", str(PRODUCERS), "--topic", TOPIC, "--provider", MODEL, "--request-size", "12"]
        named = ",".join((*self._bugs, f"witness={self._notes}", *producer_plants))
        return await daemons.start(
            [*args, "--concurrency", "2", "--log-level", "info"],
            self._folder, self._folder / "daemon.log", plants, FAULT_PLANTS=named,
        )  # fmt: skip

    async def _life(self, daemons: Zygote) -> None:
        """Start a daemon, kill some of its producers, kill it, look."""
        rng, figures = self._rng, self.figures
        place, producer_place = self._choose()
        began = time.monotonic()
        pid = await self._start(
            daemons,
            [f"daemon_place={place}"] if place else [],
            [f"producer_place={producer_place}"] if producer_place else [],
        )
        life_s = rng.uniform(0.0, LONGEST_LIFE_S)
        if place:
            life_s = LONG_PATIENCE_S if self._only else PATIENCE_S
        due = figures.daemon_kills + 1 - figures.producer_kills
        moments = sorted(began + rng.uniform(0.2, min(life_s, LONGEST_LIFE_S)) for _ in range(max(0, min(due, 3))))
        while daemons.alive(pid) and time.monotonic() < began + life_s:
            self._topic.glance()
            if moments and time.monotonic() >= moments[0] and self._kill_a_producer(pid):
                moments.pop(0)
            await asyncio.sleep(GLANCE_S / 5)
        if daemons.alive(pid) and _signalled(pid, signal.SIGKILL):
            place = None
        code = await daemons.ended(pid, 10)
        if code == -signal.SIGKILL:
            figures.daemon_kills += 1
            if place:
                self._count(place)
        else:
            self._topic.fault(f"a daemon ended by itself with exit code {code}: {self._last_words()}")
        await self._no_orphans(pid)
        self._topic.after_a_kill(noted(self._notes))

    def _choose(self) -> tuple[str | None, str | None]:
        """Where the daemon and where its first producer is to die, None for a random moment or not at all."""
        rng = self._rng
        if self._only:
            return f"{self._only}:{rng.randint(1, 3)}", None
        if not self._places:
            return None, None
        daemon_place = f"{rng.choice(DAEMON_PLACES)}:{rng.randint(1, 12)}" if rng.random() < 0.4 else None
        producer_place = f"{rng.choice(PRODUCER_PLACES)}:{rng.randint(1, 6)}" if rng.random() < 0.3 else None
        return daemon_place, producer_place

    def _count(self, place: str) -> None:
        bare = place.partition(":")[0]
        self.figures.places[bare] = self.figures.places.get(bare, 0) + 1

    def _kill_a_producer(self, daemon: int) -> bool:
        producers = processes_of(daemon)
        if not producers:
            return False
        if not _signalled(self._rng.choice(producers), signal.SIGKILL):
            return False
        self.figures.producer_kills += 1
        return True

    async def _no_orphans(self, daemon: int) -> None:
        began = time.monotonic()
        while processes_of(daemon):
            if time.monotonic() - began > ORPHAN_S:
                for pid in processes_of(daemon):
                    used_s = sum(psutil.Process(pid).cpu_times()[:2])
                    self._topic.fault(f"a producer outlived its daemon by {ORPHAN_S} s (it had {used_s:.2f} s of CPU)")
                    _signalled(pid, signal.SIGKILL)
                return
            await asyncio.sleep(0.005)
        self.figures.longest_orphan_s = max(self.figures.longest_orphan_s, time.monotonic() - began)

    async def _last_life(self, daemons: Zygote) -> None:
        """A daemon that takes in what is left over, works on, and is asked to end."""
        pid = await self._start(daemons, [], [])
        before, began = self._topic.glance(), time.monotonic()
        while self._topic.glance() <= before:
            if not daemons.alive(pid) or time.monotonic() - began > 20:
                self._topic.fault(f"after all the kills nothing new comes: {self._last_words()}")
                break
            await asyncio.sleep(GLANCE_S)
        if daemons.alive(pid):
            _signalled(pid, signal.SIGTERM)
        code = await daemons.ended(pid, END_S)
        if code != 0:
            self._topic.fault(f"the last daemon ended with exit code {code}: {self._last_words()}")
        await self._no_orphans(pid)
        if not self._topic.faults:
            self._topic.at_rest(noted(self._notes), self._source.served())

    def _last_words(self) -> str:
        log = self._folder / "daemon.log"
        return log.read_text(errors="replace")[-1500:] if log.exists() else "it said nothing"


def _signalled(pid: int, number: signal.Signals) -> bool:
    """Whether it was there to be signalled."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


async def episode(
    folder: Path,
    kills: int,
    seed: int,
    *,
    bugs: Sequence[str] = (),
    places: bool = True,
    only: str | None = None,
    latency_s: float = 0.05,
) -> Figures:
    """One episode in an empty `folder`. `bugs` are planted into every process of it."""
    async with provider(folder, latency_s=latency_s, style="numbered") as source:
        async with zygote(source.variables([*bugs, f"witness={folder / 'witness.jsonl'}"])) as daemons:
            return await Episode(folder, kills, Random(seed), source, bugs=bugs, places=places, only=only).run(daemons)


async def many(kills: int, rigs: int, seed: int, each: int, keep: Path | None) -> Figures:
    """`kills` in episodes of `each`, on `rigs` at a time."""
    total, seeds = Figures(), iter(range(seed, seed + 1_000_000))
    began = time.monotonic()

    async def rig() -> None:
        while total.kills < kills:
            chosen = next(seeds)
            folder = Path(tempfile.mkdtemp(prefix="kills-", dir=keep))
            figures = await episode(folder, min(each, max(1, kills - total.kills)), chosen)
            figures.faults = [f"seed {chosen}, {folder}: {fault}" for fault in figures.faults]
            total.add(figures)
            print(
                f"seed {chosen}: {figures.kills} kills; {total.kills} in all", *figures.faults, sep="\n  ", flush=True
            )
            if not figures.faults:
                shutil.rmtree(folder)

    async with asyncio.TaskGroup() as group:
        for _ in range(rigs):
            group.create_task(rig())
    total.seconds = time.monotonic() - began
    return total


def main() -> None:
    flags = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    flags.add_argument("--kills", type=int, default=1000)
    flags.add_argument("--rigs", type=int, default=2, help="episodes at a time")
    flags.add_argument("--each", type=int, default=50, help="kills an episode")
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--keep", type=Path, help="where folders of episodes with faults are kept")
    said: Any = flags.parse_args()
    figures = asyncio.run(many(said.kills, said.rigs, said.seed, said.each, said.keep))
    print(figures)
    sys.exit(1 if figures.faults else 0)


if __name__ == "__main__":
    main()
