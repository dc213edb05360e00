"""Shares of the assignments by model: what they were lately, and what a person fixed them to be."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from igentai_orchestrator.core.discovery import Outcome, Situation
    from igentai_orchestrator.core.topic import ModelChoice

WINDOW: Final = 200
_MEMORY: Final = 0.98  # about the last 50 requests decide who is behind: a model that was out is not paid back for ever


class Shares:
    """Keeps fixed shares exact by asking whoever is furthest behind; models without one share the rest.

    The state follows from the outcomes alone (and the requests in flight), so a replay restores it.
    """

    def __init__(self, models: Sequence[ModelChoice]) -> None:
        self._models = [m.key for m in models]
        self._fixed = {m.key: max(m.weight, 0.0) for m in models if m.weight is not None}
        self._asked = dict.fromkeys(self._models, 0.0)
        self._window: deque[str] = deque(maxlen=WINDOW)

    def set(self, weights: Mapping[str, float | None]) -> None:
        """Fix shares; None gives one back. Keys that are no model of this topic are ignored."""
        for model, weight in weights.items():
            if model not in self._asked:
                continue
            if weight is None:
                self._fixed.pop(model, None)
            else:
                self._fixed[model] = max(weight, 0.0)

    def learn(self, outcome: Outcome) -> None:
        if outcome.model not in self._asked:
            return
        for model in self._asked:
            self._asked[model] *= _MEMORY
        self._asked[outcome.model] += 1.0
        self._window.append(outcome.model)

    @property
    def fixed(self) -> dict[str, float]:
        """Shares a person set, scaled to 1 where they come to more, or to less with nobody to take the rest."""
        total = sum(self._fixed.values())
        everyone = len(self._fixed) == len(self._models)
        if total <= 0.0:
            return {} if everyone else dict(self._fixed)
        scale = total if total > 1.0 or everyone else 1.0
        return {m: w / scale for m, w in self._fixed.items()}

    def shown(self) -> dict[str, float]:
        """Share of the last 200 requests by model; before any, the fixed shares and equal parts of the rest."""
        if self._window:
            return {m: self._window.count(m) / len(self._window) for m in self._models}
        fixed = self.fixed
        free = [m for m in self._models if m not in fixed]
        rest = max(1.0 - sum(fixed.values()), 0.0) / max(len(free), 1)
        return {m: fixed.get(m, rest) for m in self._models}

    def admitted(self, situation: Situation) -> Set[str]:
        """Models whose turn it is, out of the available ones: one with a fixed share, or all without.

        What a model cannot take because it is not available now goes to the others; it catches up later.
        """
        fixed = self.fixed
        if not fixed:
            return situation.available
        free = {m for m in self._models if m not in fixed}
        flying = dict.fromkeys(self._models, 0)
        for (model, _), count in situation.in_flight.items():
            flying[model] = flying.get(model, 0) + count
        total = sum(self._asked.values()) + sum(flying.values()) + 1.0
        behind: list[tuple[float, Set[str]]] = []
        for model, share in fixed.items():
            if model in situation.available and share > 0.0:
                behind.append((share * total - self._asked[model] - flying[model], {model}))
        open_free = free & situation.available
        rest = 1.0 - sum(fixed.values())
        if open_free and rest > 1e-9:
            asked = sum(self._asked[m] + flying[m] for m in free)
            behind.append((rest * total - asked, open_free))
        return max(behind, key=lambda b: b[0])[1] if behind else set()
