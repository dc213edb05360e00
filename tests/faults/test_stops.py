"""Bar 7 and the ends by signal: SIGTERM under load, Ctrl-C twice."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from random import Random

import pytest

from tests.faults.provider import processes_of
from tests.faults.rig import at_work

STOP_S = 10.0


@pytest.mark.parametrize("times", [2, pytest.param(30, marks=pytest.mark.torture)])
async def test_sigterm_under_load_saves_what_is_in_hand(tmp_path: Path, times: int) -> None:
    rng, took = Random(times), list[float]()
    for number in range(times):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with at_work(folder, latency_s=0.3) as rig:
            await rig.working(more=1)
            await asyncio.sleep(rng.uniform(0.0, 0.6))
            code, took_s = await rig.end()
            assert code == 0, rig.daemon.text()[-3000:]
            assert processes_of(rig.daemon.pid) == []
            assert rig.at_rest() == []
            delivered = sum(document["outcome"] == "delivered" for document in rig.source.served())
            assert rig.topic.answers == delivered, "what was asked is waited for, and kept"
            took.append(took_s)
    assert max(took) <= STOP_S
    print(f"\n{times} stops: median {sorted(took)[len(took) // 2]:.1f} s, longest {max(took):.1f} s")


async def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    async with at_work(tmp_path, latency_s=30.0) as rig:
        await rig.until(lambda: len(rig.events("fleet.producer_joined")) == 3, 20, "producers")
        rig.daemon.process.send_signal(signal.SIGINT)
        await rig.until(lambda: rig.events("topic.finishing"), 5, "it waits for what is under way")
        code, took_s = await rig.end(signal.SIGINT)
        assert code == 130
        assert took_s <= 2.0
        assert processes_of(rig.daemon.pid) == []
