"""Bar 12 in small: 20 kills with 64 requests in flight. `python -m tests.faults.budget_kills` does 100."""

from __future__ import annotations

from pathlib import Path

from tests.faults.budget_kills import spend


async def test_what_is_billed_stays_within_the_budget_whoever_is_killed(tmp_path: Path) -> None:
    spent = await spend(tmp_path, kills=20)
    assert spent.billed <= spent.budget, str(spent)
    assert spent.counted <= spent.budget, str(spent)
    assert spent.kills >= 20
    assert spent.reason.startswith("--budget"), str(spent)
