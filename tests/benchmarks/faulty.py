"""What faults cost: `python -m tests.benchmarks.faulty [--latency 1.0]`: real daemon, real producers, a real server.

Seconds from the first request to the 1,000th answer at 50 in flight, without faults and with 10 % 429 (Retry-After
1 s), 5 % 500, 1 % resets and 1 % HTML. The ideal is 1,000 / 50 × latency.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.end_to_end.command import igentai
from tests.faults.provider import MODEL, provider

WANTED, AT_ONCE = 1_000, 50
CHANCES = [
    [{"name": "rate_limit", "wait_s": 1.0}, 0.10],
    [{"name": "server"}, 0.05],
    [{"name": "reset_before"}, 0.01],
    [{"name": "html"}, 0.01],
]


async def seconds(chances: list[Any], latency_s: float) -> tuple[float, dict[str, int]]:
    """Until the 1,000th answer; and how the requests ended."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "igentai.toml").write_text(f"[providers.openai]\nconcurrency = {AT_ONCE}\nstream = false\n")
        script = json.dumps({"chances": chances, "seed": 3})
        async with provider(folder, latency_s=latency_s, style="numbered", script=script) as source:
            flags = ["-n", "8", "--concurrency", "7", "--request-size", "5", "--no-saturation", "--provider", MODEL]
            flags += ("--policy", "round_robin", "--partition", "none")  # one that asks whatever it may
            most = str(round(WANTED * (1.25 if chances else 1.02)))
            done = await igentai(
                "explore", "cities", *flags, "--max-requests", most, cwd=folder, env=source.variables(), timeout_s=600
            )
            assert done.code == 0, done.err
            served = source.served()
        metrics = json.loads((folder / "outputs/cities/metrics.json").read_bytes())
    delivered = sorted(entry["at"] for entry in served if entry["outcome"] == "delivered")
    first = min(entry["at"] for entry in served)
    return delivered[WANTED - 1] + latency_s - first, metrics["requests"]


async def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--latency", type=float, default=1.0)
    latency_s = flags.parse_args().latency
    ideal = WANTED / AT_ONCE * latency_s
    print("| faults | seconds | times the ideal | requests |\n|---|---|---|---|")
    for title, chances in (("none", []), ("10 % 429, 5 % 500, 1 % reset, 1 % HTML", CHANCES)):
        took, requests = await seconds(chances, latency_s)
        print(f"| {title} | {took:.1f} | {took / ideal:.2f} | {requests['ok']} ok, {requests['failed']} failed |")
    print(f"ideal: {ideal:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
