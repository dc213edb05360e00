"""Bar 6: a producer that hangs is replaced, one that crashes again and again is given up, and the others go on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.rig import Rig, at_work

pytestmark = pytest.mark.alone

REPLACED_S = 15.0
SPAWNS = 6
SAME_RATE = 0.9
WINDOW_S = 4.0


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_hung_producers_are_replaced_within_fifteen_seconds(tmp_path: Path) -> None:
    trigger = tmp_path / "hang"
    async with at_work(tmp_path, producers=3, plants=[f"busy_loop={trigger}"]) as rig:
        await rig.until(lambda: len(rig.events("fleet.producer_joined")) == 3, 20, "three producers")
        await rig.working()
        before = {event["pid"] for event in rig.events("fleet.producer_joined")}
        trigger.touch()
        [taken] = await rig.until(lambda: list(tmp_path.glob("hang.*")), 10, "one of them hangs in a busy loop")
        stopped = min(before - {int(taken.suffix[1:])})
        os.kill(stopped, signal.SIGSTOP)
        began = time.monotonic()
        await rig.until(
            lambda: len({event["pid"] for event in rig.events("fleet.producer_joined")}) >= 5, REPLACED_S, "two others"
        )
        took_s = time.monotonic() - began
        hung = [event["pid"] for event in rig.events("fleet.producer_hung")]
        assert gone(stopped)
        assert 1 <= len(hung) <= 2
        assert "Fatal Python error: Aborted" in rig.daemon.text(), "a busy loop leaves its traceback"
        await rig.working()
        assert (await rig.end())[0] == 0
        assert rig.at_rest() == []
    print(f"\nhung producers replaced after {took_s:.1f} s")


async def test_a_producer_that_always_crashes_is_given_up_and_slows_nobody(tmp_path: Path) -> None:
    async with at_work(tmp_path, producers=3, latency_s=0.5, plants=["crash_loop=1"]) as rig:
        await rig.until(lambda: len(rig.events("fleet.producer_joined")) == 2, 20, "the other two")
        await rig.working()
        beside = await rate(rig)
        await rig.until(lambda: rig.events("fleet.slot_failed"), 60, "the slot is given up")
        alone = await rate(rig)
        spawns = sum(event["slot"] == 1 for event in rig.events("fleet.producer_spawned"))
        assert spawns <= SPAWNS
        assert beside >= SAME_RATE * alone
        assert (await rig.end())[0] == 0
    print(f"\n{spawns} spawns of the crashing one; {beside:.1f} requests a second beside it, {alone:.1f} without")


async def rate(rig: Rig) -> float:
    """Requests a second in the next while, by their own times: they come in waves, and counting whole waves in a
    window would be off by one of eight."""
    before = rig.source.count()
    await asyncio.sleep(WINDOW_S)
    times: list[float] = sorted(entry["at"] for entry in rig.source.served()[before:])
    return (len(times) - 1) / (times[-1] - times[0])
