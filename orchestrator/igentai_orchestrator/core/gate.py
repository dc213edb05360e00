"""Whether a provider may be asked now, and with which of its keys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from igentai.errors import FailureKind
from igentai.limits import Reservation
from igentai_orchestrator.core.account import Account
from igentai_orchestrator.core.arrangement import ProviderTerms

if TYPE_CHECKING:
    from igentai.limits import RateHeaders

_BEST_FIRST: Final = ("ok", "waiting", "half-open", "open", "out")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the line of one key, for a request that did not fit when it came."""

    key: int
    ticket: int


class Gate:
    """One provider as the desk sees it: its keys take turns; the provider is out when all of them are.

    Args:
        name: what people call it.
        terms: what was configured of it.
        share: the part of its rate limits to aim at.
    """

    def __init__(self, name: str, terms: ProviderTerms, share: float, rng: Random) -> None:
        self.name = name
        self._share = share
        self._rng = rng
        self.accounts = [Account(n, source, terms, share, rng) for n, source in enumerate(terms.keys or (None,))]
        self._models_out: dict[str, str] = {}
        self._under_way: dict[int, Account] = {}  # by assignment

    @property
    def out(self) -> str | None:
        """Why no key may be asked any more, None while one may."""
        reasons = [account.out for account in self.accounts]
        return None if None in reasons else "; ".join(dict.fromkeys(r for r in reasons if r))

    def out_for(self, model: str) -> str | None:
        """Why `model` is asked no more, None where it may be."""
        return self.out or self._models_out.get(model)

    def wait_s(self, now: float, model: str, tokens: int) -> float:
        """Seconds until a request of `tokens` may go; inf where only an answer or a person can change that."""
        if model in self._models_out:
            return math.inf
        return min(account.wait_s(now, tokens) for account in self.accounts)

    def too_large(self, tokens: int) -> str | None:
        """What to say of a request that no key can ever take, None where one can."""
        said = [account.limits.rate.too_large(tokens) for account in self.accounts if account.out is None]
        return None if None in said or not said else said[0]

    def take(self, now: float, tokens: int, assignment_id: int) -> Reservation:
        """Let a request through, by the key with the fewest under way; among equals the one that rested longest."""
        ready = [account for account in self.accounts if account.wait_s(now, tokens) <= 0]
        chosen = min(ready, key=lambda a: (a.limits.concurrency.in_flight, a.last_taken, a.number))
        self._under_way[assignment_id] = chosen
        return chosen.take(now, tokens, assignment_id)

    def key_of(self, assignment_id: int) -> int:
        """The key that a request under way was let through by."""
        return self._under_way[assignment_id].number

    # -- the line: first come, first served -----------------------------------------------------------------------

    def line_up(self, now: float, tokens: int) -> Place | None:
        """A place in the line of the key that has room soonest: smaller requests that come later wait behind it."""
        usable = [a for a in self.accounts if a.out is None and a.limits.rate.too_large(tokens) is None]
        if not usable:
            return None
        soonest = min(usable, key=lambda a: (a.wait_s(now, tokens), a.number))
        return Place(soonest.number, soonest.limits.join(tokens))

    def wait_in(self, place: Place, now: float, model: str, tokens: int) -> float:
        """As `wait_s`, for a request that lined up."""
        if model in self._models_out:
            return math.inf
        return self.accounts[place.key].wait_s(now, tokens, place.ticket)

    def take_in(self, place: Place, now: float, tokens: int, assignment_id: int) -> Reservation:
        """Let the request in `place` through; the place is free then."""
        account = self._under_way[assignment_id] = self.accounts[place.key]
        return account.take(now, tokens, assignment_id, place.ticket)

    def leave(self, place: Place) -> None:
        self.accounts[place.key].limits.leave(place.ticket)

    # -- outcomes -------------------------------------------------------------------------------------------------

    def answered(
        self,
        now: float,
        assignment_id: int,
        taken: Reservation | None,
        tokens: int,
        headers: RateHeaders | None = None,
    ) -> None:
        self._landed(assignment_id).answered(now, assignment_id, taken, tokens, headers)

    def failed(
        self,
        now: float,
        assignment_id: int,
        taken: Reservation | None,
        kind: FailureKind,
        retry_after_s: float | None,
        headers: RateHeaders | None = None,
    ) -> None:
        """Settle a failed attempt with the limits and the breaker of its key."""
        self._landed(assignment_id).failed(now, assignment_id, taken, kind, retry_after_s, headers)

    def _landed(self, assignment_id: int) -> Account:
        return self._under_way.pop(assignment_id, self.accounts[0])

    # -- out, and in again ----------------------------------------------------------------------------------------

    def put_out(self, reason: str, model: str | None = None, key: int | None = None) -> bool:
        """Ask it no more until the configuration changes: one `model` of it, one `key`, or with neither all of it.

        True the first time: say it once, loudly.
        """
        if model is not None:
            first = model not in self._models_out
            self._models_out[model] = reason
            return first
        first = False
        for account in self.accounts if key is None else [self.accounts[key]]:
            first = first or account.out is None
            account.out = reason
        return first

    def readmit(self, terms: ProviderTerms | None = None) -> None:
        """The configuration was read again: whatever was out may be asked. `terms`: the limits and keys as they are."""
        self._models_out.clear()
        for account in self.accounts:
            account.out = None
        if terms is None:
            return
        known = len(self.accounts)
        sources = terms.keys or (None,)
        for number, source in enumerate(sources[known:], known):
            self.accounts.append(Account(number, source, terms, self._share, self._rng))
        for account in self.accounts[len(sources) :]:
            account.out = "this key is no longer configured"
        for account, source in zip(self.accounts, sources, strict=False):
            account.source = source
            account.limits.rate.configure(terms.requests_per_minute, terms.tokens_per_minute)

    # -- what people see ------------------------------------------------------------------------------------------

    def state(self, now: float, model: str) -> tuple[str, str]:
        """The state of the best of its keys (`ok`, `waiting`, `half-open`, `open`, `out`), and why in words."""
        if model in self._models_out:
            return "out", self._models_out[model]
        states = [account.state(now) for account in self.accounts]
        best = min(states, key=lambda state: _BEST_FIRST.index(state[0]))
        out = [account for account in self.accounts if account.out is not None]
        if best[0] == "out":
            return "out", self.out or ""
        if out:
            named = "; ".join(f"key {account.number + 1}: {account.out}" for account in out)
            return best[0], f"{best[1]}; {named}" if best[1] else named
        return best

    def keys(self, now: float) -> list[dict[str, Any]]:
        """Every key, numbered from 1, with its state and its limits, for metrics.json. Limits None: unknown."""
        rows = []
        for account in self.accounts:
            state, detail = account.state(now)
            rate, concurrency = account.limits.rate, account.limits.concurrency
            requests, tokens = rate.used(now)
            rows.append(
                {
                    "key": account.number + 1,
                    "state": state,
                    "detail": detail,
                    "in_flight": concurrency.in_flight,
                    "concurrency": concurrency.limit,
                    "requests_per_minute": rate.requests_per_minute,
                    "tokens_per_minute": rate.tokens_per_minute,
                    "requests_last_minute": requests,
                    "tokens_last_minute": tokens,
                    "turned_away": account.turned_away,
                }
            )
        return rows
