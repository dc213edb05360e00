"""Bad input gets one clear line that says what to do instead, and the exit code that goes with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.end_to_end.command import igentai

SMALL = ("--provider", "simulated:small")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("explore", "cities", "--provider", "nosuch:x"), 2, "say one of openai"),
        (("explore", "cities", "--provider", "openai:gpt-4o-mini"), 3, "set OPENAI_API_KEY"),
        (("explore", "!!!", *SMALL), 2, "say it in words"),
        (("explore", " ", *SMALL), 2, "the topic is empty"),
        (("explore", "cities", "--outputs", "/proc/nowhere", *SMALL), 2, "name another one"),
        (("explore", "cities", "--provider", "openai:m=7"), 2, "no number from 0 to 1"),
        (("explore", "cities", "--nosuch"), 2, "igentai explore --help"),
        (("explore", "cities", "--config", "nowhere.toml", *SMALL), 2, "check --config"),
        (("explore", "cities", "--overwrite", "--resume", *SMALL), 2, "contradict"),
        (("explore", "cities", "--categories", "nowhere.txt", *SMALL), 2, "cannot be read"),
        (("explore", "dog", "breeds", *SMALL), 2, "in quotes"),
        (("orchestrator", "dog breeds", *SMALL), 2, "a topic is said with --topic"),
        (("status", "now"), 2, "argument(s) (now) (see"),
        (("status",), 2, "igentai orchestrator -p 8080"),
        (("export", "nothing"), 2, "igentai topics"),
        (("producer", "--orchestrator-addr", "127.0.0.1:9"), 2, "IGENTAI_PRODUCER_SECRET_FILE"),
    ],
)
async def test_one_line_that_says_what_to_do(tmp_path: Path, args: tuple[str, ...], code: int, says: str) -> None:
    done = await igentai(*args, cwd=tmp_path)
    lines = done.err.strip().split("\n")
    assert (done.code, len(lines)) == (code, 1), done.err
    assert lines[0].startswith("igentai: ")
    assert says in lines[0]


async def test_a_port_in_use(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        done = await igentai("explore", "cities", "-p", str(port), *SMALL, cwd=tmp_path)
    assert done.code == 2
    assert f"{port} is taken" in done.err
    assert len(done.err.strip().split("\n")) == 1


async def test_a_budget_without_a_price_says_how_to_set_one(tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": "sk-test-000000000000", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = await igentai("explore", "x", "--provider", "openai:no-such-model", "--budget", "1", cwd=tmp_path, env=env)
    assert done.code == 2
    assert '[prices."openai:no-such-model"]' in done.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("producers = 0\n", "producers"),
        ("nonsense = 1\n", "nonsense"),
        ("producers = \n", "not valid TOML"),
        ("[providers.mine]\nmodel = 'm'\n", "needs base_url"),
    ],
)
async def test_a_wrong_configuration_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "igentai.toml").write_text(text)
    done = await igentai("explore", "cities", *SMALL, cwd=tmp_path)
    assert done.code == 2, done.err
    assert says in done.err
    assert len(done.err.strip().split("\n")) == 1


async def test_a_topic_that_is_there_needs_a_word_and_both_words_work(tmp_path: Path) -> None:
    run = ("explore", "C", *SMALL, "-n", "1", "--max-requests", "3")
    assert (await igentai(*run, cwd=tmp_path)).code == 0
    assert (await igentai(*run, cwd=tmp_path)).code == 2
    assert (await igentai(*run[:1], "C++", *run[2:], cwd=tmp_path)).code == 0
    folders = sorted(p.name for p in (tmp_path / "outputs").iterdir() if p.is_dir() and not p.name.startswith("."))
    assert len(folders) == 2, "C and C++ are two topics"
    kept = (tmp_path / "outputs/c/output.txt").read_bytes()
    assert (await igentai(*run[:-1], "6", "--resume", cwd=tmp_path)).code == 0
    assert (tmp_path / "outputs/c/output.txt").read_bytes().startswith(kept)
    assert (await igentai(*run, "--overwrite", cwd=tmp_path)).code == 0
