"""The outputs folder becomes read-only, or is deleted, under a running daemon."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.faults.disks import WHY, allowed, disk, read_only
from tests.faults.rig import Rig, at_work

IN_FLIGHT_S = 0.5  # what was asked before is over by then


async def trouble(rig: Rig, words: str) -> None:
    """The page and /healthz say what is wrong, and nobody is asked."""
    async with await rig.page() as page:
        await rig.until(lambda: rig.events("archive.troubled"), 20, "the trouble is noticed")
        health = await page.get("/healthz")
        assert health.status_code == 503
        assert any(words in alert["text"] for alert in (await page.get("/api/status")).json()["alerts"])


@pytest.mark.skipif(not allowed(), reason=WHY)
async def test_a_folder_that_turns_read_only_is_waited_for(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", megabytes=32) as mounted:
        outputs = mounted / "outputs"
        outputs.mkdir()
        async with at_work(tmp_path, "-p", "0", outputs=outputs) as rig:
            await rig.working()
            with read_only(outputs):
                await trouble(rig, "read-only")
            await rig.working()
            assert (await rig.end())[0] == 0
            assert rig.at_rest() == []


async def test_a_folder_that_comes_back_is_gone_on_with(tmp_path: Path) -> None:
    async with at_work(tmp_path, "-p", "0") as rig:
        await rig.working()
        topic, aside = rig.topic.folder, tmp_path / "aside"
        topic.rename(aside)
        await trouble(rig, "the folder is gone")
        shutil.rmtree(topic, ignore_errors=True)
        aside.rename(topic)
        await rig.working()
        assert (await rig.end())[0] == 0
        assert rig.at_rest() == []


async def test_a_folder_that_is_deleted_is_told_and_costs_nothing(tmp_path: Path) -> None:
    async with at_work(tmp_path, "-p", "0") as rig:
        await rig.warm()
        shutil.rmtree(rig.topic.folder, ignore_errors=True)
        shutil.rmtree(rig.topic.folder, ignore_errors=True)  # what was being written meanwhile
        await trouble(rig, "the folder is gone")
        await asyncio.sleep(IN_FLIGHT_S)
        asked = rig.source.count()
        await asyncio.sleep(1)
        assert rig.source.count() == asked
        code, took_s = await rig.end()
        assert took_s <= 10
        assert code != 0
