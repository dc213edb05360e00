"""Many prompts in parallel: ours beside its peers, with faults, killed, against one by one, and a million lines.

    python tests/benchmarks/batch.py [side faults kill speed million] [--prompts 1000] [--lines 1000000]

Peers (the openai SDK with gather, async-batch-llm, LangChain) are measured where they can be imported; nothing is
installed. The server runs in a process of its own and answers after 200 ms. "active" is from the first prompt to the
last answer; "wall" includes the start of the interpreter and all imports.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE_S = 60
PEERS = ("igentai", "SDK + gather", "async-batch-llm", "LangChain")


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("sections", nargs="*", default=["side", "faults", "kill", "speed"])
    flags.add_argument("--prompts", type=int, default=1000)
    flags.add_argument("--lines", type=int, default=1_000_000)
    flags.add_argument("--only", choices=PEERS, help="one client alone")
    flags.add_argument("--runs", type=int, default=3, help="of which the median is shown")
    flags.add_argument("--first-seed", type=int, default=0, help="of the server's faults; one more each run")
    said = flags.parse_args()
    for section in said.sections:
        SECTIONS[section](said)


@contextmanager
def server(*flags: str) -> Iterator[str]:
    command = [sys.executable, str(HERE / "quick_double.py"), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def environment(url: str = "") -> dict[str, str]:
    path = os.pathsep.join(str(ROOT / name) for name in ("shared", "orchestrator", "producer"))
    keys = {"OPENAI_API_KEY": "sk-benchmark-000000", "OPENAI_BASE_URL": url}
    return {**os.environ, "PYTHONPATH": path, **keys}


def contend(name: str, prompts: int, n: int, *flags: str, warm: bool = False) -> dict[str, Any]:
    """One run of one client; `warm`: after a first prompt in the same process."""
    with server(*flags) as url:
        began = time.perf_counter()
        command = [sys.executable, str(HERE / "batch_contenders.py"), name, url, str(prompts), str(n)]
        command += ["warm"] if warm else []
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment(url), check=False, timeout=PATIENCE_S
            )
        except subprocess.TimeoutExpired:
            return {"missing": f"not done after {PATIENCE_S} s"}
        wall = time.perf_counter() - began
    sys.stderr.write(done.stderr if name == "igentai" else "")  # every row lost says why
    if done.returncode:
        return {"missing": "failed: " + done.stderr.strip().split("\n")[-1]}
    return {"wall_s": wall, **json.loads(done.stdout.strip().split("\n")[-1])}


def median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return sorted(runs, key=lambda run: run.get("active_s", 0.0))[len(runs) // 2]


def side(said: argparse.Namespace) -> None:
    for n in (50, 500):
        ideal = said.prompts * 0.2 / n
        print(f"\n{said.prompts} prompts, {n} in flight, 200 ms each: ideal {ideal:.1f} s")
        _table(said, n)


def faults(said: argparse.Namespace) -> None:
    print(f"\n{said.prompts} prompts, 50 in flight, 10 % 429 with Retry-After 1 s and 5 % 500")
    least = sorted(least_s(said.prompts, 50, seed) for seed in range(500))
    print(f"the least that keeps to Retry-After: {least[250]:.1f} s (8 of 10 runs {least[50]:.1f} to {least[450]:.1f})")
    _table(said, 50, "--refuse", "0.1", "--fail", "0.05")


def _table(said: argparse.Namespace, n: int, *flags: str) -> None:
    print(f"{'':16} {'active':>8} {'wall':>8} {'CPU':>8} {'memory':>9} {'right, in order':>16}")
    seeds = range(said.first_seed, said.first_seed + said.runs)
    for name in [said.only] if said.only else PEERS:
        runs = [contend(name, said.prompts, n, *flags, "--seed", str(seed)) for seed in seeds]
        run = median(runs)
        actives, rights = ([r[key] for r in runs if key in r] for key in ("active_s", "right"))
        if "missing" in run:
            print(f"{name:16} {run['missing']}")
            continue
        print(
            f"{name:16} {run['active_s']:6.2f} s {run['wall_s']:6.2f} s {run['cpu_s']:6.2f} s "
            f"{run['rss_mb']:6.0f} MB {run['right']:>9}/{said.prompts}"
            f"   (active {min(actives):.2f} to {max(actives):.2f} s, least right {min(rights)})"
        )


def least_s(prompts: int, n: int, seed: int) -> float:
    """Seconds that a perfect client needs for the faulty server of that seed: one that costs no time, keeps `n` in
    flight while it may, makes a prompt that got a 429 wait for its 1 s and one that got a 500 not at all."""
    rng, now, unread, free = Random(seed), 0.0, prompts, n
    lands: list[float] = []
    due: list[float] = []
    while unread or due or lands:
        while free and (unread or (due and due[0] <= now)):
            if due and due[0] <= now:
                heapq.heappop(due)
            else:
                unread -= 1
            free -= 1
            heapq.heappush(lands, now + 0.2)
        if free and due and not (lands and lands[0] < due[0]):
            now = due[0]
            continue
        now, free, chance = heapq.heappop(lands), free + 1, rng.random()
        if chance < 0.15:
            heapq.heappush(due, now + 1.0 if chance < 0.1 else now)
    return now


def _batch(folder: Path, url: str, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "igentai_orchestrator", "batch", "in.jsonl", "-o", "out.jsonl"]
    command += ["--provider", "openai:gpt-4o-mini", *flags]
    return subprocess.Popen(command, cwd=folder, env=environment(url), stderr=subprocess.DEVNULL)


def kill(said: argparse.Namespace) -> None:
    print(f"\n{said.prompts} prompts, 50 in flight, kill -9 in the middle, then --resume")
    for share in (0.2, 0.5, 0.8):
        with tempfile.TemporaryDirectory() as name:
            folder, ledger = Path(name), Path(name) / "answered.txt"
            _write_prompts(folder / "in.jsonl", said.prompts)
            with server("--ledger", str(ledger)) as url:
                process = _batch(folder, url, "--concurrency", "50")
                while not ledger.exists() or ledger.read_bytes().count(b"\n") < share * said.prompts:
                    time.sleep(0.005)
                process.send_signal(signal.SIGKILL)
                process.wait()
                code = _batch(folder, url, "--concurrency", "50", "--resume").wait()
            paid = Counter(ledger.read_text().split("\n")[:-1])
            rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().split("\n")[:-1]]
            lost = said.prompts - sum(row["error"] is None for row in rows)
            ordered = [row["index"] for row in rows] == list(range(said.prompts))
            print(
                f"killed at {share:.0%}: paid twice {sum(paid.values()) - len(paid)}, lost {lost}, "
                f"in order {ordered}, exit {code}"
            )


def speed(_said: argparse.Namespace) -> None:
    """50 vocabulary items at 50 in flight against one by one."""
    many, one = (median([contend("igentai", 50, n, warm=True) for _ in range(3)])["active_s"] for n in (50, 1))
    print(f"\n50 items: one by one {one:.2f} s, at 50 in flight {many:.3f} s: {one / many:.1f} x")


def million(said: argparse.Namespace) -> None:
    import psutil

    print(f"\n{said.lines} lines through `igentai batch`, 100 in flight, no latency")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_prompts(folder / "in.jsonl", said.lines)
        with server("--latency", "0") as url:
            began = time.perf_counter()
            process = _batch(folder, url, "--concurrency", "100")
            watched, tenth = psutil.Process(process.pid), 0
            while process.poll() is None:
                time.sleep(1.0)
                rows = _lines(folder / "out.jsonl") if (folder / "out.jsonl").exists() else 0
                if rows * 10 // said.lines >= tenth and process.poll() is None:
                    print(f"  {rows:>9} rows  {watched.memory_info().rss / 2**20:6.1f} MB", flush=True)
                    tenth = rows * 10 // said.lines + 1
            print(
                f"{_lines(folder / 'out.jsonl')} rows in {time.perf_counter() - began:.0f} s, exit {process.returncode}"
            )


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def _write_prompts(path: Path, n: int) -> None:
    with path.open("w") as file:
        file.writelines(f'{{"prompt": "prompt {i}", "id": {i}}}\n' for i in range(n))


SECTIONS = {"side": side, "faults": faults, "kill": kill, "speed": speed, "million": million}

if __name__ == "__main__":
    main()
