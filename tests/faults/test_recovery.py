"""Bar 5: a daemon that was killed is at work again soon, however much it has found."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from igentai_orchestrator.core.records import AssignmentRecord
from igentai_orchestrator.core.topic import Limits, ModelChoice
from igentai_orchestrator.shell.archive import Archive
from tests.doubles.storage import Listener, answer, spec
from tests.end_to_end.command import until
from tests.faults.kills import zygote
from tests.faults.provider import provider
from tests.faults.rig import TOPIC

pytestmark = pytest.mark.alone

EACH = 40  # attributes of an answer, a third of them repeats


def ledger_of(outputs: Path, attributes: int) -> None:
    """A topic that was cut off after so many attributes, as a daemon would have left it."""
    archive, listener = Archive(outputs), Listener()
    archive.claim()
    topic = replace(spec(TOPIC, TOPIC), models=(ModelChoice("openai", "gpt-4o-mini"),), limits=Limits(saturation=False))
    archive.open(topic, "new", listener=listener)
    archive.write_state({"status": "running", "unique_attributes": attributes, "cost_usd": 0.0})
    ticket, number, count = 0, 1, 0
    fresh_each = EACH * 2 // 3
    while number <= attributes:
        count += 1
        fresh = [f"Attribute {n:x} of {n % 977} kinds" for n in range(number, number + fresh_each)]
        repeats = [1 + (n * 7919) % (number - 1) for n in range(EACH - fresh_each)] if number > 1 else []
        archive.submit(
            ticket + 1,
            AssignmentRecord(count, "openai", "gpt-4o-mini", "", "c0ffee", "list", 1, 0.001, EACH),
        )
        archive.submit(ticket + 2, answer(count, number, fresh, repeats, partition="", elapsed_s=count * 0.1))
        ticket += 2
        number += fresh_each
        if archive.backlog() > 50_000:
            due = ticket - 10_000
            listener.until(lambda said, due=due: said.ticket >= due)  # type: ignore[misc]  # a lambda with a default
    listener.until(lambda said: said.ticket >= ticket)
    asyncio.run(archive.close())
    archive.release()


@pytest.mark.parametrize(
    ("attributes", "within_s"),
    [
        (20_000, 1.0),
        pytest.param(100_000, 1.0, marks=pytest.mark.torture),
        pytest.param(1_000_000, 4.0, marks=pytest.mark.torture),
    ],
)
async def test_a_killed_daemon_is_ready_again_in_time(tmp_path: Path, attributes: int, within_s: float) -> None:
    """From its start, imports done, to the first request that it decides on."""
    await asyncio.to_thread(ledger_of, tmp_path / "outputs", attributes)
    log = tmp_path / "daemon.log"
    async with provider(tmp_path, latency_s=0.05) as source, zygote(source.variables()) as daemons:
        began = time.monotonic()
        pid = await daemons.start(["orchestrator", "-n", "2"], tmp_path, log, [])
        await until(lambda: log.exists() and '"topic.opened"' in log.read_text(), 120, "the topic is open")
        opened_s, worked_s = time.monotonic() - began, sum(psutil.Process(pid).cpu_times()[:2])
        await until(lambda: source.count() > 0, 60, "a provider is asked")
        asked_s = time.monotonic() - began
        os.kill(pid, signal.SIGKILL)
        await daemons.ended(pid, 10)
    print(
        f"\n{attributes} attributes: open after {opened_s:.2f} s ({worked_s:.2f} s of processor time), "
        f"the first answer after {asked_s:.2f} s"
    )
    assert worked_s <= within_s, "on a machine with nothing else to do that is the time it takes"
