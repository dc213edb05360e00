"""Bar 1: SIGKILL at random moments and at chosen places, half to daemons and half to producers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.kills import ORPHAN_S, episode


async def test_sixty_kills_lose_nothing_double_nothing_and_leave_nothing_behind(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    async with asyncio.timeout(300):
        one, two = await asyncio.gather(*(episode(folder, 31, seed) for seed, folder in enumerate(folders)))
    assert (one.faults, two.faults) == ([], [])
    assert one.kills + two.kills >= 60
    assert min(one.daemon_kills + two.daemon_kills, one.producer_kills + two.producer_kills) >= 25
    assert one.answers + two.answers >= 20, "kills between which nothing happens show nothing"
    assert max(one.longest_orphan_s, two.longest_orphan_s) <= ORPHAN_S


# Each breaks one promise; the fault that the harness then finds must be the one that was planted.
@pytest.mark.parametrize(
    ("bug", "place", "found"),
    [
        ("ack_first", "before_answers", "were acknowledged, the ledger has"),
        ("no_dedup", "after_answers", "was answered twice"),
        ("no_tail_mending", "torn_append", "output.txt"),
        ("no_spool", "before_answers", "were received and spooled and are lost"),
    ],
)
async def test_the_harness_finds_a_planted_bug(tmp_path: Path, bug: str, place: str, found: str) -> None:
    figures = await episode(tmp_path, 8, seed=1, bugs=[bug], only=place)
    assert any(found in fault for fault in figures.faults), figures
