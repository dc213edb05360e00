"""Bar 4: the disk fills up, again and again, and the work goes on by itself once there is room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disks import WHY, allowed, disk, fill
from tests.faults.rig import Rig, at_work

pytestmark = pytest.mark.skipif(not allowed(), reason=WHY)
GOES_ON_S = 10.0
IN_FLIGHT_S = 0.5  # what was asked before the disk was found to be full is over by then
FULL_S = 1.5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "disk", megabytes=64) as mounted:  # a write-ahead log takes 16 before it is emptied
        yield mounted


async def fills_up(rig: Rig, where: Path) -> float:
    """One time. Seconds from room to work."""
    async with await rig.page() as page:
        await rig.working()
        ballast = fill(where)

        async def health() -> int:
            return (await page.get("/healthz")).status_code

        deadline = time.monotonic() + 20
        while await health() != 503:
            assert time.monotonic() < deadline, "a full disk is told by /healthz"
            fill(where)
            await asyncio.sleep(0.02)
        alerts = (await page.get("/api/status")).json()["alerts"]
        assert any("no space left" in alert["text"] for alert in alerts), alerts
        await asyncio.sleep(IN_FLIGHT_S)
        asked, lines = rig.source.count(), rig.lines()
        await asyncio.sleep(FULL_S)
        assert rig.source.count() == asked, "no provider is asked while answers cannot be kept"
        assert rig.lines() == lines
        ballast.unlink()
        began = time.monotonic()
        await rig.until(lambda: rig.source.count() > asked and rig.lines() > lines, GOES_ON_S, "it goes on by itself")
        took_s = time.monotonic() - began
        assert await health() == 200
        return took_s


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.torture)])
async def test_a_full_disk_loses_nothing_and_costs_nothing(tmp_path: Path, small_disk: Path, times: int) -> None:
    async with at_work(tmp_path, "-p", "0", outputs=small_disk / "outputs") as rig:
        await rig.warm()
        took = [await fills_up(rig, small_disk) for _ in range(times)]
        code, _ = await rig.end()
        assert code == 0, rig.daemon.text()[-3000:]
        assert rig.at_rest() == []
    print(f"\ndisk full {times} times: goes on after {sorted(round(s, 1) for s in took)} s")


async def test_a_daemon_ends_in_time_on_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    async with at_work(tmp_path, outputs=small_disk / "outputs") as rig:
        await rig.working()
        ballast = fill(small_disk)
        await rig.until(lambda: rig.events("archive.troubled"), 20, "the trouble is noticed")
        code, took_s = await rig.end()
        assert took_s <= 10
        assert code != 0, "not everything could be written"
        ballast.unlink()
    async with at_work(tmp_path, outputs=small_disk / "outputs") as again:
        await again.working()
        assert (await again.end())[0] == 0
        assert again.at_rest() == []
