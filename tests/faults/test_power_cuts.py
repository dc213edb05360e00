"""Bar 2: power cuts, and the proof that the harness would see a missing fsync. Takes root and loop devices."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.end_to_end.command import REPOSITORY
from tests.faults.powercuts import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def cuts(*args: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: it forks the writers whose power is cut."""
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.powercuts", *args],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_what_was_acknowledged_survives_power_cuts() -> None:
    done = cuts("--cuts", "12", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("12 power cuts")


@pytest.mark.parametrize("bug", ["no_fsync", "ack_first"])
def test_the_harness_finds_a_planted_bug(bug: str) -> None:
    done = cuts("--cuts", "12", "--seed", "5", "--bug", bug)
    assert done.returncode == 1
    found = ("were acknowledged", "is gone", "does not parse", "cannot be recovered")
    assert any(words in done.stdout for words in found), done.stdout + done.stderr
