"""The next request: which arm, in which words, at what most it may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from igentai.messages import Assign
from igentai.prices import PriceTable
from igentai.tokens import TokenRatio
from igentai_orchestrator.core import prompts
from igentai_orchestrator.core.arrangement import Arrangement
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.discovery import Ask, Situation
from igentai_orchestrator.core.exclusion import theta
from igentai_orchestrator.core.flights import Flight, Flights, Retries
from igentai_orchestrator.core.gate import Gate

SPLIT_TOKENS: Final = 600
VERDICT_TOKENS: Final = 12
VERIFIED: Final = 5
TOKENS_PER_LINE: Final = 9.0
NOMINAL_IN: Final = 250
SMALL_TEMPERATURE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Request:
    """A request in words: what to ask, how much room the reply gets, what its prompt lists as known."""

    messages: prompts.Messages
    max_tokens: int
    asked: int
    listed: tuple[int, ...] = ()
    subject_numbers: tuple[int, ...] = ()


class Asker:
    """Chooses and words requests for one campaign."""

    def __init__(
        self,
        campaign: Campaign,
        gates: Mapping[str, Gate],
        prices: PriceTable,
        ratios: TokenRatio,
        arrangement: Arrangement,
        rng: Random,
    ) -> None:
        self._campaign = campaign
        self._gates = gates
        self._prices = prices
        self._ratios = ratios
        self._arrangement = arrangement
        self._rng = rng
        self._models = {model.key: model for model in campaign.spec.models}
        self._bounds = {key: self._nominal_bound(key) for key in self._models}

    def affordable(self) -> bool:
        """Whether the budget has room for a request to the cheapest model."""
        return any(self._campaign.budget.can(bound) for bound in self._bounds.values())

    def usable(self) -> list[str]:
        """Models whose provider is not out."""
        return [k for k, model in self._models.items() if self._gates[model.provider].out_for(model.model) is None]

    def wait_s(self, now: float) -> float:
        """Seconds until some model may be asked, inf where time alone changes nothing."""
        return min(self._wait_s(key, now, self._tokens(key)) for key in self._models)

    def next(self, now: float, flights: Flights, retries: Retries, run_id: str) -> Flight | None:
        """A flight ready to be recorded, its limits taken and its budget not yet; None to wait."""
        for _ in range(len(self._models) + 1):
            available = {key for key in self._models if self._may(key, now)}
            if not available:
                return None
            ask, attempt, failed_on = self._choose(now, available, flights, retries)
            if ask is None:
                return None
            request = self.word(ask)
            flight = self._flight(ask, request, attempt, failed_on, now, run_id)
            if flight is not None:
                return flight
            if attempt > 1:
                retries.add(now + 1.0, ask, attempt, failed_on)
        return None

    def upper_bound(self, assign: Assign) -> float:
        """USD that a request can cost at most; 0 where its price is unknown (then no budget can be set)."""
        key = f"{assign.provider}:{assign.model}"
        tokens_in = self._ratios.upper_bound(key, assign.messages)
        return self._prices.upper_bound(assign.provider, assign.model, tokens_in, assign.max_tokens) or 0.0

    # -- choosing -----------------------------------------------------------------------------------------------

    def _may(self, key: str, now: float) -> bool:
        return self._wait_s(key, now, self._tokens(key)) <= 0 and self._campaign.budget.can(self._bounds[key])

    def _wait_s(self, key: str, now: float, tokens: int) -> float:
        model = self._models[key]
        return self._gates[model.provider].wait_s(now, model.model, tokens)

    def _choose(
        self, now: float, available: set[str], flights: Flights, retries: Retries
    ) -> tuple[Ask | None, int, frozenset[str]]:
        retry = retries.take(now)
        if retry is not None:
            others = available - retry.failed_on or available
            model = retry.ask.model if retry.ask.model in others else min(others)
            again = Ask(model, retry.ask.partition, retry.ask.purpose, retry.ask.forecast, retry.ask.subject)
            return again, retry.attempt, retry.failed_on
        campaign = self._campaign
        limits = campaign.spec.limits
        seconds_left = None
        if limits.max_minutes is not None:
            seconds_left = max(0.0, limits.max_minutes * 60 - (now - campaign.started_at))
        situation = Situation(
            now=now,
            available=available,
            usable=set(self.usable()),
            in_flight=flights.arms,
            usd_left=campaign.budget.left if limits.budget_usd is not None else None,
            seconds_left=seconds_left,
        )
        return campaign.policy.choose(situation, self._rng), 1, frozenset()

    # -- wording ------------------------------------------------------------------------------------------------

    def word(self, ask: Ask) -> Request:
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

    def _listed(self, ask: Ask) -> tuple[int, ...]:
        campaign = self._campaign
        model = self._models[ask.model]
        price = self._prices.price(model.provider, model.model)
        per_token, per_item = (price.input * 1e-6, price.output * 1e-6 * TOKENS_PER_LINE) if price else (0.0, 0.0)
        numbers = campaign.exclusion.choose(ask.partition, theta=theta(per_token, per_item))
        kept = prompts.within([campaign.texts[n - 1] for n in numbers], self._arrangement.list_tokens)
        return tuple(numbers[: len(kept)])

    def _flight(
        self, ask: Ask, request: Request, attempt: int, failed_on: frozenset[str], now: float, run_id: str
    ) -> Flight | None:
        model = self._models[ask.model]
        terms = self._arrangement.providers[model.provider]
        temperature = self._campaign.spec.temperature
        if temperature is None and prompts.style_of(ask.model) is prompts.Style.small:
            temperature = SMALL_TEMPERATURE
        assign = Assign(
            assignment_id=self._campaign.next_assignment,
            provider=model.provider,
            model=model.model,
            partition=ask.partition,
            messages=list(request.messages),
            max_tokens=request.max_tokens,
            temperature=temperature,
            timeout_s=terms.timeout_s,
            purpose=ask.purpose,
        )
        bound = self.upper_bound(assign)
        self._bounds[ask.model] = bound
        gate = self._gates[model.provider]
        tokens = self._ratios.expected(ask.model, request.messages) + request.max_tokens
        if not self._campaign.budget.can(bound) or self._wait_s(ask.model, now, tokens) > 0:
            return None
        return Flight(
            assign=assign,
            ask=ask,
            attempt=attempt,
            run_id=run_id,
            prompt_hash=prompts.prompt_hash(request.messages),
            listed=request.listed,
            asked=request.asked,
            taken=gate.take(now, tokens, assign.assignment_id),
            decided_at=now,
            reserved_usd=bound,
            failed_on=failed_on,
            judged=request.subject_numbers,
        )

    def _tokens(self, key: str) -> int:
        """What the next request to a model will reserve, about."""
        size = self._campaign.sizes[key].value
        return NOMINAL_IN + prompts.max_tokens_for(size, prompts.style_of(key))

    def _nominal_bound(self, key: str) -> float:
        model = self._models[key]
        return self._prices.upper_bound(model.provider, model.model, NOMINAL_IN, self._tokens(key)) or 0.0


def expected_cost(prices: PriceTable, provider: str, model: str, size: int) -> float:
    """USD of one listing request of `size` attributes by the price list, 0 where it is free or unknown."""
    return prices.cost(provider, model, NOMINAL_IN, int(size * TOKENS_PER_LINE)) or 0.0
