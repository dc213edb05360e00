"""Producers that were not spawned: by TLS with certificates of `igentai cert`, and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.end_to_end.command import Daemon, daemon, environment, igentai, until

SLOW = "simulated:large?latency=0.05"


async def certificates(folder: Path, name: str = "certs") -> None:
    made = await igentai("cert", "--folder", name, "--host", "orchestrator.example", cwd=folder)
    assert made.code == 0, made.err


def configure(folder: Path, *more: str, certs: str = "certs") -> None:
    home = folder / certs / "orchestrator"
    lines = [f'producer_{name} = "{home}/{name}.pem"' for name in ("ca", "cert", "key")]
    lines += [f'producer_secret_file = "{home}/secret"', *more]
    (folder / "igentai.toml").write_text("\n".join(lines) + "\n")


@asynccontextmanager
async def producer(folder: Path, port: int, certs: str = "certs", secret: str = "certs") -> AsyncIterator[Path]:
    """A producer that was started by hand; the file of what it says."""
    log = folder / f"producer-{certs}-{secret}.log"
    home = folder / certs / "producer"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "igentai_orchestrator", "producer", "--orchestrator-addr", f"127.0.0.1:{port}"),
            *("--ca", str(home / "ca.pem"), "--cert", str(home / "cert.pem"), "--key", str(home / "key.pem")),
            *("--secret-file", str(folder / secret / "producer" / "secret"), "--spool", str(folder / "elsewhere")),
            cwd=folder.parent,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            await process.wait()


def events(running: Daemon) -> list[dict[str, object]]:
    return [json.loads(line) for line in running.text().splitlines() if line.startswith("{")]


def port_of(running: Daemon) -> int:
    found = [event["port"] for event in events(running) if event["event"] == "daemon.remote_producers_on"]
    return int(str(found[0])) if found else 0


async def test_one_from_elsewhere_works_beside_those_that_were_spawned(tmp_path: Path) -> None:
    await certificates(tmp_path)
    configure(tmp_path)
    async with daemon("-n", "1", "-p", "0", "--topic", "cities", "--provider", SLOW, cwd=tmp_path) as running:
        port = await until(lambda: port_of(running), 20, "listening for remote producers")
        async with producer(tmp_path, port):
            rows = f"file:{tmp_path}/outputs/cities/ledger.db?mode=ro"
            await until(lambda: (tmp_path / "outputs/cities/ledger.db").exists(), 20, "a ledger")

            def names() -> set[str]:
                with sqlite3.connect(rows, uri=True) as ledger:
                    return {name for (name,) in ledger.execute("SELECT DISTINCT producer FROM answers")}

            found = await until(lambda: len(names()) == 2 and names(), 30, "answers of both producers")
            spawned, remote = sorted(found, key=lambda name: name != "producer-0")
            assert spawned == "producer-0"
            assert re.fullmatch(r".+-\d+", remote)
        await until(lambda: f'"{remote}"' in running.text() and "fleet.producer_left" in running.text(), 10, "it left")
        before = len(running.lines("cities"))
        await until(lambda: len(running.lines("cities")) > before, 20, "the spawned one goes on")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended(15) == 0, running.text()
    assert not list((tmp_path / "elsewhere").rglob("*.spool")), "all it had received was acknowledged"


async def test_strangers_are_refused_and_disturb_nobody(tmp_path: Path) -> None:
    await certificates(tmp_path)
    await certificates(tmp_path, "theirs")
    configure(tmp_path)
    async with daemon("-n", "1", "-p", "0", "--topic", "cities", "--provider", SLOW, cwd=tmp_path) as running:
        port = await until(lambda: port_of(running), 20, "listening for remote producers")
        async with producer(tmp_path, port, certs="theirs", secret="theirs") as log:
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in log.read_text() or "SSL" in log.read_text(), 20, "why")
        async with producer(tmp_path, port, secret="theirs"):
            await until(lambda: "it does not hold this run's secret" in running.text(), 20, "the secret is checked")
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"no TLS at all, but long enough to be looked at\n")
            await reader.read()
            writer.close()
        joined = [event for event in events(running) if event["event"] == "fleet.producer_joined"]
        assert {event["producer"] for event in joined} == {"producer-0"}
        before = len(running.lines("cities"))
        await until(lambda: len(running.lines("cities")) > before, 20, "work goes on")


async def test_renewed_certificates_are_used_after_a_hangup(tmp_path: Path) -> None:
    await certificates(tmp_path)
    configure(tmp_path)
    async with daemon("-n", "1", cwd=tmp_path) as running:
        port = await until(lambda: port_of(running), 20, "listening for remote producers")
        await certificates(tmp_path, "other")
        for path in (tmp_path / "other" / "orchestrator").iterdir():
            (tmp_path / "certs" / "orchestrator" / path.name).write_bytes(path.read_bytes())
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: "daemon.reloaded" in running.text(), 10, "the reload")
        async with producer(tmp_path, port, certs="other", secret="certs"):
            await until(lambda: running.text().count("fleet.producer_joined") >= 2, 20, "it is let in")


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ('producer_host = "0.0.0.0"', "igentai cert"),
        ('producer_host = "0.0.0.0"\nproducer_secret_file = "certs/orchestrator/secret"', "igentai cert"),
        ('producer_cert = "certs/orchestrator/cert.pem"', "producer_ca"),
        (
            'producer_ca = "certs/orchestrator/ca.pem"\nproducer_cert = "certs/orchestrator/cert.pem"\n'
            'producer_key = "certs/orchestrator/key.pem"',
            "producer_secret_file",
        ),
    ],
)
async def test_what_is_not_complete_is_refused_in_one_line(tmp_path: Path, configuration: str, said: str) -> None:
    await certificates(tmp_path)
    (tmp_path / "igentai.toml").write_text(configuration + "\n")
    done = await igentai("orchestrator", "-n", "1", cwd=tmp_path)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().split("\n")) == 1


async def test_a_producer_does_not_go_to_another_machine_without_tls(tmp_path: Path) -> None:
    await certificates(tmp_path)
    done = await igentai(
        *("producer", "--orchestrator-addr", "192.0.2.1:9100", "--secret-file", "certs/producer/secret"), cwd=tmp_path
    )
    assert done.code == 2
    assert "--ca, --cert and --key" in done.err
