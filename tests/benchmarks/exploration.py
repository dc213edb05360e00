"""The real product against fixed weights without partitions, and on closed topics, with the truth known.

    python -m tests.benchmarks.exploration [--seeds 3] [--requests 60 300] [SECTION ...]

Sections: doubles simulated money closed; all if none is named. Every run is `igentai explore` with its producers:
`doubles` against local servers that speak the three providers' APIs, `simulated` against `simulated:world`. `money`
spends what the fixed loop spent for 60 requests, without a limit of requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from igentai.providers.simulated import world_of
from igentai.providers.simulated_world import Knowledge, universe_of
from tests.doubles.server import Double
from tests.doubles.world import World
from tests.end_to_end.command import igentai

SECTIONS: Final = ("doubles", "simulated", "money", "closed")
MODELS: Final = {
    "openai": "openai:gpt-4o-mini",
    "anthropic": "anthropic:claude-haiku-4-5",
    "gemini": "gemini:gemini-2.5-flash-lite",
}
ADDRESSES: Final = {
    "openai": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
}
KEYS: Final = {
    "OPENAI_API_KEY": "sk-test-openai-000000000000",
    "ANTHROPIC_API_KEY": "sk-ant-test-000000000000",
    "GEMINI_API_KEY": "AIza-test-000000000000",
}
PRICES: Final = (
    0.15,
    1.0,
    0.1,
)  # USD per million tokens sent, of three simulated models; received cost four times that
FIXED: Final = ("--policy", "fixed", "--partition", "none")
# (items, categories, skew): 250, 100 and 50 attributes a category, of which a model knows six or seven tenths
WORLDS: Final = ((6000, 24, 1.0), (12_000, 120, 1.0), (12_000, 120, 1.2), (6000, 120, 1.0))
WORLDS_SIMULATED: Final = ((40_000, 120, 1.4), (12_000, 120, 1.2), (6000, 24, 1.0), (6000, 120, 1.0))
CLOSED: Final = 0.98  # share of what can be found that a closed topic must reach, and the oracle is counted to
ASKED: Final = 40  # attributes the oracle asks for, as a run does at first


@dataclass(frozen=True)
class Ended:
    """What a run found and cost, out of its metrics."""

    metrics: dict[str, Any]
    lines: list[str]

    @property
    def found(self) -> int:
        return int(self.metrics["unique_attributes"])

    @property
    def usd(self) -> float:
        return float(self.metrics["cost_usd"])

    @property
    def requests(self) -> int:
        return int(self.metrics["requests"]["ok"] + self.metrics["requests"]["failed"])


async def explore(
    folder: Path, models: Sequence[str], *more: str, env: dict[str, str] | None = None, producers: int = 4
) -> Ended:
    """One run of the product in a folder of its own. A producer has two requests in flight."""
    folder.mkdir(parents=True, exist_ok=True)
    said = [word for model in models for word in ("--provider", model)]
    done = await igentai(
        "explore", "cities", "-n", "4", "--overwrite", *said, *more, cwd=folder, env=env, timeout_s=600
    )
    if done.code != 0:
        raise SystemExit(done.err[-2000:])
    outputs = folder / "outputs" / "cities"
    return Ended(json.loads((outputs / "metrics.json").read_bytes()), (outputs / "output.txt").read_text().splitlines())


@asynccontextmanager
async def doubles(world: World, latency_s: float = 0.02) -> AsyncIterator[dict[str, str]]:
    """The three APIs on loopback; what a run's environment must say."""
    async with AsyncExitStack() as stack:
        servers = {api: await stack.enter_async_context(Double(api, world, latency_s=latency_s)) for api in MODELS}
        yield KEYS | {ADDRESSES[api]: server.base_url for api, server in servers.items()}


def simulated(folder: Path, items: int, categories: int, skew: float, seed: int) -> list[str]:
    """Three priced models of one simulated world; their prices go into the folder's igentai.toml."""
    options = f"items={items}&categories={categories}&skew={skew}&seed={seed}&latency=0.02"
    models = [f"simulated:world-{n}?{options}&price={p}" for n, p in zip("abc", PRICES, strict=True)]
    tables = (f'[prices."{m}"]\ninput = {p}\noutput = {4 * p}\n' for m, p in zip(models, PRICES, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "igentai.toml").write_text("".join(tables))
    return models


def within(requests: int, seed: int) -> tuple[str, ...]:
    return ("--max-requests", str(requests), "--no-saturation", "--seed", str(seed))


def report(label: str, seed: int, fixed: Ended, learned: Ended) -> float:
    ratio = learned.found / fixed.found
    cells = f"{fixed.found:>8}{fixed.usd:>10.4f}{learned.found:>10}{learned.usd:>10.4f}{learned.requests:>10}"
    print(f"{label:<32}{seed:>5}{cells}{ratio:>8.2f}", flush=True)
    return ratio


def heading(title: str) -> None:
    print(f"\n{title}\n{'':<32}{'seed':>5}{'fixed':>8}{'USD':>10}{'learned':>10}{'USD':>10}{'requests':>10}{'×':>8}")


async def against_doubles(scratch: Path, seeds: int, requests: Sequence[int]) -> None:
    heading("three APIs, local doubles")
    for items, categories, skew in WORLDS:
        for count in requests:
            for seed in range(seeds):
                async with doubles(World(items=items, categories=categories, skew=skew, seed=seed)) as env:
                    limits = within(count, seed)
                    fixed = await explore(scratch / "fixed", [*MODELS.values()], *limits, *FIXED, env=env)
                    learned = await explore(scratch / "learned", [*MODELS.values()], *limits, env=env)
                report(f"{items}/{categories} skew {skew}, {count}", seed, fixed, learned)


async def against_simulated(scratch: Path, seeds: int, requests: Sequence[int]) -> None:
    heading("simulated models")
    for items, categories, skew in WORLDS_SIMULATED:
        for count in requests:
            for seed in range(seeds):
                models = simulated(scratch / "fixed", items, categories, skew, seed)
                simulated(scratch / "learned", items, categories, skew, seed)
                fixed = await explore(scratch / "fixed", models, *within(count, seed), *FIXED)
                learned = await explore(scratch / "learned", models, *within(count, seed))
                report(f"{items}/{categories} skew {skew}, {count}", seed, fixed, learned)


async def for_the_same_money(scratch: Path, seeds: int) -> None:
    heading("for what 60 requests of the fixed loop cost, no limit of requests")
    for seed in range(seeds):
        async with doubles(World(items=6000, categories=120, seed=seed)) as env:
            fixed = await explore(scratch / "fixed", [*MODELS.values()], *within(60, seed), *FIXED, env=env)
            budget = ("--budget", f"{fixed.usd:.6f}", "--no-saturation", "--seed", str(seed))
            learned = await explore(scratch / "learned", [*MODELS.values()], *budget, env=env)
        report("doubles 6000/120 skew 1.0", seed, fixed, learned)


# -- closed topics ------------------------------------------------------------------------------------------------

Arm = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]  # items a model knows in a slice, their log weights


def arms_of_doubles(world: World) -> list[Arm]:
    """Every model asked about the whole topic, each category and each sub-category."""
    arms = []
    for key in MODELS.values():
        known = world.known(key.partition(":")[2])
        slices = [known, *([i for i in known if label in i.labels] for label in world.labels)]
        for items in slices:
            ranks = np.array([item.rank for item in items], np.int64)
            arms.append((ranks, -world.skew * np.log(ranks + 1.0)))
    return arms


def arms_of_simulated(model: str, topic: str) -> list[Arm]:
    """The same for one simulated model."""
    world = world_of(model)
    universe = universe_of(topic, items=world.items, categories=world.categories, seed=world.seed)
    knowledge = Knowledge(universe, model, knows=world.knows, skew=world.skew, seed=world.seed)
    pools = [knowledge.everything(), *(knowledge.category(node) for node in range(len(universe.nodes)))]
    return [(np.array(p.items, np.int64), np.log(np.diff((0.0, *p.cumulative)))) for p in pools]


def oracle(arms: Sequence[Arm], share: float, seed: int) -> int:
    """Requests of a greedy run that knows the truth until `share` of what can be found is found.

    It has every slice from the start, asks one request at a time and uses no exclusion list. The expected yield of an
    arm is the mean of five draws.
    """
    draw = np.random.default_rng([seed, 23])
    unseen = np.zeros(1 + max(int(items.max(initial=0)) for items, _ in arms), bool)
    for items, _ in arms:
        unseen[items] = True
    reachable, requests = int(unseen.sum()), 0
    while int(unseen.sum()) > (1.0 - share) * reachable:
        requests += 1
        yields = [sum(int(unseen[_answer(arm, draw)].sum()) for _ in range(5)) for arm in arms]
        unseen[_answer(arms[int(np.argmax(yields))], draw)] = False
    return requests


def _answer(arm: Arm, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    items, weights = arm
    return items[np.argsort(-(weights + draw.gumbel(size=len(items))))[:ASKED]]


def reachable(arms: Sequence[Arm]) -> int:
    return len({int(item) for items, _ in arms for item in items})


def closing(label: str, seed: int, ended: Ended, arms: Sequence[Arm]) -> tuple[float, float, float]:
    """(requests over the oracle's, share found, estimate off)"""
    wanted, there = oracle(arms, CLOSED, seed), reachable(arms)
    total = ended.metrics["coverage"]["estimated_total"]
    off = total / there - 1.0 if total else math.nan
    cells = f"{ended.requests:>10}{wanted:>8}{ended.requests / wanted:>6.1f}{100 * ended.found / there:>9.1f}"
    print(f"{label:<24}{seed:>5}{cells}{100 * off:>9.1f}  {ended.metrics['stop_reason']}", flush=True)
    return ended.requests / wanted, ended.found / there, off


async def closed(scratch: Path, seeds: int) -> None:
    print(
        f"\nclosed topics, ended by saturation\n{'':<24}{'seed':>5}{'requests':>10}{'oracle':>8}{'×':>6}{'found %':>9}",
        end="",
    )
    print(f"{'off %':>9}")
    for seed in range(seeds):
        model = f"simulated:closed100?seed={seed}&latency=0.02"
        ended = await explore(scratch / "closed", [model], "--seed", str(seed), producers=2)
        closing("simulated:closed100", seed, ended, arms_of_simulated(model.partition(":")[2], "cities"))
    for seed in range(seeds):
        world = World(items=100, categories=8, seed=seed)
        async with doubles(world) as env:
            said = ["--seed", str(seed)]
            ended = await explore(scratch / "closed", [*MODELS.values()], *said, env=env, producers=2)
            said += ["--optimise", "requests"]
            one = await explore(scratch / "closed", [*MODELS.values()], *said, env=env, producers=2)
        closing("three doubles", seed, ended, arms_of_doubles(world))
        closing("  --optimise requests", seed, one, arms_of_doubles(world))


async def run(given: argparse.Namespace) -> None:
    wanted = given.sections or SECTIONS
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if "doubles" in wanted:
            await against_doubles(scratch, given.seeds, given.requests)
        if "simulated" in wanted:
            await against_simulated(scratch, given.seeds, given.requests)
        if "money" in wanted:
            await for_the_same_money(scratch, given.seeds)
        if "closed" in wanted:
            await closed(scratch, given.seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description="The product against fixed weights, with the truth known.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=" ".join(SECTIONS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--requests", type=int, nargs="+", default=[60, 300])
    given = parser.parse_args()
    if not set(given.sections) <= set(SECTIONS):
        parser.error(f"sections are {' '.join(SECTIONS)}")
    asyncio.run(run(given))


if __name__ == "__main__":
    main()
