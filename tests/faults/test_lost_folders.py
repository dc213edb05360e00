"""The outputs folder becomes read-only, or is deleted, under a running daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.rig import Rig, at_work


async def trouble(rig: Rig, words: str) -> None:
    """The page and /healthz say what is wrong, and nobody is asked."""
    async with await rig.page() as page:
        await rig.until(lambda: rig.events("archive.troubled"), 20, "the trouble is noticed")
        health = await page.get("/healthz")
        assert health.status_code == 503
        assert any(words in alert["text"] for alert in (await page.get("/api/status")).json()["alerts"])


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk is mounted read-only, which takes root")
async def test_a_folder_that_turns_read_only_is_waited_for(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)], check=True)
    (disk / "outputs").mkdir()
    try:
        async with at_work(tmp_path, "-p", "0", outputs=disk / "outputs") as rig:
            await rig.working()
            # As a failing disk does it: those who write keep their descriptors, and writing fails. A remount is
            # refused while files are open for writing, so the folder is made immutable to all but its open files.
            topic = disk / "outputs" / "cities"
            subprocess.run(["mount", "--bind", str(disk / "outputs"), str(disk / "outputs")], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(disk / "outputs")], check=True)
            await trouble(rig, "read-only")
            subprocess.run(["umount", "-l", str(disk / "outputs")], check=True)
            assert topic.exists()
            await rig.working()
            assert (await rig.end())[0] == 0
            assert rig.at_rest() == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


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
        await rig.working()
        shutil.rmtree(rig.topic.folder, ignore_errors=True)
        shutil.rmtree(rig.topic.folder, ignore_errors=True)  # what was being written meanwhile
        await trouble(rig, "the folder is gone")
        asked = rig.source.count()
        await rig.until(lambda: rig.source.count() >= asked, 1, "a moment")
        code, took_s = await rig.end()
        assert took_s <= 10
        assert code != 0
