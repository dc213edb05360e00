"""A producer that was not spawned waits for its orchestrator, with its spool, and delivers after the restart."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

import psutil

from tests.end_to_end.command import daemon, environment, until
from tests.faults.examination import Witnessed, noted
from tests.faults.provider import MODEL, provider
from tests.faults.rig import TOPIC


def free_port() -> int:
    """Below those that the kernel gives to clients, as `--producer-port` wants it."""
    for port in range(19107, 19307):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


async def test_a_remote_producer_delivers_to_the_next_daemon_what_the_killed_one_never_got(tmp_path: Path) -> None:
    secret, notes, spool = tmp_path / "secret", tmp_path / "witness.jsonl", tmp_path / "spool"
    secret.write_text("ab" * 32)
    secret.chmod(0o600)
    port = free_port()
    args = ["-n", "1", "--producer-port", str(port), "--topic", TOPIC, "--provider", MODEL, "--request-size", "12"]
    async with provider(tmp_path, latency_s=1.0, style="numbered") as source:
        variables = source.variables([f"witness={notes}"]) | {"IGENTAI_PRODUCER_SECRET_FILE": str(secret)}
        remote = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "igentai_orchestrator", "producer", "--orchestrator-addr", f"127.0.0.1:{port}"),
            *("--spool", str(spool), "--secret-file", str(secret)),
            cwd=tmp_path,
            env=environment(variables),
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with daemon(*args, cwd=tmp_path, env=variables) as first:
                topic = Witnessed(first.outputs / TOPIC)
                joined = f'-{remote.pid}", "pid": {remote.pid}'
                await until(lambda: joined in first.text() and topic.glance() > 5, 60, "the remote producer works")
                asked = source.count()
                await until(lambda: source.count() > asked, 10, "answers come")
                first.process.send_signal(signal.SIGKILL)
                await first.ended(5)
            await until(lambda: [p for p in spool.rglob("*.spool") if p.stat().st_size], 10, "it keeps what it gets")
            assert psutil.pid_exists(remote.pid)
            async with daemon(*args, cwd=tmp_path, env=variables) as second:
                await until(lambda: not [p for p in spool.rglob("*.spool") if p.stat().st_size], 30, "delivered")
                second.process.send_signal(signal.SIGTERM)
                assert await second.ended(12) == 0, second.text()[-2000:]
            topic.at_rest(noted(notes), source.served())
            assert topic.faults == []
        finally:
            if remote.returncode is None:
                remote.kill()
                await remote.wait()
