"""What a token costs: `genai-prices`, as installed, without the network; and what a person says overrides it.

The figures are list prices in USD per million tokens. `genai-prices` is imported (0.15 s) at the first question that
neither an override nor the set of free providers answers. Its automatic update is off unless a program starts it,
and nothing here does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from igentai.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genai_prices.types import ModelPrice, PriceCalculation

FREE_PROVIDERS: Final = frozenset({"embedded", "ollama", "simulated"})
"""Names of providers that run on the person's own machine."""

_MILLION: Final = 1_000_000
_SOURCES: Final = {"gemini": "google"}
_DATE: Final = re.compile(r"[-@](20\d{6}|20\d\d-\d\d-\d\d)$")
_ALIAS: Final = re.compile(r"[-:]latest$")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. `cached` is for input tokens read from a cache, None: the same as `input`.

    `request` is USD for one request, whatever its size.
    """

    input: float
    output: float
    cached: float | None = None
    request: float = 0.0

    def cost(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> float:
        """USD of one request. `tokens_in` counts the cached ones too."""
        cached = self.input if self.cached is None else self.cached
        fresh_in = tokens_in - tokens_cached
        return self.request + (fresh_in * self.input + tokens_cached * cached + tokens_out * self.output) / _MILLION


FREE: Final = Price(0.0, 0.0)

_Steps = tuple[tuple[int, Price], ...]  # (above this many input tokens, price), ascending, the first above 0


class PriceTable:
    """Prices by provider and model.

    Args:
        overrides: `"provider:model"`, `"model"` or `"provider:*"` to a price; the first of these that is there wins
            over everything else.
        free: names of providers that cost nothing.
    """

    def __init__(self, overrides: Mapping[str, Price] | None = None, free: frozenset[str] = FREE_PROVIDERS) -> None:
        self._overrides = dict(overrides or {})
        self._free = free
        self._known: dict[tuple[str, str], _Steps | None] = {}

    def price(self, provider_name: str, model: str) -> Price | None:
        """The price of a request of ordinary size, None where nobody knows it."""
        steps = self._steps(provider_name, model)
        return steps[0][1] if steps else None

    def cost(
        self, provider_name: str, model: str, tokens_in: int, tokens_out: int, tokens_cached: int = 0
    ) -> float | None:
        """USD of a request with this usage, at the rate of its size; None where the price is unknown."""
        steps = self._steps(provider_name, model)
        if not steps:
            return None
        price = next((p for above, p in reversed(steps) if tokens_in > above), steps[0][1])
        return price.cost(tokens_in, tokens_out, tokens_cached)

    def upper_bound(self, provider_name: str, model: str, tokens_in: int, max_tokens: int) -> float | None:
        """USD that a request cannot pass: nothing cached, every token of the reply used."""
        return self.cost(provider_name, model, tokens_in, max_tokens, 0)

    def _steps(self, provider_name: str, model: str) -> _Steps | None:
        key = (provider_name, model)
        if key not in self._known:
            self._known[key] = self._find(provider_name, model)
        return self._known[key]

    def _find(self, provider_name: str, model: str) -> _Steps | None:
        for name in (f"{provider_name}:{model}", model, f"{provider_name}:*"):
            if name in self._overrides:
                return ((0, self._overrides[name]),)
        if provider_name == "simulated":
            return ((0, _made_up(model)),)
        if provider_name in self._free or (provider_name == "openrouter" and model.endswith(":free")):
            return ((0, FREE),)
        return _listed(provider_name, model)


def _made_up(model: str) -> Price:
    """What a simulated model says that it costs: a budget must hold for made-up money as well."""
    from igentai.providers.simulated import REPLY_TOKEN, world_of

    try:
        price = world_of(model).price
    except ConfigurationError:
        return FREE
    return Price(price, price * REPLY_TOKEN)


def _listed(provider_name: str, model: str) -> _Steps | None:
    from genai_prices import Usage, calc_price

    for name in _spellings(provider_name, model):
        try:
            found = calc_price(Usage(), name, provider_id=_SOURCES.get(provider_name, provider_name))
        except LookupError:
            continue
        return _stepped(_dearest(found))
    return None


def _spellings(provider_name: str, model: str) -> Iterator[str]:
    """`model` as said, then without what providers put around the names that price lists use."""
    yield model
    bare = model.removeprefix("models/").removeprefix(f"{provider_name}/")
    yield bare
    undated = _DATE.sub("", bare)
    yield undated
    yield _ALIAS.sub("", undated)


def _dearest(found: PriceCalculation) -> ModelPrice:
    """The price in force; where it depends on the hour, the highest, so that a budget holds at any hour."""
    listed = found.model.prices
    hourly = [c.prices for c in listed if hasattr(c.constraint, "start_time")] if isinstance(listed, list) else []
    return max([found.model_price, *hourly], key=lambda price: _rate(getattr(price, "output_mtok", None), 0) or 0.0)


def _stepped(listed: ModelPrice) -> _Steps | None:
    """The listed price and, where long prompts cost more, each further step: the higher rate holds for all tokens."""
    values = [getattr(listed, name, None) for name in ("input_mtok", "output_mtok", "cache_read_mtok")]
    per_request = float(getattr(listed, "requests_kcount", None) or 0) / 1000
    above = {0} | {tier.start for value in values for tier in getattr(value, "tiers", ())}
    steps = []
    for start in sorted(above):
        rate_in, rate_out, rate_cached = (_rate(value, start + 1) for value in values)
        if rate_in is None or rate_out is None:
            return None
        steps.append((start, Price(rate_in, rate_out, rate_cached, per_request)))
    return tuple(steps)


def _rate(value: Any, tokens_in: int) -> float | None:
    """The rate of a plain or a stepped price for a prompt of `tokens_in` tokens."""
    if value is None:
        return None
    rate = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if tokens_in > tier.start:
            rate = tier.price
    return float(rate)
