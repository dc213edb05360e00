"""From a request to the answer that a made-up model gives, the same in every API."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING

from tests.doubles.reading import Wish, understood
from tests.doubles.styles import STYLES

if TYPE_CHECKING:
    from tests.doubles.world import Item, World

# USD per million tokens: (input, output, cached input). List prices of the providers, written down by hand.
TARIFF = {
    "gpt-4o-mini": (0.15, 0.60, 0.075),
    "claude-haiku-4-5": (1.00, 5.00, 0.10),
    "gemini-2.5-flash-lite": (0.10, 0.40, 0.01),
}


@dataclass(frozen=True)
class Ask:
    """A request, freed of its API. `messages` as (role, content)."""

    model: str
    messages: tuple[tuple[str, str], ...]
    max_tokens: int | None
    stream: bool
    key: str | None
    usage_wanted: bool = True

    @property
    def user(self) -> str:
        return "\n\n".join(content for role, content in self.messages if role == "user")

    @property
    def prompt_hash(self) -> str:
        """As the product's ledger names a prompt, worked out a second time."""
        packed = json.dumps(self.messages, ensure_ascii=False, separators=(",", ":"))
        return blake2b(packed.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Answer:
    """`finish`: stop, length or refusal, which each API words in its own way. `tokens_in` counts cached ones too."""

    text: str
    items: tuple[str, ...] = ()
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    thoughts: int = 0
    pieces: tuple[str, ...] = field(default=(), repr=False)

    def cost(self, model: str, tokens_out: int | None = None) -> float:
        """USD by the list price; models that are not in the list cost nothing."""
        price_in, price_out, price_cached = next((p for m, p in TARIFF.items() if model.startswith(m)), (0, 0, 0))
        out = self.tokens_out + self.thoughts if tokens_out is None else tokens_out
        fresh = self.tokens_in - self.tokens_cached
        return (fresh * price_in + self.tokens_cached * price_cached + out * price_out) / 1e6


def tokens(text: str) -> int:
    """A crude count of our own: a token for every four bytes begun."""
    return math.ceil(len(text.encode()) / 4)


@dataclass(frozen=True)
class Mind:
    """Answers out of a world. `style` None: another one each time. `cached`, `thoughts`: counts to report."""

    world: World
    style: str | None = None
    cached: int = 0
    thoughts: int = 0

    def answer(self, ask: Ask, index: int) -> Answer:
        """The answer to the `index`-th request; world, model, prompt and index decide it."""
        rng = Random(f"{self.world.seed}/{ask.model}/{ask.prompt_hash}/{index}")
        wish = understood(ask.user, self.world.labels)
        text, items = self._said(ask.model, wish, rng)
        whole = Answer(
            text,
            items,
            tokens_in=sum(tokens(content) + 3 for _, content in ask.messages) + self.cached,
            tokens_out=tokens(text),
            tokens_cached=self.cached,
            thoughts=self.thoughts,
        )
        return cut(whole, ask.max_tokens) if ask.max_tokens is not None else pieced(whole)

    def _said(self, model: str, wish: Wish, rng: Random) -> tuple[str, tuple[str, ...]]:
        if wish.purpose == "verify":
            real = {item.name for item in self.world.catalogue}
            lines = [f"{number}. {'yes' if name in real else 'no'}" for number, name in wish.items]
            return "\n".join(lines), ()
        if wish.purpose == "split":
            labels = tuple(label for label in self.world.labels if _below(label, wish.label))
            return json.dumps(labels, ensure_ascii=False), labels
        items = tuple(self.world.pick(model, wish.count, lambda item: _fits(item, wish), rng))
        style = self.style or rng.choice(sorted(STYLES))
        return STYLES[style](items), items


def _below(label: str, parent: str | None) -> bool:
    """Categories of the whole have one word; those of a category are that word with another before it."""
    return (
        label.endswith(f" {parent}") if parent else not label.startswith(("old ", "coastal ", "hidden ", "northern "))
    )


def _fits(item: Item, wish: Wish) -> bool:
    if wish.label is not None and wish.label not in item.labels:
        return False
    if wish.letters and item.name[0].lower() not in wish.letters:
        return False
    return item.name not in wish.known


def cut(answer: Answer, max_tokens: int) -> Answer:
    """`answer` within `max_tokens`."""
    if answer.tokens_out <= max_tokens:
        return pieced(answer)
    text = answer.text.encode()[: 4 * max_tokens].decode("utf-8", "ignore")
    return pieced(replace(answer, text=text, finish="length", tokens_out=tokens(text)))


def pieced(answer: Answer) -> Answer:
    """With the pieces a stream sends: some 24 characters each."""
    text = answer.text
    return replace(answer, pieces=tuple(text[i : i + 24] for i in range(0, len(text), 24)))
