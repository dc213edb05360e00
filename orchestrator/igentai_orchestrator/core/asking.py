"""The next request: which arm, whether limits and money allow it, at what most it may cost. Its words: `wording.py`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from igentai.messages import Assign
from igentai.prices import PriceTable
from igentai.tokens import TokenRatio
from igentai_orchestrator.core import prompts
from igentai_orchestrator.core.arrangement import Arrangement
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.discovery import Ask, Situation
from igentai_orchestrator.core.flights import Flight, Flights, Retries
from igentai_orchestrator.core.gate import Gate, Place
from igentai_orchestrator.core.purse import Purse
from igentai_orchestrator.core.reply_tokens import ReplyTokens
from igentai_orchestrator.core.wording import NOMINAL_IN, Request, Wording

LATER_S: Final = 1.0  # until a retry that limits or money did not allow looks again


@dataclass(frozen=True, slots=True)
class Choice:
    """What to ask, and for a retry: which try this is and which models have failed."""

    ask: Ask
    attempt: int = 1
    failed_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Held:
    """A request that was chosen and did not fit into its provider's limits: it stands in line with its words."""

    choice: Choice
    request: Request
    tokens: int
    place: Place


class Asker:
    """Chooses and words requests for one campaign."""

    def __init__(
        self,
        campaign: Campaign,
        gates: Mapping[str, Gate],
        prices: PriceTable,
        ratios: TokenRatio,
        replies: ReplyTokens,
        arrangement: Arrangement,
        purse: Purse,
        rng: Random,
    ) -> None:
        self._campaign = campaign
        self._gates = gates
        self._prices = prices
        self._ratios = ratios
        self._replies = replies
        self._arrangement = arrangement
        self._purse = purse
        self._rng = rng
        self._models = {model.key: model for model in campaign.spec.models}
        self._wording = Wording(campaign, prices, arrangement.list_tokens)
        self._bounds = {key: self._nominal_bound(key) for key in self._models}
        self._held: dict[str, Held] = {}  # by provider: one a line, for those behind it wait anyway
        self._oversized: dict[str, int] = {}  # tokens of a request larger than its provider's limit, by model
        self._patient = False  # the policy would rather wait for a better model

    def never(self) -> str | None:
        """Why nothing will ever be asked again if nothing is under way: no money, or limits below one request.

        None where waiting may help, or where no model is usable at all.
        """
        reasons = [self._refused(key) for key in self.usable()]
        return reasons[0] if reasons and None not in reasons else None

    def _refused(self, key: str) -> str | None:
        gate = self._gates[self._models[key].provider]
        tokens = max(self._tokens(key), self._oversized.get(key, 0))
        return self._purse.refusal(self._bounds[key]) or gate.too_large(tokens)

    def short_of_the_hour(self, now: float) -> bool:
        """Whether it is the budget of the hour that keeps every usable model waiting."""
        waits = [self._purse.wait_s(now, self._bounds[key]) for key in self.usable()]
        return bool(waits) and all(0 < wait < math.inf for wait in waits)

    def close(self) -> None:
        """Nothing more is asked: give up the places in line."""
        for provider, held in self._held.items():
            self._gates[provider].leave(held.place)
        self._held.clear()

    def usable(self) -> list[str]:
        """Models whose provider is not out."""
        return [k for k, model in self._models.items() if self._gates[model.provider].out_for(model.model) is None]

    def wait_s(self, now: float) -> float:
        """Seconds until some model may be asked, inf where time alone changes nothing."""
        if self._patient:
            return math.inf
        waits = [self._due_s(key, now) for key in self._models]
        for provider, held in self._held.items():
            model = self._models[held.choice.ask.model]
            waits.append(self._gates[provider].wait_in(held.place, now, model.model, held.tokens))
        return min(waits)

    def next(
        self, now: float, flights: Flights, retries: Retries, run_id: str, *, drying: bool = False
    ) -> Flight | None:
        """A flight ready to be recorded, its limits taken and its budget not yet; None to wait."""
        self._patient = False
        flight = self._out_of_line(now, retries, run_id)
        if flight is not None:
            return flight
        for _ in range(len(self._models) + 1):
            available = {key for key in self._models if self._due_s(key, now) <= 0}
            if not available:
                return None
            choice = self._choose(now, available, flights, retries, drying=drying)
            if choice is None:
                self._patient = True
                return None
            request = self._wording.word(choice.ask)
            tokens = self._expected(choice.ask, request)
            if self._gate(choice.ask).wait_s(now, self._models[choice.ask.model].model, tokens) > 0:
                self._line_up(choice, request, tokens, now, retries)
                continue
            flight = self._flight(choice, request, tokens, None, now, run_id)
            if flight is not None:
                return flight
            self._later(choice, now, retries)
        return None

    def upper_bound(self, assign: Assign) -> float:
        """USD that a request can cost at most; 0 where its price is unknown (then no budget can be set)."""
        key = f"{assign.provider}:{assign.model}"
        tokens_in = self._ratios.upper_bound(key, assign.messages)
        return self._prices.upper_bound(assign.provider, assign.model, tokens_in, assign.max_tokens) or 0.0

    # -- the line -------------------------------------------------------------------------------------------------

    def _line_up(self, choice: Choice, request: Request, tokens: int, now: float, retries: Retries) -> None:
        """First come, first served: what is larger than usual is not overtaken by what is smaller."""
        model = choice.ask.model
        provider = self._models[model].provider
        if self._gates[provider].too_large(tokens) is not None:
            self._oversized[model] = tokens
            return
        place = None if provider in self._held else self._gates[provider].line_up(now, tokens)
        if place is None:
            self._later(choice, now, retries)
        else:
            self._held[provider] = Held(choice, request, tokens, place)

    def _later(self, choice: Choice, now: float, retries: Retries) -> None:
        """A retry that cannot be made now stays one; a new request may be chosen again, or another."""
        if choice.attempt > 1:
            retries.add(now + LATER_S, choice.ask, choice.attempt, choice.failed_on)

    def _out_of_line(self, now: float, retries: Retries, run_id: str) -> Flight | None:
        """A held request whose turn has come. One whose key went out meanwhile is asked elsewhere."""
        for provider, held in list(self._held.items()):
            gate, choice = self._gates[provider], held.choice
            model = self._models[choice.ask.model].model
            wait = gate.wait_in(held.place, now, model, held.tokens)
            if wait == math.inf and (gate.out_for(model) or gate.accounts[held.place.key].out):
                gate.leave(held.place)
                del self._held[provider]
                retries.add(now, choice.ask, choice.attempt, choice.failed_on)
            elif wait <= 0:
                flight = self._flight(choice, held.request, held.tokens, held.place, now, run_id)
                del self._held[provider]
                if flight is not None:
                    return flight
                gate.leave(held.place)
                self._later(choice, now, retries)
        return None

    # -- choosing -----------------------------------------------------------------------------------------------

    def _gate(self, ask: Ask) -> Gate:
        return self._gates[self._models[ask.model].provider]

    def _due_s(self, key: str, now: float) -> float:
        """Seconds until limits and money allow a request of the usual size."""
        model = self._models[key]
        limits = self._gates[model.provider].wait_s(now, model.model, self._tokens(key))
        return max(limits, self._purse.wait_s(now, self._bounds[key]))

    def _choose(
        self, now: float, available: set[str], flights: Flights, retries: Retries, *, drying: bool
    ) -> Choice | None:
        retry = retries.take(now)
        if retry is not None:
            others = available - retry.failed_on or available
            model = retry.ask.model if retry.ask.model in others else min(others)
            return Choice(replace(retry.ask, model=model), retry.attempt, retry.failed_on)
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
            kept_away=campaign.kept_away(self._wording.usual_theta(), self._wording.longest),
            drying=drying,
            requests_left=limits.max_requests - campaign.requests if limits.max_requests is not None else None,
        )
        ask = campaign.policy.choose(situation, self._rng)
        return Choice(ask) if ask is not None else None

    # -- sending ------------------------------------------------------------------------------------------------

    def _flight(
        self, choice: Choice, request: Request, tokens: int, place: Place | None, now: float, run_id: str
    ) -> Flight | None:
        """The request on its way, its limits taken; None where the money for it is not there."""
        ask = choice.ask
        model = self._models[ask.model]
        terms = self._arrangement.providers[model.provider]
        assign = Assign(
            assignment_id=self._campaign.next_assignment,
            provider=model.provider,
            model=model.model,
            partition=ask.partition,
            messages=list(request.messages),
            max_tokens=request.max_tokens,
            temperature=self._wording.temperature(ask.model),
            timeout_s=terms.timeout_s,
            purpose=ask.purpose,
        )
        bound = self.upper_bound(assign)
        self._bounds[ask.model] = bound
        if self._purse.wait_s(now, bound) > 0:
            return None
        self._oversized.pop(ask.model, None)
        gate, number = self._gates[model.provider], assign.assignment_id
        taken = gate.take(now, tokens, number) if place is None else gate.take_in(place, now, tokens, number)
        return Flight(
            assign=replace(assign, key=gate.key_of(number)),
            ask=ask,
            attempt=choice.attempt,
            run_id=run_id,
            prompt_hash=prompts.prompt_hash(request.messages),
            listed=request.listed,
            asked=request.asked,
            taken=taken,
            decided_at=now,
            reserved_usd=bound,
            failed_on=choice.failed_on,
            judged=request.subject_numbers,
        )

    def _expected(self, ask: Ask, request: Request) -> int:
        """Tokens that a request will most likely use, in and out."""
        out = self._replies.expected(ask.model, ask.purpose, request.max_tokens)
        return self._ratios.expected(ask.model, request.messages) + out

    def _tokens(self, key: str) -> int:
        """What the next request to a model will reserve, about."""
        return NOMINAL_IN + self._replies.expected(key, "list", self._wording.room(key))

    def _nominal_bound(self, key: str) -> float:
        model = self._models[key]
        return self._prices.upper_bound(model.provider, model.model, NOMINAL_IN, self._wording.room(key)) or 0.0
