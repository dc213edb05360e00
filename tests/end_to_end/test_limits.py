"""Limits, money and keys with real daemons, real producers and providers that enforce what they allow."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.doubles.quota import Bucket
from tests.doubles.server import Double
from tests.doubles.world import World
from tests.end_to_end.command import Daemon, daemon, igentai, until

pytestmark = pytest.mark.alone

MODEL = "openai:gpt-4o-mini"
GOOD, BAD, OTHER = "sk-good-0000000000", "sk-bad-00000000000", "sk-other-000000000"
RPM = 600
SECONDS = 14
# LD_PRELOADed: the wall clock is a day ahead in every other second, and a day behind in the rest.
JUMPING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) {
    struct timespec up;
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    real(CLOCK_MONOTONIC, &up);
    return up.tv_sec % 2 ? 86400 : -86400;
}
int clock_gettime(clockid_t id, struct timespec *at) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += shift();
    return done;
}
int gettimeofday(struct timeval *at, void *zone) {
    int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int done = real(at, zone);
    at->tv_sec += shift();
    return done;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def limited(rpm: int = RPM) -> Double:
    """A provider that lets two seconds' worth through at once, and no more than its limit.

    (One second's worth in the simulated test: there is no busy machine between the desk and the provider.)
    """
    double = Double("openai", World(items=2_000, categories=20), latency_s=0.3, style="numbered", rpm=rpm)
    double._rpm = Bucket(rpm, burst=rpm // 30)
    said = {"x-ratelimit-limit-requests": str(rpm), "x-ratelimit-reset-requests": "100ms"}
    double._limits = lambda: said  # type: ignore[method-assign]  # those of a double in general say "a day"
    return double


def settings(folder: Path, text: str) -> None:
    (folder / "igentai.toml").write_text(text)


def key_file(folder: Path, name: str, key: str) -> Path:
    path = folder / name
    path.write_text(key + "\n")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return path


def explore(*more: str) -> tuple[str, ...]:
    """One that asks whatever it may."""
    plain = ("--no-saturation", "--request-size", "5", "--policy", "round_robin", "--partition", "none")
    return ("explore", "cities", "--provider", MODEL, *plain, *more)


def used(double: Double) -> tuple[float, int, float]:
    """After the first second: the share of the limit that was used, how many were turned away, over how long."""
    first, last = double.log[0].at + 1.0, double.log[-1].at
    after = [entry for entry in double.log if entry.at >= first]
    delivered = sum(entry.status == 200 for entry in after)
    return delivered / (RPM / 60 * (last - first)), len(after) - delivered, last - first


async def test_eight_producers_use_the_limit_and_are_never_turned_away(tmp_path: Path) -> None:
    settings(tmp_path, f"[providers.openai]\nrequests_per_minute = {RPM}\n")
    async with limited() as double:
        env = {"OPENAI_API_KEY": GOOD, "OPENAI_BASE_URL": double.base_url}
        most = str(RPM // 60 * SECONDS)
        done = await igentai(*explore("-n", "8", "--concurrency", "4", "--max-requests", most), cwd=tmp_path, env=env)
        share, turned_away, seconds = used(double)
    assert done.code == 0, done.err
    assert turned_away == 0
    assert share >= 0.9, f"{share:.1%} of the limit over {seconds:.1f} s"


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler to move the clock")
async def test_a_wall_clock_that_jumps_by_a_day_every_second_changes_nothing(tmp_path: Path) -> None:
    """Bar 13: no restart without a cause, and the limit holds."""
    source, shim = tmp_path / "jumping.c", tmp_path / "jumping.so"
    source.write_text(JUMPING)
    compiler = await asyncio.create_subprocess_exec("cc", "-shared", "-fPIC", "-o", shim, source, "-ldl")
    assert await compiler.wait() == 0
    settings(tmp_path, f"[providers.openai]\nrequests_per_minute = {RPM}\n")
    today = {datetime.now(UTC).date().isoformat()}
    async with limited() as double:
        env = {"OPENAI_API_KEY": GOOD, "OPENAI_BASE_URL": double.base_url, "LD_PRELOAD": str(shim)}
        flags = explore("-n", "4", "--concurrency", "4", "--max-requests", "100", "--log-level", "info")
        done = await igentai(*flags, cwd=tmp_path, env=env)
        share, turned_away, _ = used(double)
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.err.split("\n") if line.startswith("{")]
    names = Counter(event.get("event") for event in events)
    days = {event["timestamp"][:10] for event in events if "timestamp" in event}
    assert days, "events are stamped"
    assert not days & today, "the clock did jump: it is a day ahead, or a day behind, and never right"
    assert names["fleet.producer_spawned"] == 4, "none was restarted"
    assert not names["fleet.producer_hung"]
    assert not names["fleet.producer_silent"]
    assert turned_away == 0
    assert share >= 0.8


async def test_a_refused_key_idles_visibly_and_a_mended_one_goes_on_by_itself(tmp_path: Path) -> None:
    path = key_file(tmp_path, "key", BAD)
    settings(tmp_path, f'[providers.openai]\nkeys = ["file:{path}"]\n')
    async with Double("openai", key=GOOD, style="numbered") as double:
        env = {"OPENAI_BASE_URL": double.base_url}
        flags = ("--topic", "cities", "-n", "2", "--provider", MODEL, "--max-requests", "12")
        async with daemon(*flags, cwd=tmp_path, env=env) as running:
            await until(lambda: state(running) == "out", 30, "the provider is out")
            alerts = running.metrics("cities")["alerts"]
            assert any(f"set {path} to one that works" in alert["text"] for alert in alerts)
            refused = len(double.log)
            busy_s = await busy(running.pid, 4.0)
            assert busy_s <= 0.2, f"{busy_s / 4:.1%} of a processor while there is nothing to do"
            assert len(double.log) == refused <= 4, "not tried again"
            assert running.text().count('"provider.out"') == 1

            key_file(tmp_path, "key", GOOD)
            os.kill(running.pid, signal.SIGHUP)
            await until(lambda: len(running.lines("cities")) > 0, 30, "the new key is used")
            await until(lambda: state(running) == "ok", 10, "metrics.json, written once a second, says so")


def state(running: Daemon) -> str | None:
    found: str | None = running.metrics("cities").get("providers", {}).get(MODEL, {}).get("state")
    return found


async def busy(pid: int, seconds: float) -> float:
    """Processor seconds that a process used in the next `seconds`."""
    process = psutil.Process(pid)
    before = sum(process.cpu_times()[:2])
    await asyncio.sleep(seconds)
    return float(sum(process.cpu_times()[:2]) - before)


async def test_keys_take_turns_and_a_refused_one_is_out_alone(tmp_path: Path) -> None:
    good = key_file(tmp_path, "good", GOOD)
    settings(tmp_path, f'[providers.openai]\nkeys = ["file:{good}", "env:SECOND"]\n')
    async with Double("openai", World(items=500, categories=5), key=GOOD, style="numbered") as double:
        env = {"OPENAI_BASE_URL": double.base_url, "SECOND": BAD}
        done = await igentai(*explore("-n", "2", "--max-requests", "20"), cwd=tmp_path, env=env)
        sent = Counter(head["authorization"].removeprefix("Bearer ") for head in double.heads)
    assert done.code == 0, done.err
    assert 1 <= sent[BAD] <= 4
    assert sent[GOOD] == 20 - sent[BAD]
    metrics = json.loads((tmp_path / "outputs/cities/metrics.json").read_bytes())
    assert [key["state"] for key in metrics["providers"][MODEL]["keys"]] == ["ok", "out"]
    assert "set SECOND to one that works" in metrics["providers"][MODEL]["detail"]
    assert BAD not in done.out + done.err


async def test_an_hours_budget_counts_what_an_earlier_daemon_spent(tmp_path: Path) -> None:
    async with Double("openai", World(items=500, categories=5), style="numbered") as double:
        env = {"OPENAI_API_KEY": GOOD, "OPENAI_BASE_URL": double.base_url}
        first = explore("-n", "1", "--max-requests", "6", "--budget-per-hour", "0.5")
        assert (await igentai(*first, cwd=tmp_path, env=env)).code == 0
        spent = double.billed
        again = ("explore", "villages", "--provider", MODEL, "-n", "1", "--budget-per-hour", "0.0001", "--max-minutes")
        done = await igentai(*again, "0.05", "--log-level", "info", cwd=tmp_path, env=env)
    recalled = [json.loads(line) for line in done.err.split("\n") if "budget.hour_recalled" in line]
    assert recalled[0]["spent_usd"] == pytest.approx(spent, abs=1e-6)


async def test_a_budget_needs_every_price(tmp_path: Path) -> None:
    settings(tmp_path, '[providers.own]\nbase_url = "http://127.0.0.1:9/v1"\n')
    done = await igentai("explore", "x", "--provider", "own:m", "--budget-per-hour", "1", cwd=tmp_path)
    assert done.code == 2
    assert "needs the price of own:m" in done.err
