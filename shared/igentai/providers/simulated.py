"""`simulated:NAME`: models without a network, for tests, demos and benchmarks. Nothing they say is true.

NAME is a preset, with a suffix and options where wanted: `small`, `medium`, `large`, `closed100` (a topic of exactly
100 items), `small-b` (another model of the same world), `world?items=5000&categories=100&knows=0.6&skew=0.9&seed=3`.
All models with the same topic, seed, items and categories share one world (`simulated_world`).
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from igentai import tokens
from igentai.errors import ConfigurationError, FailureKind, ProviderError
from igentai.providers.base import Call, Finish, ProviderSpec, Reply
from igentai.providers.simulated_reading import Reading, read
from igentai.providers.simulated_world import Knowledge, Universe, new_word, plain, universe_of

if TYPE_CHECKING:
    from collections.abc import Sequence

RIGHT: Final = 0.9  # share of items judged rightly when asked to verify
REPLY_TOKEN: Final = 4  # times the price of a token that was sent
LABELS: Final = 25  # categories named at most when asked to split


@dataclass(frozen=True, slots=True)
class World:
    """What the options of a simulated model set.

    `knows`: share of the items it has heard of. `skew`: exponent of Zipf's law. `latency`: mean seconds an answer.
    `fail`: share of calls that fail. `leak`: share of a partition's answer that lies outside it. `comply`: chance that
    an item of the exclusion list is left out. `junk`: share of invented items. `price`: USD per million tokens sent;
    a token received costs four times that.
    """

    items: int = 6000
    categories: int = 16
    knows: float = 0.6
    skew: float = 1.0
    latency: float = 0.05
    fail: float = 0.0
    leak: float = 0.08
    comply: float = 0.85
    junk: float = 0.0
    price: float = 0.0
    seed: int = 0


_PRESETS: Final = {
    "world": World(),
    "small": World(items=1200, categories=12),
    "medium": World(),
    "large": World(items=40_000, categories=30, knows=0.5),
}
_CLOSED: Final = re.compile(r"closed(\d{1,5})")
_SHARES: Final = frozenset({"knows", "fail", "leak", "comply", "junk"})


def world_of(model: str) -> World:
    """The world behind a model's name.

    Raises:
        ConfigurationError: no such preset or option, or a value that cannot be.
    """
    name, _, query = model.partition("?")
    preset = name.partition("-")[0]
    closed = _CLOSED.fullmatch(preset)
    if closed and int(closed[1]):
        world = World(items=int(closed[1]), categories=min(5, int(closed[1])), knows=1.0, skew=0.5, leak=0.0)
    elif preset in _PRESETS:
        world = _PRESETS[preset]
    else:
        raise ConfigurationError(
            f"no simulated model {model!r}: say small, medium, large, closed100 or world?items=5000&knows=0.6"
        )
    for option, value in parse_qsl(query, keep_blank_values=True):
        world = _with_option(world, option, value)
    return world


def _with_option(world: World, option: str, value: str) -> World:
    known = {f.name for f in fields(World)}
    if option not in known:
        raise ConfigurationError(f"a simulated model has no option {option!r}: there are {', '.join(sorted(known))}")
    kind = type(getattr(world, option))
    top = 1.0 if option in _SHARES else 1_000_000
    bottom = 1 if option in ("items", "categories") else 0
    try:
        number = kind(value)
    except ValueError:
        number = -1
    if not bottom <= number <= top:
        raise ConfigurationError(f"{option}={value} of a simulated model must be a number from {bottom} to {top:g}")
    return replace(world, **{option: number})


class SimulatedProvider:
    """A `Provider` that answers out of a made-up world.

    An answer depends on the world's seed, the model, the messages, `salt`, and how many calls came before it: the same
    calls in the same order give the same answers. Processes that should differ take different salts.
    """

    def __init__(self, spec: ProviderSpec, salt: int = 0) -> None:
        self._name = spec.name
        self._salt = salt
        self._calls = count()

    async def ask(self, call: Call) -> Reply:
        try:
            world = world_of(call.model)
        except ConfigurationError as error:
            raise ProviderError(FailureKind.MODEL, str(error), status=404) from error
        prompt = "\n\n".join(content for role, content in call.messages if role == "user")
        digest = blake2b(repr(call.messages).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        rng = Random(f"{world.seed}|{call.model}|{self._salt}|{next(self._calls)}|{digest}")
        latency = world.latency * rng.uniform(0.6, 1.4)
        await asyncio.sleep(min(latency, call.timeout_s))
        if latency > call.timeout_s:
            raise ProviderError(FailureKind.TIMEOUT, f"{self._name}: no simulated answer in {call.timeout_s:g} s")
        if rng.random() < world.fail:
            raise _fault(self._name, rng)
        text = _answer(call.model, world, read(prompt), rng)
        return _reply(call, world, text, latency)

    async def close(self) -> None:
        """Nothing is held."""


def _reply(call: Call, world: World, text: str, latency: float) -> Reply:
    finish: Finish = "stop"
    tokens_in, tokens_out = tokens.estimate_messages(call.messages), tokens.estimate(text)
    if tokens_out > call.max_tokens:
        text, finish = text[: len(text) * call.max_tokens // tokens_out], "length"
        tokens_out = call.max_tokens
    return Reply(
        text=text,
        model=call.model,
        finish=finish,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=world.price * (tokens_in + REPLY_TOKEN * tokens_out) / 1e6,
        latency_ms=round(1000 * latency),
    )


def _fault(name: str, rng: Random) -> ProviderError:
    kind = rng.choices((FailureKind.SERVER, FailureKind.RESET, FailureKind.RATE_LIMITED), (6, 2, 2))[0]
    if kind is FailureKind.RATE_LIMITED:
        return ProviderError(kind, f"{name}: simulated rate limit", status=429, retry_after_s=1.0)
    if kind is FailureKind.SERVER:
        return ProviderError(kind, f"{name}: simulated overload", status=503)
    return ProviderError(kind, f"{name}: simulated connection reset")


@lru_cache(maxsize=32)
def _knowledge(model: str, world: World, topic: str) -> Knowledge:
    universe = universe_of(topic, items=world.items, categories=world.categories, seed=world.seed)
    return Knowledge(universe, model, knows=world.knows, skew=world.skew, seed=world.seed)


def _answer(model: str, world: World, reading: Reading, rng: Random) -> str:
    knowledge = _knowledge(model, world, " ".join(reading.topic.casefold().split()))
    if reading.purpose == "verify":
        return _verdicts(knowledge.universe, reading, rng)
    if reading.purpose == "split":
        return _labels(knowledge.universe, reading, rng)
    names = _named(knowledge, world, reading, rng)
    return _written(names, rng)


def _verdicts(universe: Universe, reading: Reading, rng: Random) -> str:
    lines = []
    for number, item in reading.items:
        real = plain(item) in universe.numbers
        lines.append(f"{number}. {'yes' if real is (rng.random() < RIGHT) else 'no'}")
    return "\n".join(lines)


def _labels(universe: Universe, reading: Reading, rng: Random) -> str:
    node = None if reading.whole else universe.node_named(reading.scope)
    if node is not None:
        children: Sequence[int] = universe.nodes[node].children
    else:
        children = [i for i, each in enumerate(universe.nodes) if each.parent < 0] if reading.whole else ()
    avoid = {plain(label) for label in reading.avoid}
    labels = [label for i in children if plain(label := universe.nodes[i].label) not in avoid]
    return json.dumps(rng.sample(labels, min(len(labels), LABELS)))


def _named(knowledge: Knowledge, world: World, reading: Reading, rng: Random) -> list[str]:
    """The names of one answer, in order: of the slice that was asked for, with some from outside it, and some junk."""
    universe = knowledge.universe
    listed = {universe.numbers.get(plain(name), -1) for name in reading.known}
    refused = {item for item in sorted(listed) if rng.random() < world.comply}
    node = universe.node_named(reading.scope) if reading.scope else None
    leaking = 0.0
    pool = knowledge.everything()
    if reading.letters:
        pool, leaking = knowledge.letters(reading.letters), 2 * world.leak  # models are worse at spelling
    elif node is not None:
        pool, leaking = knowledge.category(node), world.leak
    outside = sum(rng.random() < leaking for _ in range(reading.size))
    items = pool.draw(reading.size - outside, refused, rng)
    for item in knowledge.everything().draw(outside, refused | set(items), rng):
        items.insert(rng.randint(0, len(items)), item)
    return [_as_written(universe.names[item], world.junk, rng) for item in items]


def _as_written(name: str, junk: float, rng: Random) -> str:
    chance = rng.random()
    if chance < junk:
        return new_word(set(), rng, syllables=(6,)).capitalize()  # longer than any real name
    return name.upper() if rng.random() < 0.01 else name


def _written(names: Sequence[str], rng: Random) -> str:
    """The list in one of the shapes that models send, mostly the one that was asked for."""
    if not names:
        return ""
    numbered = [f"{number}. {name}" for number, name in enumerate(names, 1)]
    lines = "\n".join(names)
    shapes = (
        (50, lines),
        (20, "\n".join(numbered)),
        (10, "\n".join(f"- {name}" for name in names)),
        (5, "\n".join(f"**{name}**: well worth knowing" for name in names)),
        (5, json.dumps(names, ensure_ascii=False, indent=1)),
        (6, f"Sure! Here is the list:\n\n{chr(10).join(numbered)}\n\nLet me know if you would like more!"),
        (4, f"```\n{lines}\n```"),
    )
    return rng.choices([text for _, text in shapes], [weight for weight, _ in shapes])[0]
