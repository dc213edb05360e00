"""The words of a request: its prompt, what that lists as known, and how much room the reply gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from igentai.prices import PriceTable
from igentai_orchestrator.core import prompts
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.discovery import Ask
from igentai_orchestrator.core.exclusion import LIST_LONGEST, LIST_MAX, theta

SPLIT_TOKENS: Final = 600
VERDICT_TOKENS: Final = 12
VERIFIED: Final = 5
TOKENS_PER_LINE: Final = 9.0
NOMINAL_IN: Final = 250
SMALL_TEMPERATURE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Request:
    """A request in words. `listed` are the numbers its prompt lists as known, `subject_numbers` those it asks about."""

    messages: prompts.Messages
    max_tokens: int
    asked: int
    listed: tuple[int, ...] = ()
    subject_numbers: tuple[int, ...] = ()


class Wording:
    """Words requests for one campaign. `list_tokens` is the allowance of a list of what is known."""

    def __init__(self, campaign: Campaign, prices: PriceTable, list_tokens: int) -> None:
        self._campaign = campaign
        self._prices = prices
        self._list_tokens = list_tokens
        self._models = {model.key: model for model in campaign.spec.models}
        self._request_usd = self._worth_of_a_request()
        scarce = self._request_usd > 0.0 or campaign.policy.tariff.optimise == "requests"
        self.longest = LIST_LONGEST if scarce and campaign.spec.policy == "learned" else LIST_MAX

    def word(self, ask: Ask) -> Request:
        """A request for attributes, for the names of slices, or for a verdict on attributes."""
        campaign, spec = self._campaign, self._campaign.spec
        style = prompts.style_of(ask.model)
        phrase = campaign.tree.phrase(ask.partition)
        if ask.purpose == "split":
            found = campaign.examples(ask.partition)
            siblings = campaign.sibling_labels(ask.partition)
            return Request(prompts.splitting(spec.topic, phrase, found, siblings, style), SPLIT_TOKENS, 0)
        if ask.purpose == "verify":
            numbers = campaign.to_verify(ask.subject, VERIFIED)
            items = [campaign.texts[number - 1] for number in numbers]
            room = VERDICT_TOKENS * max(1, len(items))
            return Request(prompts.verifying(spec.topic, items), room, len(items), subject_numbers=tuple(numbers))
        size = campaign.sizes[ask.model].value
        listed = self._listed(ask) if style is prompts.Style.full else ()
        messages = prompts.listing(
            spec.topic,
            size=size,
            partition=phrase,
            known=[campaign.texts[number - 1] for number in listed],
            prompt=spec.prompt,
            style=style,
            variant=campaign.next_assignment,
        )
        return Request(messages, prompts.max_tokens_for(size, style), size, listed)

    def room(self, key: str) -> int:
        """Tokens that the reply to a request for attributes gets."""
        return prompts.max_tokens_for(self._campaign.sizes[key].value, prompts.style_of(key))

    def temperature(self, key: str) -> float | None:
        """As the person said; None leaves it to the provider, but a small model repeats itself unless it is warm."""
        said = self._campaign.spec.temperature
        small = prompts.style_of(key) is prompts.Style.small
        return SMALL_TEMPERATURE if said is None and small else said

    def usual_theta(self) -> float:
        """The chance to be repeated from which on a prompt lists an attribute, over all models."""
        return sum(map(self._theta, self._models)) / len(self._models)

    def _listed(self, ask: Ask) -> tuple[int, ...]:
        campaign = self._campaign
        numbers = campaign.exclusion.choose(ask.partition, limit=self.longest, theta=self._theta(ask.model))
        kept = prompts.within([campaign.texts[n - 1] for n in numbers], self._list_tokens)
        return tuple(numbers[: len(kept)])

    def _theta(self, key: str) -> float:
        """The chance to be repeated from which on a model's prompt lists an attribute."""
        model = self._models[key]
        price = self._prices.price(model.provider, model.model)
        if price is None:
            return theta(0.0, 0.0)
        per_item = price.output * 1e-6 * TOKENS_PER_LINE + self._request_usd / self._campaign.sizes[key].value
        return theta(price.input * 1e-6, per_item)

    def _worth_of_a_request(self) -> float:
        """USD that a request is worth besides what it costs: where they are limited, the mean cost of one."""
        campaign = self._campaign
        priced = campaign.spec.limits.max_requests is not None and campaign.policy.tariff.optimise == "cost"
        if not priced or campaign.spec.policy != "learned":
            return 0.0
        sizes = ((m, campaign.sizes[key].value) for key, m in self._models.items())
        costs = [expected_cost(self._prices, m.provider, m.model, size) for m, size in sizes]
        return sum(costs) / len(costs)


def expected_cost(prices: PriceTable, provider: str, model: str, size: int) -> float:
    """USD of one listing request of `size` attributes by the price list, 0 where it is free or unknown."""
    return prices.cost(provider, model, NOMINAL_IN, int(size * TOKENS_PER_LINE)) or 0.0
