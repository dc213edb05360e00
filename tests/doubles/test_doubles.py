"""The doubles are measured against too: they must be what they say they are."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.doubles import Double, Fault, Script, World
from tests.doubles.reading import understood
from tests.doubles.server import APIS
from tests.doubles.styles import STYLES

WORLD = World(items=400, categories=6, seed=2)


async def post(url: str, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """A request by hand, over a connection of its own."""
    host, port = url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    reply = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return int(head.split(b" ")[1]), reply


def chat(prompt: str, model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


async def listed(double: Double, prompt: str) -> list[str]:
    _, reply = await post(double.base_url, "/v1/chat/completions", chat(prompt))
    return str(json.loads(reply)["choices"][0]["message"]["content"]).split("\n")


def test_the_world_is_the_same_everywhere_and_another_with_another_seed() -> None:
    assert World(items=400, categories=6, seed=2).catalogue == WORLD.catalogue
    assert World(items=400, categories=6, seed=3).catalogue != WORLD.catalogue
    names = [item.name.casefold() for item in WORLD.catalogue]
    assert len(set(names)) == len(names) == 400


def test_models_know_overlapping_parts_and_the_famous_best() -> None:
    one, two = (set(WORLD.known(model)) for model in ("a", "b"))
    assert 0.6 < len(one) / 400 < 0.8
    assert one - two
    assert two - one
    top, bottom = (sum(item in one for item in part) for part in (WORLD.catalogue[:100], WORLD.catalogue[300:]))
    assert top > bottom
    picked = WORLD.pick("a", 10_000, lambda item: True, Random(1))
    assert sorted(picked) == sorted(item.name for item in one)


async def test_the_number_the_slice_and_the_exclusion_are_honoured() -> None:
    by_name = {item.name: item for item in WORLD.catalogue}
    async with Double("openai", WORLD, style="plain") as double:
        assert len(await listed(double, "Topic: X\n\nList 17 different items of it.")) == 17
        museums = await listed(double, "Topic: X\n\nOnly: museums\n\nList 15 different items of it.")
        assert {by_name[name].category for name in museums} == {"museums"}
        old = await listed(double, "Topic: X\n\nOnly: old museums (within museums)\n\nList 5 items.")
        assert {by_name[name].labels[1] for name in old} == {"old museums"}
        for phrase, letters in (("B, C or D", "BCD"), ("S", "S"), ("B–D", "BCD")):
            names = await listed(double, f"Topic: X\n\nOnly: names that begin with {phrase}\n\nList 20 items.")
            assert {name[0] for name in names} <= set(letters)
        known = "\n".join(museums)
        others = await listed(
            double, f"Only: museums\n\nList 9 items.\n\nAlready known, do not repeat:\n{known}\n\nNow list 9 others."
        )
        assert not set(others) & set(museums)


async def test_splits_and_verdicts() -> None:
    async with Double("openai", WORLD) as double:
        (whole,) = await listed(double, "Topic: X\n\nName 15-25 disjoint sub-categories of the topic")
        assert sorted(json.loads(whole)) == sorted({item.category for item in WORLD.catalogue})
        (below,) = await listed(double, 'Topic: X\n\nName 5-8 disjoint sub-categories of the category "parks"')
        assert set(json.loads(below)) == {f"{kind} parks" for kind in ("old", "coastal", "hidden", "northern")}
        real = WORLD.catalogue[3].name
        verdicts = await listed(double, f"Real? Reply with its number and yes or no.\n\n1. {real}\n2. Nowhere Hall")
        assert verdicts == ["1. yes", "2. no"]


@pytest.mark.parametrize("style", sorted(STYLES))
async def test_every_style_holds_every_item(style: str) -> None:
    async with Double("openai", WORLD, style=style) as double:
        text = "\n".join(await listed(double, "List 8 items"))
        assert len(double.log[0].items) == 8
        assert all(name in text for name in double.log[0].items)


def test_a_prompt_without_a_wish_is_a_list_of_thirty() -> None:
    assert understood("Paris?", WORLD.labels).count == 30


async def test_keys_routes_and_bodies_are_checked() -> None:
    async with Double("openai", WORLD, key="right") as double:
        path = "/v1/chat/completions"
        assert (await post(double.base_url, path, chat("List 2"), {"authorization": "Bearer wrong"}))[0] == 401
        assert (await post(double.base_url, path, chat("List 2"), {"authorization": "Bearer right"}))[0] == 200
        assert (await post(double.base_url, "/v2/chat", chat("List 2")))[0] == 404
        assert (await post(double.base_url, path, {"model": "x"}))[0] == 400
    async with Double("anthropic", WORLD) as double:
        version = {"anthropic-version": "2026-10-21"}
        body = chat("List 2", "claude-haiku-4-5", max_tokens=100)
        assert (await post(double.base_url, "/v1/messages", body, version))[0] == 200
        assert (await post(double.base_url, "/v1/messages", {**body, "temperature": 1.0}, version))[0] == 400
        assert (await post(double.base_url, "/v1/messages", body))[0] == 400


async def test_tokens_per_minute_are_enforced() -> None:
    async with Double("openai", WORLD, tpm=1000) as double:
        statuses = [
            (await post(double.base_url, "/v1/chat/completions", chat("List 2", max_tokens=400)))[0] for _ in range(3)
        ]
    assert statuses == [200, 200, 429]


def test_a_script_draws_the_same_faults_from_the_same_seed() -> None:
    text = '{"at": {"0": {"name": "key"}}, "chances": [[{"name": "server"}, 0.3], [{"name": "hang"}, 0.1]], "seed": 5}'
    drawn = [Script.from_json(text).fault(n) for n in range(2000)]
    assert drawn == [Script.from_json(text).fault(n) for n in range(2000)]
    names = [fault.name if fault else None for fault in drawn]
    assert names[0] == "key"
    assert 0.26 < names.count("server") / 2000 < 0.34
    assert 0.05 < names.count("hang") / 2000 < 0.09
    with pytest.raises(ValueError, match="earthquake"):
        Fault("earthquake")


@pytest.mark.parametrize("api", sorted(APIS))
async def test_as_a_process_it_keeps_a_ledger(api: str, tmp_path: Path) -> None:
    ledger = tmp_path / "served.jsonl"
    flags = ["--api", api, "--ledger", str(ledger), "--world", '{"items": 100, "categories": 3}']
    script = '{"at": {"1": {"name": "server"}}}'
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.doubles", *flags, "--script", script, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    requests = {
        "openai": ("/v1/chat/completions", chat("List 4 items")),
        "anthropic": ("/v1/messages", chat("List 4 items", "claude-haiku-4-5", max_tokens=999)),
        "gemini": (
            "/v1beta/models/gemini-2.5-flash-lite:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "List 4 items"}]}]},
        ),
    }
    path, body = requests[api]
    statuses = [(await post(url, path, body, {"anthropic-version": "2026-10-21"}))[0] for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert statuses == [200, 500]
    first, second = (json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines())
    assert (first["outcome"], first["status"], len(first["items"])) == ("delivered", 200, 4)
    assert first["cost_usd"] > 0
    assert (second["outcome"], second["status"], second["items"], second["cost_usd"]) == ("refused", 500, [], 0)
    assert first["prompt_hash"] == second["prompt_hash"]
