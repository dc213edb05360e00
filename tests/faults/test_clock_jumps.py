"""Bar 13: the wall clock jumps a day forth and back every second; nothing but what people see depends on it."""

from __future__ import annotations

import ast
import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.command import REPOSITORY
from tests.faults.rig import at_work

# Who may ask what time it is on the wall, and what for.
ALLOWED = {
    "orchestrator/igentai_orchestrator/shell/archive/archive.py": "stamps of documents and rows",
    "orchestrator/igentai_orchestrator/shell/web/prometheus.py": "the time of a start, as Prometheus wants it",
    "orchestrator/igentai_orchestrator/certificate.py": "from when and until when a certificate holds",
    "orchestrator/igentai_orchestrator/tls.py": "whether a certificate is about to expire",
    "orchestrator/igentai_orchestrator/daemon/spending.py": "how long ago money was spent, by the stamps of rows",
    "producer/igentai_producer/lines.py": "stamps of log lines",
    "shared/igentai/batch/metrics.py": "stamps of a report",
    "shared/igentai/providers/direct.py": "a Retry-After that is a date",
    "shared/igentai/providers/sdk.py": "the same",
}
WALL = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")}


def wall_clock_users() -> dict[str, set[str]]:
    """Files of the product that name a wall clock, with the names."""
    found: dict[str, set[str]] = {}
    for package in ("orchestrator", "producer", "shared"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and (node.value.id, node.attr) in WALL
                ):
                    found.setdefault(str(path.relative_to(REPOSITORY)), set()).add(f"{node.value.id}.{node.attr}")
    return found


def test_the_wall_clock_is_asked_only_where_a_person_or_a_protocol_wants_it() -> None:
    assert sorted(wall_clock_users()) == sorted(ALLOWED)


@pytest.fixture(scope="session")
def jumping_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes CLOCK_REALTIME jump for whoever preloads it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("the clock is made to jump by a small C library, and there is no compiler")
    library = tmp_path_factory.mktemp("clock") / "clock_jumps.so"
    source = Path(__file__).with_name("clock_jumps.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


async def test_a_jumping_clock_restarts_nobody_and_breaks_no_limit(tmp_path: Path, jumping_clock: Path) -> None:
    (tmp_path / "igentai.toml").write_text("[providers.openai]\nrequests_per_minute = 240\n")
    env = {"LD_PRELOAD": str(jumping_clock)}
    async with at_work(tmp_path, env=env, rpm="240") as rig:
        await rig.working(more=10)
        await asyncio.sleep(8)
        outcomes = [document["outcome"] for document in rig.source.served()]
        assert outcomes.count("refused") == 0, "the limit holds"
        assert len(outcomes) >= 10, "and it goes on"
        for spurious in ("fleet.producer_silent", "fleet.producer_hung", "fleet.producer_exited", "fleet.slot_failed"):
            assert rig.events(spurious) == []
        assert (await rig.end())[0] == 0
        days = {line.split('"timestamp": "')[1][:10] for line in rig.daemon.text().split("\n") if '"timestamp"' in line}
        assert len(days) >= 2, "the clock did jump"
        assert rig.at_rest() == []
