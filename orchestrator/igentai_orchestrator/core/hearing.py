"""Which models were heard on the whole topic: each once at the beginning, and again before the topic ends.

What only a dear model knows is not worth its price as long as cheap ones find anything, and would be missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.partitions import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from igentai_orchestrator.core.discovery import Arm

PARTING: Final = 8  # answers, of which one about the whole topic is of each model when a topic ends


class Hearing:
    """A fold over answers."""

    def __init__(self) -> None:
        self._introduced: set[str] = set()  # models that have been asked
        self._answers = 0
        # By model, in which answer it last spoke of the whole topic, and the share of that which was fresh.
        self._spoke: dict[str, tuple[int, float]] = {}

    def introduced(self, model: str) -> bool:
        return model in self._introduced

    def introduce(self, model: str) -> None:
        """Note that `model` has been asked, whatever came of it."""
        self._introduced.add(model)

    def learn(self, model: str, partition: str, share: float) -> None:
        """Take in an answer, of which `share` was fresh."""
        self._answers += 1
        if partition == ROOT:
            self._spoke[model] = self._answers, share

    def unheard(self, models: Set[str], in_flight: Mapping[Arm, int]) -> set[str]:
        """Those of `models` that did not answer about the whole topic of late, and are not about to."""
        late = {m for m, (at, _) in self._spoke.items() if self._answers - at < PARTING}
        asked = late | {model for model, partition in in_flight if partition == ROOT}
        return set(models) - asked

    def fresh_share(self) -> float:
        """The largest share of fresh attributes that a model gave of late, asked about the whole topic.

        What a cheap model has told in full may still be half the story: the others are asked before the topic is cut.
        """
        return max((share for at, share in self._spoke.values() if self._answers - at < 2 * PARTING), default=0.0)
