"""The main job against local servers that speak the three providers' own HTTP APIs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from igentai.text import key
from tests.doubles.script import Fault, Script
from tests.doubles.server import Double
from tests.doubles.world import World
from tests.end_to_end.command import igentai

MODELS = ("openai:gpt-4o-mini", "anthropic:claude-haiku-4-5", "gemini:gemini-2.5-flash-lite")


def addresses(openai: Double, anthropic: Double, gemini: Double) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": "sk-test-openai-000000000000",
        "ANTHROPIC_API_KEY": "sk-ant-test-000000000000",
        "GEMINI_API_KEY": "AIza-test-000000000000",
        "OPENAI_BASE_URL": openai.base_url,
        "ANTHROPIC_BASE_URL": anthropic.base_url,
        "GOOGLE_GEMINI_BASE_URL": gemini.base_url,
    }


def flags(*more: str) -> list[str]:
    said = ["explore", "cities", "-n", "4"]
    for model in MODELS:
        said += ["--provider", model]
    return [*said, *more]


@pytest.mark.parametrize("stream", [True, False])
async def test_everything_delivered_is_kept_once_and_costs_what_it_cost(tmp_path: Path, *, stream: bool) -> None:
    world = World(items=3000, categories=30)
    if not stream:
        tables = "".join(f"[providers.{name}]\nstream = false\n" for name in ("openai", "anthropic", "gemini"))
        (tmp_path / "igentai.toml").write_text(tables)
    async with Double("openai", world) as openai, Double("anthropic", world) as anthropic:
        async with Double("gemini", world) as gemini:
            env = addresses(openai, anthropic, gemini)
            done = await igentai(
                *flags("--max-requests", "60", "--outputs", "here", "--no-saturation"), cwd=tmp_path, env=env
            )
            served = [*openai.log, *anthropic.log, *gemini.log]
            billed = openai.billed + anthropic.billed + gemini.billed
    assert done.code == 0, done.err
    assert len(served) == 60
    assert {entry.stream for entry in served} == {stream}
    assert all(double.log for double in (openai, anthropic, gemini)), "every provider was asked"

    metrics = json.loads((tmp_path / "here/cities/metrics.json").read_bytes())
    assert metrics["stop_reason"] == "--max-requests 60 reached"
    assert metrics["requests"] == {"ok": 60, "failed": 0}
    assert metrics["cost_usd"] == pytest.approx(billed, abs=1e-9)

    lines = (tmp_path / "here/cities/output.txt").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    keys = [key(line) for line in lines]
    assert len(set(keys)) == len(keys), "no key twice"
    listed = [entry for entry in served if "sub-categories" not in entry.prompt]
    delivered = {key(item) for entry in listed for item in entry.items}
    assert delivered == set(keys), "every item of every delivered reply, and nothing else"


async def test_faults_are_retried_and_nothing_delivered_is_lost(tmp_path: Path) -> None:
    world = World(items=2000, categories=20)
    faulty = Script(
        chances=((Fault("rate_limit", wait_s=0.05), 0.1), (Fault("server"), 0.05), (Fault("reset_before"), 0.05))
    )
    async with Double("openai", world, faulty) as openai, Double("anthropic", world, faulty) as anthropic:
        async with Double("gemini", world, faulty) as gemini:
            env = addresses(openai, anthropic, gemini)
            done = await igentai(*flags("--max-requests", "50", "--no-saturation"), cwd=tmp_path, env=env)
            served = [*openai.log, *anthropic.log, *gemini.log]
    assert done.code == 0, done.err
    assert len(served) == 50, "failed attempts count as requests"
    metrics = json.loads((tmp_path / "outputs/cities/metrics.json").read_bytes())
    failed = sum(entry.outcome != "delivered" for entry in served)
    assert failed > 0
    assert metrics["requests"] == {"ok": 50 - failed, "failed": failed}
    keys = {key(line) for line in (tmp_path / "outputs/cities/output.txt").read_text().split("\n")[:-1]}
    delivered = {
        key(item)
        for entry in served
        if entry.outcome == "delivered" and "sub-categories" not in entry.prompt
        for item in entry.items
    }
    assert delivered == keys


async def test_a_refused_key_ends_explore_with_the_line_that_mends_it(tmp_path: Path) -> None:
    async with Double("openai", key="sk-another-key-0000000") as openai:
        env = {"OPENAI_API_KEY": "sk-test-openai-000000000000", "OPENAI_BASE_URL": openai.base_url}
        done = await igentai("explore", "cities", "-n", "2", cwd=tmp_path, env=env)
        asked = len(openai.log)
    assert done.code == 3, done.err
    assert "does not accept the key" in done.out
    assert asked <= 4, "not retried: no more than what was in flight"
    assert "sk-test-openai" not in done.out + done.err
