"""A daemon for tests of the page and the API: every document of `DaemonFace`, moving when told to, without a daemon.

Its topic is a world of invented birds that gets harder to add to, so that curves look as they do in a real run.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from igentai.errors import TopicError, UsageError
from igentai_orchestrator.shell.web.schemas import TopicRequest

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PLACES = [
    "Northern",
    "Southern",
    "Eastern",
    "Western",
    "Andean",
    "Iberian",
    "Siberian",
    "Cape",
    "Papuan",
    "Cuban",
    "Arctic",
    "Coastal",
]
MARKS = [
    "White-throated",
    "Rufous-capped",
    "Black-billed",
    "Golden-winged",
    "Spotted",
    "Streaked",
    "Crested",
    "Least",
    "Great",
    "Grey-headed",
    "Scarlet",
    "Blue-naped",
    "Long-tailed",
    "Buff-bellied",
    "Ashy",
    "Violet",
    "Pied",
    "Chestnut-backed",
    "Olive",
    "Silver-eared",
]
BIRDS = [
    "Warbler",
    "Flycatcher",
    "Sunbird",
    "Thrush",
    "Kingfisher",
    "Sandpiper",
    "Antbird",
    "Tanager",
    "Honeyeater",
    "Babbler",
    "Plover",
    "Barbet",
    "Woodpecker",
    "Finch",
    "Bunting",
    "Owl",
    "Swift",
    "Tern",
    "Cuckoo",
    "Pitta",
]
GROUPS = {
    "Songbirds": ["Warblers", "Thrushes", "Finches and buntings", "Flycatchers"],
    "Water birds": ["Waders", "Gulls and terns", "Ducks and geese"],
    "Birds of prey": ["Hawks and eagles", "Owls"],
    "Tropical": ["Tanagers", "Antbirds", "Sunbirds", "Pittas"],
    "Woodpeckers": [],
    "Flightless": [],
}
MODELS = {
    "openai:gpt-4o-mini": (0.00055, 2100.0, 1.0),
    "anthropic:claude-haiku": (0.0021, 2900.0, 1.25),
    "gemini:gemini-flash": (0.00042, 1500.0, 0.8),
    "ollama:llama3.1": (0.0, 5200.0, 0.55),
}
UNIVERSE = 4600


def bird(number: int) -> str:
    """The name of attribute `number`: distinct for the first 4,800, then numbered."""
    at = (number * 1637) % (len(PLACES) * len(MARKS) * len(BIRDS))
    place, rest = at % len(PLACES), at // len(PLACES)
    name = f"{PLACES[place]} {MARKS[rest % len(MARKS)]} {BIRDS[rest // len(MARKS)]}"
    return name if number <= 4800 else f"{name} {number}"


@dataclass
class Model:
    key: str
    price: float
    latency: float
    skill: float
    requests: int = 0
    failed: int = 0
    candidates: int = 0
    unique: int = 0
    cost: float = 0.0
    weight: float = 0.25
    set_weight: float | None = None
    state: str = "ok"
    detail: str = ""


@dataclass
class World:
    """One topic's run."""

    id: str
    topic: str
    budget: float | None = None
    max_attributes: int | None = None
    status: str = "running"
    stop_reason: str | None = None
    elapsed: float = 0.0
    requests: int = 0
    candidates: int = 0
    unique: int = 0
    cost: float = 0.0
    producers: int = 8
    started: datetime = START
    models: dict[str, Model] = field(default_factory=dict)
    series: list[list[float]] = field(default_factory=lambda: [[0, 0, 0, 0]])
    leaves: dict[str, list[int]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)  # hostile ones, in place of birds
    merged: dict[int, dict[str, Any]] = field(default_factory=dict)  # number -> the one it was merged into
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.models = {key: Model(key, *numbers) for key, numbers in MODELS.items()}
        self.models["ollama:llama3.1"].weight = 0.1
        self.models["anthropic:claude-haiku"].weight = 0.4

    def answer(self) -> None:
        """One request and what it brings."""
        models = [model for model in self.models.values() if model.state != "out"]
        model = self.rng.choices(models, [max(m.weight, 0.001) for m in models])[0]
        self.requests += 1
        model.requests += 1
        if self.rng.random() < 0.015:
            model.failed += 1
            return
        candidates = self.rng.randint(28, 42)
        share = max(0.0, 1 - self.unique / UNIVERSE) ** 1.5 * model.skill
        fresh = sum(self.rng.random() < min(0.97, share) for _ in range(candidates))
        leaf = self.rng.choice(leaf_ids())
        got = self.leaves.setdefault(leaf, [0, 0, 0])
        got[0] += 1
        got[1] += fresh
        got[2] = fresh
        cost = model.price * self.rng.uniform(0.8, 1.25)
        self.candidates += candidates
        self.unique += fresh
        self.cost += cost
        model.candidates += candidates
        model.unique += fresh
        model.cost += cost

    def advance(self, seconds: float, rate: float = 1.0) -> None:
        before = self.elapsed
        self.elapsed += seconds
        for _ in range(round(self.elapsed * rate) - round(before * rate)):
            self.answer()
        if self.elapsed - self.series[-1][0] >= 2 or seconds > 2:
            self.series.append([round(self.elapsed, 1), self.unique, self.requests, round(self.cost, 5)])
        if self.max_attributes is not None and self.unique >= self.max_attributes:
            self.unique = self.max_attributes
            self.end("finished", f"max-attributes: {self.max_attributes} attributes found")

    def end(self, status: str, reason: str) -> None:
        self.status, self.stop_reason = status, reason
        self.series.append([round(self.elapsed, 1), self.unique, self.requests, round(self.cost, 5)])

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "topic": self.topic,
            "status": self.status,
            "stop_reason": self.stop_reason,
            "unique_attributes": self.unique,
            "cost_usd": round(self.cost, 4),
            "started": self.started.isoformat(),
            "updated": (self.started + timedelta(seconds=self.elapsed)).isoformat(),
        }

    def attribute(self, number: int) -> dict[str, Any]:
        keys = list(self.models)
        key = keys[(number * 7 + number // 13) % len(keys)]
        provider, model = key.split(":")
        leaves = leaf_ids()
        text = self.texts[number - 1] if number <= len(self.texts) else bird(number)
        done = number / max(1, self.unique)
        return {
            "number": number,
            "text": text,
            "provider": provider,
            "model": model,
            "partition": leaves[number * 5 % len(leaves)],
            "producer": f"producer {number % self.producers}",
            "at": (START + timedelta(seconds=self.elapsed * done**2)).isoformat(),
            "times_named": 1 + (number * 31 % 97) * max(0, 600 - number) // 6000,
            "merged_into": self.merged.get(number),
        }

    def metrics(self) -> dict[str, Any]:
        minutes = max(self.elapsed, 1) / 60
        recent = self.series[max(0, len(self.series) - 30)]
        span = max(1.0, self.elapsed - recent[0])
        pace = (self.unique - recent[1]) / span * 60
        spent = self.cost - recent[3]
        found = self.unique / UNIVERSE
        spread = max(0.03, 0.5 - found * 0.55)
        known = self.unique > 400
        left = UNIVERSE - self.unique
        return {
            "topic": self.topic,
            "status": self.status,
            "stop_reason": self.stop_reason,
            "unique_attributes": self.unique,
            "candidates": self.candidates,
            "duplicates": self.candidates - self.unique,
            "requests": {
                "ok": self.requests - sum(m.failed for m in self.models.values()),
                "failed": sum(m.failed for m in self.models.values()),
            },
            "tokens": {"input": self.requests * 640, "output": self.candidates * 9},
            "cost_usd": self.cost,
            "budget_usd": self.budget,
            "unique_per_minute": pace,
            "unique_per_dollar": (self.unique - recent[1]) / spent if spent > 0 else None,
            "repeats_share": 1 - self.unique / max(1, self.candidates),
            "elapsed_s": self.elapsed,
            "producers": self.producer_rows(),
            "providers": {key: self.model_numbers(model, minutes) for key, model in self.models.items()},
            "partitions": self.partitions(),
            "coverage": {
                "at_least": round(self.unique + left * 0.55) if self.unique else None,
                "estimated_total": round(UNIVERSE * (1 + spread / 9)) if known else None,
                "low": round(self.unique + left * 0.6) if known else None,
                "high": round(UNIVERSE * (1 + spread)) if known else None,
                "good_turing": min(0.99, found**0.6),
                "support_2": round(self.unique * min(0.8, found)),
                "gain_next_double": round(left * 0.6),
                "forecast_next_usd": round(pace / max(spent / span * 60, 1e-9)) if spent > 0 else None,
                "confidence": "methods agree" if known else "fewer than 20 answers",
                "record": {"count": 12 if found > 0.4 else 0, "bias": 0.04, "rmse": 0.08, "last": []},
                "forecast_next_request": pace / 60,
            },
            "series": self.series,
            "near_duplicates": {
                "merged": len(self.merged),
                "distinct": self.unique - len(self.merged),
                "latest": [
                    {"number": number, "text": bird(number), "into": into["text"], "reason": into["reason"]}
                    for number, into in self.merged.items()
                ],
            },
            "windows": {},
            "alerts": [],
            "simulated": False,
            "embedded": False,
        }

    def producer_rows(self) -> list[dict[str, Any]]:
        rows = []
        alive = self.status == "running"
        for slot in range(self.producers if alive else 0):
            state = "silent" if slot == 5 and math.sin(self.elapsed / 9) > 0.7 else "busy"
            rows.append(
                {
                    "id": f"producer {slot}",
                    "slot": slot,
                    "state": state,
                    "pid": 41_200 + slot,
                    "cpu": 2.0 + (slot * 1.7 + self.elapsed) % 5,
                    "rss": 84_000_000 + slot * 1_300_000,
                    "in_flight": 0 if state == "silent" else 1 + (slot + int(self.elapsed)) % 2,
                    "requests": self.requests // self.producers,
                    "unique_attributes": self.unique // self.producers,
                    "restarts": 1 if slot == 5 else 0,
                }
            )
        return rows

    def model_numbers(self, model: Model, minutes: float) -> dict[str, Any]:
        ok = max(1, model.requests - model.failed)
        return {
            "requests": model.requests,
            "failed": model.failed,
            "candidates": model.candidates,
            "unique_attributes": model.unique,
            "cost_usd": model.cost,
            "latency_ms": model.latency,
            "latency_p95_ms": model.latency * 1.9,
            "unique_per_minute": model.unique / minutes,
            "unique_per_dollar": model.unique / model.cost if model.cost else None,
            "repeats_share": 1 - model.unique / max(1, model.candidates),
            "success": ok / max(1, model.requests),
            "weight": model.weight,
            "state": model.state,
            "detail": model.detail,
        }

    def partitions(self) -> list[dict[str, Any]]:
        rows = [self.partition("root", self.topic, None, 0, "root", 3)]
        for group, leaves in GROUPS.items():
            kind = "split" if leaves else "leaf"
            rows.append(self.partition(slug(group), group, "root", 1, kind, 0.8 if leaves else 1.2))
            rows += [self.partition(slug(leaf), leaf, slug(group), 2, "leaf", 1) for leaf in leaves]
        return rows

    def partition(self, key: str, label: str, parent: str | None, depth: int, kind: str, size: float) -> dict[str, Any]:
        answers, unique, _ = self.leaves.get(key, [max(1, self.requests // 40), self.unique // 30, 0])
        fresh = max(0.02, max(0.0, 1 - self.unique / UNIVERSE) ** 1.5 * (0.6 + 0.4 * math.sin(len(label))))
        left = max(0, round((UNIVERSE - self.unique) / 16 * size * (0.5 + 0.5 * abs(math.cos(len(label))))))
        return {
            "id": key,
            "label": label,
            "parent": parent,
            "depth": depth,
            "kind": kind,
            "state": "done" if fresh < 0.05 else "open",
            "answers": answers,
            "unique_attributes": unique,
            "fresh_rate": fresh,
            "left": left,
        }


def slug(label: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in label.lower())


def leaf_ids() -> list[str]:
    return [slug(name) for group, leaves in GROUPS.items() for name in (leaves or [group])]


class FakeFace:
    """`DaemonFace` over worlds. `advance` moves the running one and says that something changed."""

    def __init__(self) -> None:
        self.worlds: dict[str, World] = {}
        self.queue: list[str] = []
        self.running: str | None = None
        self.requests_seen: list[TopicRequest] = []
        self.weights_seen: list[dict[str, float | None]] = []
        self.attribute_reads = 0
        self.trouble: str | None = None
        self.alerts: list[dict[str, str]] = []
        self.uptime = 0.0
        self._signals: set[asyncio.Event] = set()

    def add(self, world: World) -> World:
        self.worlds[world.id] = world
        if world.status == "running":
            self.running = world.id
        return world

    def advance(self, seconds: float) -> None:
        self.uptime += seconds
        if self.running is not None:
            world = self.worlds[self.running]
            world.advance(seconds)
            if world.status != "running":
                self._next()
        self.changed()

    def changed(self) -> None:
        for signal in self._signals:
            signal.set()

    def status(self) -> dict[str, Any]:
        world = self.worlds.get(self.running or "")
        alerts = [*self.alerts]
        if self.trouble is not None:
            alerts.append({"level": "error", "text": self.trouble})
        return {
            "version": "0.1.0",
            "pid": 4242,
            "uptime_s": self.uptime,
            "outputs": "outputs",
            "topic": None if world is None else {"id": world.id, "topic": world.topic, "status": world.status},
            "queue": self.queue,
            "storage": {"ok": self.trouble is None, "detail": self.trouble or "ok"},
            "producers": [] if world is None else world.producer_rows(),
            "alerts": alerts,
        }

    def topics(self) -> list[dict[str, Any]]:
        return [world.row() for world in self.worlds.values()]

    async def start_topic(self, request: TopicRequest) -> dict[str, Any]:
        self.requests_seen.append(request)
        if any(model.startswith("nowhere") for model in request.providers or []):
            raise UsageError("nowhere is not a provider; known are openai, anthropic, gemini, ollama")
        key = slug(request.topic)
        if key in self.worlds and not (request.overwrite or request.resume):
            raise TopicError(f"{key} exists already; say overwrite or resume")
        world = World(key, request.topic, request.budget, request.max_attributes, producers=request.producers or 4)
        world.started = START + timedelta(minutes=len(self.requests_seen))
        if self.running == key:
            self.running = None
        if self.running is not None:
            world.status = "queued"
            self.queue.append(key)
        self.add(world)
        self.changed()
        return world.row()

    async def stop_topic(self, topic_id: str) -> dict[str, Any]:
        world = self.worlds[topic_id]
        if world.status not in {"running", "queued"}:
            raise UsageError(f"{topic_id} does not run")
        was_running = world.status == "running"
        world.end("stopped", "stopped on the page")
        if was_running:
            self._next()
        else:
            self.queue.remove(topic_id)
        self.changed()
        return world.row()

    async def resume_topic(self, topic_id: str) -> dict[str, Any]:
        world = self.worlds[topic_id]
        if world.status in {"running", "queued"}:
            raise UsageError(f"{topic_id} runs already")
        world.status, world.stop_reason = "running", None
        self.running = topic_id
        self.changed()
        return world.row()

    def metrics(self, topic_id: str) -> dict[str, Any] | None:
        world = self.worlds.get(topic_id)
        return None if world is None else world.metrics()

    async def attributes(
        self, topic_id: str, after: int, limit: int, search: str | None, partition: str | None, provider: str | None
    ) -> list[dict[str, Any]]:
        self.attribute_reads += 1
        world = self.worlds[topic_id]
        rows: list[dict[str, Any]] = []
        for number in range(after + 1, world.unique + 1):
            row = world.attribute(number)
            named = f"{row['provider']}:{row['model']}"
            if search is not None and search.casefold() not in row["text"].casefold():
                continue
            if partition is not None and row["partition"] != partition:
                continue
            if provider is not None and provider not in {named, row["provider"]}:
                continue
            rows.append(row)
            if len(rows) == limit:
                break
        return rows

    def merge(self, topic_id: str, number: int, head: int, reason: str = "plural") -> None:
        self.worlds[topic_id].merged[number] = {"number": head, "text": bird(head), "reason": reason}
        self.changed()

    async def attribute(self, topic_id: str, number: int) -> dict[str, Any] | None:
        world = self.worlds[topic_id]
        if number > world.unique:
            return None
        row = world.attribute(number)
        again = [world.attribute(number + n) for n in range(1, row["times_named"])]
        names = ("at", "provider", "model", "partition", "producer")
        merged = [(at, into["reason"]) for at, into in world.merged.items() if into["number"] == number]
        return row | {
            "named_again": [{name: other[name] for name in names} for other in again],
            "variants": [{"number": at, "text": bird(at), "reason": reason} for at, reason in merged],
            "latency_ms": 1500,
            "cost_usd": 0.001,
        }

    async def separate(self, topic_id: str, number: int) -> dict[str, Any]:
        world = self.worlds[topic_id]
        if number > world.unique:
            raise LookupError(number)
        if world.merged.pop(number, None) is None:
            raise TopicError(f"attribute {number} is in no group of near-duplicates")
        self.changed()
        return world.attribute(number)

    async def export(self, topic_id: str, fmt: str) -> AsyncIterator[bytes]:
        world = self.worlds[topic_id]
        for number in range(1, world.unique + 1):
            row = world.attribute(number)
            yield orjson.dumps(row) + b"\n" if fmt == "jsonl" else row["text"].encode() + b"\n"

    def providers(self) -> list[dict[str, Any]]:
        world = self.worlds.get(self.running or "")
        models = world.models.values() if world else [Model(key, *numbers) for key, numbers in MODELS.items()]
        return [
            {
                "key": model.key,
                "provider": model.key.split(":")[0],
                "model": model.key.split(":")[1],
                "state": model.state,
                "detail": model.detail,
                "weight": model.weight,
                "set_weight": model.set_weight,
            }
            for model in models
        ]

    async def set_weights(self, weights: dict[str, float | None]) -> list[dict[str, Any]]:
        unknown = sorted(set(weights) - set(MODELS))
        if unknown:
            raise UsageError(f"{unknown[0]} is not one of this topic's models")
        self.weights_seen.append(weights)
        world = self.worlds.get(self.running or "")
        if world is not None:
            for key, weight in weights.items():
                world.models[key].set_weight = weight
                world.models[key].weight = 0.25 if weight is None else weight
        self.changed()
        return self.providers()

    def latest(self) -> tuple[int, ...]:
        return () if self.running is None else (self.worlds[self.running].unique,)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Event]:
        signal = asyncio.Event()
        self._signals.add(signal)
        try:
            yield signal
        finally:
            self._signals.discard(signal)

    def healthy(self) -> tuple[bool, str]:
        return self.trouble is None, self.trouble or "ok"

    def _next(self) -> None:
        self.running = self.queue.pop(0) if self.queue else None
        if self.running is not None:
            self.worlds[self.running].status = "running"
