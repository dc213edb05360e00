"""The daemon with real producer processes: replaced when killed, gone when it goes, one an outputs folder."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from igentai.text import key
from tests.end_to_end.command import Daemon, daemon, igentai, until

SLOW = "simulated:large?latency=0.2"


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


def api(running: Daemon) -> httpx.Client:
    plate = running.plate()
    headers = {"Authorization": f"Bearer {plate['token']}"}
    return httpx.Client(base_url=plate["address"], headers=headers, trust_env=False, timeout=10)


async def test_eight_producers_one_killed_and_replaced_and_all_gone_at_the_end(tmp_path: Path) -> None:
    async with daemon("-n", "8", "-p", "0", "--topic", "cities", "--provider", SLOW, cwd=tmp_path) as running:
        await until(lambda: len(running.producers()) == 8 and running.lines("cities"), 20, "eight producers at work")
        before = running.producers()
        killed = before[3]
        os.kill(killed, signal.SIGKILL)
        start = time.monotonic()
        await until(lambda: len(running.producers()) == 8 and killed not in running.producers(), 5, "a new producer")
        replaced_after = time.monotonic() - start
        found = len(running.lines("cities"))
        await until(lambda: len(running.lines("cities")) > found + 50, 20, "the topic goes on")
        everyone = [c.pid for c in running.children()]
        running.process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        code = await running.ended(12)
        ended_after = time.monotonic() - start
        assert code == 0, running.text()
        assert gone(everyone)
    assert replaced_after <= 2.0
    assert ended_after <= 10.0
    assert not (tmp_path / "outputs/.daemon.json").exists()
    lines = running.lines("cities")
    assert len({key(line) for line in lines}) == len(lines)


async def test_a_killed_daemon_takes_its_producers_along_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async with daemon("-n", "3", "-p", "0", "--topic", "cities", "--provider", SLOW, cwd=tmp_path) as first:
        await until(lambda: len(first.lines("cities")) > 100, 20, "some attributes")
        children = [c.pid for c in first.children()]
        first.process.send_signal(signal.SIGKILL)
        await first.ended(5)
        await until(lambda: gone(children), 1.0, "no process outlives the orchestrator by more than a second")
        kept = first.lines("cities")
    async with daemon("-n", "3", "-p", "0", cwd=tmp_path) as second:
        await until(lambda: len(second.lines("cities")) > len(kept) + 100, 30, "it resumes by itself")
        lines = second.lines("cities")
        assert lines[: len(kept)] == kept
        assert len({key(line) for line in lines}) == len(lines)
        second.process.send_signal(signal.SIGINT)
        assert await second.ended(12) == 130


async def test_start_status_stop_and_export_by_command_and_by_api(tmp_path: Path) -> None:
    (tmp_path / "igentai.toml").write_text('[providers.lab]\nkind = "simulated"\nmodel = "small"\n')
    async with daemon("-n", "2", "-p", "0", cwd=tmp_path) as running:
        await until(lambda: running.plate(), 10, "the doorplate")
        with api(running) as client:
            assert [row["key"] for row in client.get("/api/providers").json()] == ["lab:small"]
            assert client.patch("/api/providers", json={"weights": {"lab:small": 1}}).status_code == 409
        started = await igentai("start", "cities", "--provider", SLOW, cwd=tmp_path)
        assert (started.code, started.out.split(":")[0]) == (0, "cities"), started.err
        await until(lambda: running.lines("cities"), 20, "attributes")
        limits = ("--max-requests", "4", "--min-yield", "0.5", "--policy", "fixed")
        queued = await igentai("start", "rivers", "--provider", SLOW, *limits, cwd=tmp_path)
        assert (queued.code, queued.out) == (0, "rivers: waits behind cities\n"), queued.err
        shown = await igentai("status", cwd=tmp_path)
        assert "cities:" in shown.out
        assert "waiting: rivers" in shown.out
        with api(running) as client:
            rows = client.get("/api/topics/cities/attributes?after=0&limit=5").json()["attributes"]
            assert [row["number"] for row in rows] == [1, 2, 3, 4, 5]
            assert [row["text"] for row in rows] == running.lines("cities")[:5]
            assert client.get("/healthz").status_code == 200
            waits = "/api/topics/rivers"
            assert client.get(f"{waits}/attributes").json() == {"attributes": [], "next": None}
            assert client.get(f"{waits}/attributes/1").status_code == 404
            assert client.get(f"{waits}/metrics").json() == {"topic": "rivers", "status": "queued"}
            assert "waits for its turn" in client.get(f"{waits}/export").json()["error"]
            lakes = {"topic": "lakes", "providers": [SLOW]}
            assert client.post("/api/topics", json=lakes).json()["status"] == "queued"
            assert client.post("/api/topics/lakes/stop").json()["status"] == "stopped"
        assert (await igentai("stop", cwd=tmp_path)).code == 0
        await until(lambda: running.metrics("rivers").get("status") == "finished", 30, "the queued topic ran")
        assert running.metrics("cities")["status"] == "stopped"
        state = json.loads((tmp_path / "outputs/rivers/state.json").read_bytes())
        configured = state["configuration"]
        assert (configured["limits"]["min_yield"], configured["policy"], configured["seed"]) == (0.5, "fixed", 0)
        assert state["weights"] == {SLOW: 1.0}
        exported = await igentai("export", "cities", "-f", "csv", cwd=tmp_path)
        assert len(exported.out.strip().split("\n")) == len(running.lines("cities")) + 1
        again = await igentai("start", "rivers", "--provider", SLOW, cwd=tmp_path)
        assert again.code != 0
        assert "--resume" in again.err


async def test_a_second_daemon_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    async with daemon("-n", "1", "-p", "0", cwd=tmp_path) as first:
        await until(lambda: first.plate(), 10, "the doorplate")
        second = await igentai("explore", "cities", "--provider", "simulated:small", cwd=tmp_path)
        assert second.code == 2
        assert f"pid {first.pid}" in second.err
        assert len(second.err.strip().split("\n")) == 1


async def test_the_page_is_closed_to_those_without_the_token(tmp_path: Path) -> None:
    async with daemon("-n", "1", "-p", "0", cwd=tmp_path) as running:
        await until(lambda: running.plate(), 10, "the doorplate")
        address = running.plate()["address"]
        async with httpx.AsyncClient(base_url=address, trust_env=False) as stranger:
            assert (await stranger.get("/api/status")).status_code == 401
            signed_in = await stranger.get(running.plate()["sign_in"].removeprefix(address), follow_redirects=True)
            assert signed_in.status_code == 200
            assert (await stranger.get("/api/status")).status_code == 200
        mode = (tmp_path / "outputs/.daemon.json").stat().st_mode & 0o777
        assert mode == 0o600


@pytest.mark.parametrize("interrupted", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_exploration_can_be_resumed(tmp_path: Path, interrupted: signal.Signals) -> None:
    import asyncio
    import sys

    from tests.end_to_end.command import environment

    explore = ["explore", "cities", "-n", "2", "--provider", SLOW]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "igentai_orchestrator", *explore),
        cwd=tmp_path,
        env=environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output = tmp_path / "outputs/cities/output.txt"
    await until(lambda: output.exists() and output.stat().st_size > 200, 20, "some attributes")
    process.send_signal(interrupted)
    async with asyncio.timeout(12):
        assert await process.wait() == 130
    kept = output.read_bytes()
    done = await igentai(*explore, "--resume", "--max-attributes", str(kept.count(b"\n") + 50), cwd=tmp_path)
    assert done.code == 0, done.err
    after = output.read_bytes()
    assert after.startswith(kept)
    assert after.count(b"\n") >= kept.count(b"\n") + 50
