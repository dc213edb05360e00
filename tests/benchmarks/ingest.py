"""How many attributes a second one core of the orchestrator takes in, beside `sort -u` and a plain Python set.

    python -m tests.benchmarks.ingest [--attributes 1000000] [--batch 200 --batch 20] [--folder DIR]

The orchestrator is the real one (listener, desk with the learned policy, archive with ledger and output.txt) in a
process of its own; eight connections from another process prove themselves and send answers, half of whose
attributes are repeats, with eight unacknowledged at most, as producers do. The rate is attributes over CPU seconds
(user + system, all threads) from before the first connection to the last acknowledgement. All figures are of one run,
one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from igentai.codec import Deframer, frame
from igentai.messages import Ack, AnswerMetadata, AttributeBatch, Challenge, Hello, StartTopic, Welcome
from igentai.proof import NONCE_BYTES, Claims, producer_proof

CONNECTIONS = 8
CREDIT = 8


def corpus(count: int) -> list[str]:
    """`count` attributes, half of them repeats of the other half, as names look: one to three words."""
    rng = Random(7)
    syllables = [a + b for a in "bcdfghjklmnprstvz" for b in "aeiou"]
    names: dict[str, None] = {}
    while len(names) < count // 2:
        words = ["".join(rng.choices(syllables, k=rng.randint(2, 4))).capitalize() for _ in range(rng.randint(1, 3))]
        names[" ".join(words)] = None
    found = [*names]
    mixed = found + rng.choices(found, k=count - len(found))
    rng.shuffle(mixed)
    return mixed


def batches(attributes: Sequence[str], size: int) -> list[list[str]]:
    """Answers of `size` distinct attributes, as a parser gives them."""
    cut = [list(dict.fromkeys(attributes[at : at + size])) for at in range(0, len(attributes), size)]
    return [batch for batch in cut if batch]


async def connection(address: str, secret: bytes, mine: list[list[str]], place: int) -> None:
    """One producer: proves itself, sends its answers within its credit, waits for the last Ack.

    No two answers are to one assignment: a policy learns from each assignment once.
    """
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    deframer = Deframer()
    run_id, slot = secrets.token_hex(16), None
    inbox: list[object] = []

    async def next_message() -> object:
        while not inbox:
            inbox.extend(deframer.feed(await reader.read(1 << 16)))
        return inbox.pop(0)

    challenge = await next_message()
    assert isinstance(challenge, Challenge)
    nonce = secrets.token_bytes(NONCE_BYTES)
    proof = producer_proof(secret, Claims(challenge.nonce, nonce, run_id, slot, challenge.version))
    writer.write(frame(Hello(challenge.version, slot, run_id, "bench", os.getpid(), nonce, proof)))
    assert isinstance(await next_message(), Welcome)
    start = await next_message()
    assert isinstance(start, StartTopic)
    frames = [
        frame(
            AttributeBatch(
                start.ledger, run_id, "bench", seq, 10**9 * (1 + place) + seq, items, "simulated", "bench",
                AnswerMetadata("0" * 16, len(items), 900, 200, 900, 0, True, None, "stop"),
            )
        )
        for seq, items in enumerate(mine, 1)
    ]  # fmt: skip
    acked = 0
    for seq, data in enumerate(frames, 1):
        while seq - acked > CREDIT:
            message = await next_message()
            if isinstance(message, Ack):
                acked = message.seq
        writer.write(data)
    await writer.drain()
    while acked < len(frames):
        message = await next_message()
        if isinstance(message, Ack):
            acked = message.seq
    writer.close()


async def send_all(address: str, secret: bytes, answers: list[list[str]]) -> None:
    async with asyncio.TaskGroup() as group:
        for n in range(CONNECTIONS):
            group.create_task(connection(address, secret, answers[n::CONNECTIONS], n))


def orchestrator(outputs: Path, policy: str) -> None:
    """Child process: the real daemon on an empty topic, without producers. Prints its address, then its CPU."""
    import uvloop

    from igentai import logs
    from igentai_orchestrator.core.agenda import Entry
    from igentai_orchestrator.core.topic import Limits, ModelChoice, TopicSpec
    from igentai_orchestrator.run import Daemon
    from igentai_orchestrator.settings import load

    logs.configure(level="error")
    settings = load(outputs=outputs, producer_secret_file=outputs.parent / "secret", bloom="off")
    daemon = Daemon(settings, until_done=True)
    spec = TopicSpec(
        "bench", "bench", (ModelChoice("simulated", "bench"),), producers=0, limits=Limits(saturation=False),
        policy=policy,  # type: ignore[arg-type]  # checked by argparse
    )  # fmt: skip
    daemon.state.know_providers(spec)
    daemon.state.agenda.add(Entry(spec, "new"), None)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(daemon.main([], port=None))
            while daemon.state.spec is None:
                await asyncio.sleep(0.01)
            print(json.dumps({"address": daemon.listeners.address}), flush=True)
            began, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            await asyncio.to_thread(sys.stdin.readline)
            ended, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - wall
            campaign = daemon.state.desk.books.campaign
            unique = len(campaign.admission) if campaign else 0
            user, system = ended.ru_utime - began.ru_utime, ended.ru_stime - began.ru_stime
            figures = {
                "cpu_s": user + system,
                "user_s": user,
                "system_s": system,
                "wall_s": wall,
                "unique": unique,
                "rss_mb": ended.ru_maxrss / 1024,
            }
            print(json.dumps(figures), flush=True)
            daemon.signals.interrupt()
            await running

    uvloop.run(main())


def measure(folder: Path, attributes: list[str], size: int, policy: str) -> dict[str, float]:
    """One run of the orchestrator; its figures."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        home = Path(made)
        secret = secrets.token_bytes(32)
        (home / "secret").write_text(secret.hex())
        (home / "secret").chmod(0o600)
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.ingest",
            "--serve",
            str(home / "outputs"),
            "--policy",
            policy,
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdin is not None
            address = json.loads(child.stdout.readline())["address"]
            asyncio.run(send_all(address, secret, batches(attributes, size)))
            child.stdin.write("\n")
            child.stdin.flush()
            figures: dict[str, float] = json.loads(child.stdout.readline())
        lines = (home / "outputs/bench/output.txt").read_bytes().count(b"\n")
        assert lines == figures["unique"] == len(set(attributes)), (lines, figures, len(set(attributes)))
    return figures


def cpu_of(command: list[str], **options: object) -> float:
    """CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, **options)  # type: ignore[call-overload]  # passed on as they are
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


PLAIN_SET = """
import sys
seen = set()
with open(sys.argv[1], encoding="utf-8") as source, open(sys.argv[2], "w", encoding="utf-8") as target:
    for line in source:
        key = line.strip().casefold()
        if key not in seen:
            seen.add(key)
            target.write(line)
"""


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--attributes", type=int, default=1_000_000)
    flags.add_argument("--batch", type=int, action="append")
    flags.add_argument("--policy", choices=("learned", "fixed", "round_robin"), default="learned")
    flags.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    flags.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    said = flags.parse_args()
    if said.serve:
        orchestrator(said.serve, said.policy)
        return
    attributes = corpus(said.attributes)
    count = len(attributes)
    print(f"{count:,} attributes, {len(set(attributes)):,} distinct, {CONNECTIONS} connections, policy {said.policy}")
    print(f"{'':<28}{'CPU s':>8}{'attributes / CPU s':>20}{'wall s':>8}")
    for size in said.batch or [200, 20]:
        figures = measure(said.folder, attributes, size, said.policy)
        rate = count / figures["cpu_s"]
        print(f"{f'igentai, {size} a batch':<28}{figures['cpu_s']:>8.2f}{rate:>20,.0f}{figures['wall_s']:>8.2f}")
    with tempfile.TemporaryDirectory(dir=said.folder) as made:
        source, target = Path(made) / "in.txt", Path(made) / "out.txt"
        source.write_text("\n".join(attributes) + "\n")
        cpu = cpu_of(["sort", "-u", str(source), "-o", str(target)], env=os.environ | {"LC_ALL": "C"})
        print(f"{'sort -u (LC_ALL=C)':<28}{cpu:>8.2f}{count / cpu:>20,.0f}")
        cpu = cpu_of([sys.executable, "-c", PLAIN_SET, str(source), str(target)])
        print(f"{'plain Python set':<28}{cpu:>8.2f}{count / cpu:>20,.0f}")


if __name__ == "__main__":
    main()
