"""`python -m tests.doubles --api openai --ledger served.jsonl`: prints its base address, serves until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from tests.doubles.script import Script
from tests.doubles.server import APIS, Double, serve
from tests.doubles.styles import STYLES
from tests.doubles.world import World


def main() -> None:
    asyncio.run(_until_told(_double(_flags().parse_args())))


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="python -m tests.doubles", description=__doc__)
    flags.add_argument("--api", choices=sorted(APIS), required=True)
    flags.add_argument("--port", type=int, default=0)
    flags.add_argument("--world", default="{}", help='JSON such as {"items": 500, "seed": 1}, or a file of it')
    flags.add_argument(
        "--script", default="{}", help='JSON such as {"chances": [[{"name": "server"}, 0.1]]}, or a file'
    )
    flags.add_argument("--ledger", type=Path, help="append one JSON line a request to this file")
    flags.add_argument("--key", help="the only key let in")
    flags.add_argument("--style", choices=sorted(STYLES))
    flags.add_argument("--rpm", type=int)
    flags.add_argument("--tpm", type=int)
    flags.add_argument("--latency", type=float, default=0.0, help="seconds before the first byte")
    flags.add_argument("--pace", type=float, default=0.0, help="seconds between pieces of a stream")
    flags.add_argument("--cached", type=int, default=0)
    flags.add_argument("--thoughts", type=int, default=0)
    return flags


def _double(said: argparse.Namespace) -> Double:
    return Double(
        said.api,
        World(**json.loads(_text(said.world))),
        Script.from_json(_text(said.script)),
        key=said.key,
        style=said.style,
        rpm=said.rpm,
        tpm=said.tpm,
        latency_s=said.latency,
        pace_s=said.pace,
        cached=said.cached,
        thoughts=said.thoughts,
        ledger=said.ledger,
        port=said.port,
    )


def _text(said: str) -> str:
    return said if said.lstrip().startswith("{") else Path(said).read_text(encoding="utf-8")


async def _until_told(double: Double) -> None:
    task = asyncio.ensure_future(serve(double))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


if __name__ == "__main__":
    main()
