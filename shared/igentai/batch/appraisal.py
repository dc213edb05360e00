"""What a call is reckoned at before it leaves, and what it turned out to be: tokens and money. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from igentai.prices import PriceTable
from igentai.retry import MAYBE_BILLED
from igentai.tokens import TokenRatio, estimate_messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igentai.batch.options import Options
    from igentai.batch.route import Route
    from igentai.errors import ProviderError
    from igentai.providers.base import Call, Reply


class Appraisal:
    """Tokens and prices of a batch's routes. Tokens are counted only where a limit or a budget asks for them."""

    def __init__(self, routes: Sequence[Route], options: Options) -> None:
        self._routes = tuple(routes)
        self._prices = PriceTable(options.prices)
        self._ratios = TokenRatio()
        limited = options.tokens_per_minute is not None or any(r.tokens_per_minute for r in routes)
        self._counts_tokens = limited or options.budget_usd is not None
        self._bounds_cost = options.budget_usd is not None

    @property
    def unpriced(self) -> str | None:
        """The first route whose price nobody knows, as `provider:model`. The first look loads the price list."""
        return next((r.key for r in self._routes if self._prices.price(r.provider, r.model) is None), None)

    def tokens_in(self, route: Route, call: Call) -> int:
        """What the prompt will probably be reported as; 0 where nothing depends on it."""
        if not self._counts_tokens:
            return 0
        return math.ceil(estimate_messages(call.messages) * self._ratios.ratio(route.key))

    def bound_usd(self, route: Route, call: Call) -> float:
        """What the call cannot cost more than; 0 without a budget."""
        if not self._bounds_cost:
            return 0.0
        tokens_in = self._ratios.upper_bound(route.key, call.messages)
        return self._prices.upper_bound(route.provider, route.model, tokens_in, call.max_tokens) or 0.0

    def cost(self, route: Route, reply: Reply, expected_in: int) -> float | None:
        """USD of a reply, None where nobody knows the price. Learns from its usage.

        Args:
            expected_in: what `tokens_in` said of its prompt.
        """
        if reply.usage_reported and expected_in:
            ratio = max(self._ratios.ratio(route.key), 1e-6)
            self._ratios.observe(route.key, round(expected_in / ratio), reply.tokens_in)
        if reply.cost_usd is not None:
            return reply.cost_usd
        return self._prices.cost(route.provider, route.model, reply.tokens_in, reply.tokens_out, reply.tokens_cached)


def cost_unknown(error: ProviderError) -> bool:
    """Whether a failed call may have been billed. A refusal by status costs nothing."""
    refused = error.status is not None and not 200 <= error.status < 300
    return not refused and error.kind in MAYBE_BILLED
