"""`igentai batch` as people run it: the real command against a provider's double."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from igentai import logs
from igentai_orchestrator.cli import main
from tests.doubles import Double, Fault, Script, World
from tests.end_to_end.command import environment, igentai, until

WORLD = World(items=60, categories=3)
NAMES = ("index", "id", "text", "error", "usage", "cost_usd", "attempts", "provider", "model", "latency_ms")
KEY = "sk-test-batch-000000000000"


def keys(double: Double) -> dict[str, str]:
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": double.base_url}


def prompts(path: Path, n: int) -> None:
    path.write_text("".join(f'{{"prompt": "List 2 rivers, take {i}", "id": "r{i}"}}\n' for i in range(n)))


def rows(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def settled(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what differs from run to run."""
    return [
        {name: row[name] for name in NAMES if name not in ("latency_ms", "text", "usage", "cost_usd")} for row in found
    ]


async def batch(double: Double, cwd: Path, *flags: str, **said: Any) -> Any:
    return await igentai("batch", *flags, "--provider", "openai:gpt-4o-mini", cwd=cwd, env=keys(double), **said)


async def test_sequential_and_parallel_write_the_same_rows_in_order(tmp_path: Path) -> None:
    prompts(tmp_path / "in.jsonl", 40)
    async with Double("openai", WORLD, latency_s=0.01) as double:
        one = await batch(double, tmp_path, "in.jsonl", "-o", "one.jsonl")
        most_at_once_before = len(double.log)
        many = await batch(double, tmp_path, "in.jsonl", "-o", "many.jsonl", "--concurrency", "16", "--json")
    assert (one.code, many.code) == (0, 0), one.err + many.err
    assert most_at_once_before == 40
    first, second = rows(tmp_path / "one.jsonl"), rows(tmp_path / "many.jsonl")
    assert settled(first) == settled(second)
    assert tuple(first[0]) == NAMES
    assert [(row["index"], row["id"], row["error"]) for row in second] == [(i, f"r{i}", None) for i in range(40)]
    assert all(row["text"] and row["cost_usd"] > 0 and row["usage"]["tokens_out"] for row in second)
    assert json.loads(many.out)["succeeded"] == 40
    assert KEY not in one.err + many.err


async def test_csv_in_sqlite_and_csv_out_with_a_template(tmp_path: Path) -> None:
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], ["a", "first,\nwith a comma"], ["b", "second"]])
    async with Double("openai", WORLD) as double:
        for name in ("out.db", "out.csv"):
            done = await batch(double, tmp_path, "in.csv", "-o", name, "--template", "Summarise: {text}", "--parallel")
            assert done.code == 0, done.err
        asked = [entry.prompt for entry in double.log]
    assert Counter(asked) == {"Summarise: first,\nwith a comma": 2, "Summarise: second": 2}
    database = sqlite3.connect(tmp_path / "out.db")
    assert [row[0] for row in database.execute("SELECT id FROM results ORDER BY rowid")] == ["a", "b"]
    database.close()
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["a", "b"]


async def test_some_fail_exit_4_and_the_failed_file_can_be_asked_again(tmp_path: Path) -> None:
    prompts(tmp_path / "in.jsonl", 6)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("{broken\n")
    script = Script(at={1: Fault("bad_request"), 4: Fault("bad_request")})
    async with Double("openai", WORLD, script) as double:
        done = await batch(double, tmp_path, "in.jsonl", "-o", "out.jsonl", "--failed", "failed.jsonl")
        assert done.code == 4, done.err
        assert "3 failed (2 refused, 1 input)" in done.err
        found = rows(tmp_path / "out.jsonl")
        assert [row["error"]["kind"] if row["error"] else None for row in found] == [
            *(None, "refused", None, None, "refused", None, "input")
        ]
        assert [row.get("id") for row in rows(tmp_path / "failed.jsonl")] == ["r1", "r4", None]
        lines = (tmp_path / "failed.jsonl").read_text().split("\n")[:2]
        (tmp_path / "again.jsonl").write_text("\n".join(lines) + "\n")
        again = await batch(double, tmp_path, "again.jsonl", "-o", "again-out.jsonl")
    assert again.code == 0, again.err
    assert [row["id"] for row in rows(tmp_path / "again-out.jsonl")] == ["r1", "r4"]


async def test_fail_fast_marks_what_was_not_asked(tmp_path: Path) -> None:
    prompts(tmp_path / "in.jsonl", 30)
    async with Double("openai", WORLD, Script(at={3: Fault("bad_request")}), latency_s=0.02) as double:
        done = await batch(double, tmp_path, "in.jsonl", "-o", "out.jsonl", "--fail-fast", "--concurrency", "4")
        asked = len(double.log)
    assert done.code == 4, done.err
    kinds = Counter(row["error"]["kind"] if row["error"] else None for row in rows(tmp_path / "out.jsonl"))
    assert kinds["refused"] == 1
    assert kinds["cancelled"] >= 20
    assert sum(kinds.values()) == 30
    assert asked < 12


async def test_a_killed_run_resumes_without_paying_twice(tmp_path: Path) -> None:
    n, at_once = 300, 20
    prompts(tmp_path / "in.jsonl", n)
    flags = ("in.jsonl", "-o", "out.jsonl", "--concurrency", str(at_once), "--provider", "openai:gpt-4o-mini")
    async with Double("openai", WORLD, latency_s=0.05) as double:
        for kill_at in (70, 200):
            resume = ["--resume"] if kill_at > 70 else []
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "igentai_orchestrator", "batch", *flags, *resume),
                cwd=tmp_path,
                env=environment(keys(double)),
                stderr=asyncio.subprocess.DEVNULL,
            )

            def enough(at: int = kill_at) -> bool:
                return len(double.log) >= at

            await until(enough, 20, f"{kill_at} requests")
            process.send_signal(signal.SIGKILL)
            await process.wait()
        with (tmp_path / "out.jsonl").open("ab") as file:
            file.write(b'{"index": 99, "id": "torn')
        done = await batch(double, tmp_path, *flags[:5], "--resume")
        assert done.code == 0, done.err
        asked = Counter(entry.prompt for entry in double.log)
        calls = len(double.log)
        twice = await batch(double, tmp_path, *flags[:5], "--resume")
        assert len(double.log) == calls, "nothing is left to ask"
    assert twice.code == 0
    found = rows(tmp_path / "out.jsonl")
    assert [row["index"] for row in found] == list(range(n))
    assert all(row["error"] is None and row["text"] for row in found)
    assert len(asked) == n
    assert sum(asked.values()) - n <= 2 * at_once, "no more than what was in flight at the kills"


async def test_a_budget_holds_over_a_run_and_its_resumption(tmp_path: Path) -> None:
    prompts(tmp_path / "in.jsonl", 40)
    flags = ("in.jsonl", "-o", "out.jsonl", "--budget", "0.0002", "--concurrency", "5", "--max-tokens", "100")
    async with Double("openai", WORLD) as double:
        first = await batch(double, tmp_path, *flags)
        billed_first = double.billed
        second = await batch(double, tmp_path, *flags, "--resume")
        billed = double.billed
    assert (first.code, second.code) == (4, 4)
    assert 0 < billed_first <= billed <= 0.0002
    kinds = Counter(row["error"]["kind"] for row in rows(tmp_path / "out.jsonl") if row["error"])
    assert set(kinds) == {"budget"}


async def test_faults_are_asked_again_and_nothing_is_lost(tmp_path: Path) -> None:
    prompts(tmp_path / "in.jsonl", 100)
    chances = ((Fault("rate_limit", wait_s=0.05), 0.1), (Fault("server"), 0.05), (Fault("reset_before"), 0.05))
    async with Double("openai", WORLD, Script(chances=chances)) as double:
        done = await batch(
            double,
            tmp_path,
            "in.jsonl",
            "-o",
            "out.jsonl",
            "--concurrency",
            "10",
            "--retries",
            "6",
            "--retry-delay",
            "0.01",
        )
        delivered = Counter(entry.prompt for entry in double.log if entry.outcome == "delivered")
    assert done.code == 0, done.err
    found = rows(tmp_path / "out.jsonl")
    assert [row["index"] for row in found] == list(range(100))
    assert set(delivered.values()) == {1}
    assert max(row["attempts"] for row in found) > 1


async def test_a_refused_key_exits_3_and_asks_little(tmp_path: Path) -> None:
    prompts(tmp_path / "in.jsonl", 50)
    async with Double("openai", WORLD, key="sk-another") as double:
        done = await batch(double, tmp_path, "in.jsonl", "-o", "out.jsonl", "--concurrency", "4")
        asked = len(double.log)
    assert done.code == 3, done.err
    assert "does not accept the key" in done.err
    assert asked <= 4
    assert len(rows(tmp_path / "out.jsonl")) == 50


async def test_the_table_in_the_configuration_holds_and_flags_win(tmp_path: Path) -> None:
    prompts(tmp_path / "in.jsonl", 3)
    (tmp_path / "my.toml").write_text(
        '[batch]\nprovider = "openai:gpt-4o-mini"\ntemplate = "T {prompt}"\nmax_tokens = 7\nretry_on = [503]\n'
        "[providers.openai]\nrequests_per_minute = 6000\n"
    )
    async with Double("openai", WORLD) as double:
        flags = ("batch", "in.jsonl", "-o", "out.jsonl", "--config", "my.toml", "--max-tokens", "9")
        done = await igentai(*flags, cwd=tmp_path, env=keys(double))
        assert done.code == 0, done.err
        assert {body["max_tokens"] for body in double.bodies} == {9}
        assert all(entry.prompt.startswith("T List") for entry in double.log)
        (tmp_path / "my.toml").write_text("[batch]\nspeed = 3\n")
        wrong = await igentai(*flags, "--overwrite", cwd=tmp_path, env=keys(double))
    assert wrong.code == 2
    assert "speed" in wrong.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("nowhere.jsonl", "-o", "out.jsonl"), "nowhere.jsonl"),
        (("in.jsonl", "-o", "there.jsonl"), "--resume"),
        (("in.jsonl", "-o", "in.jsonl"), "different files"),
        (("in.jsonl", "-o", "out.jsonl", "--template", "{nothing}"), "nothing"),
        (("in.jsonl", "-o", "out.jsonl", "--template", "the same"), "names no field"),
        (("in.jsonl", "-o", "out.jsonl", "--failed", "nowhere/failed.jsonl"), "--failed"),
        (("in.jsonl", "-o", "out.xlsx"), "call it"),
        (("in.jsonl", "-o", "out.jsonl", "--rate-limit", "soon"), "rate limit"),
        (("in.jsonl", "-o", "out.jsonl", "--resume", "--overwrite"), "contradict"),
        (("in.jsonl", "--resume"), "output file"),
    ],
)
def test_wrong_use_exits_2_before_anything_is_written(
    tmp_path: Path,
    flags: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process: a start of the interpreter for each would cost more than all the rest."""
    prompts(tmp_path / "in.jsonl", 1)
    (tmp_path / "there.jsonl").write_text("")
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["igentai", "batch", *flags, "--provider", "simulated:small"])
    monkeypatch.setattr(logs, "configure", lambda **_: None)  # it holds for the whole process
    with pytest.raises(SystemExit) as left:
        main()
    err = capsys.readouterr().err
    assert left.value.code == 2, err
    assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


async def test_standard_input_to_standard_output(tmp_path: Path) -> None:
    done = await igentai("batch", "-", "--provider", "simulated:small", cwd=tmp_path, said="rivers\nlakes\n")
    assert done.code == 0, done.err
    assert [json.loads(line)["index"] for line in done.out.split("\n")[:-1]] == [0, 1]
    assert "2 answered" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_it_says_so_and_resumes(tmp_path: Path, number: signal.Signals) -> None:
    prompts(tmp_path / "in.jsonl", 50)
    async with Double("openai", WORLD, latency_s=0.05) as double:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "igentai_orchestrator", "batch", "in.jsonl", "-o", "out.jsonl"),
            *("--provider", "openai:gpt-4o-mini"),
            cwd=tmp_path,
            env=environment(keys(double)),
            stderr=asyncio.subprocess.PIPE,
        )
        await until(lambda: len(double.log) >= 5, 20, "requests")
        process.send_signal(number)
        _, err = await process.communicate()
        assert process.returncode == 130
        assert b"--resume" in err
        done = await batch(double, tmp_path, "in.jsonl", "-o", "out.jsonl", "--resume", "--concurrency", "20")
    assert done.code == 0, done.err
    assert len(double.log) <= 51
