"""Fixed weights: models share the requests as a person said, whatever they bring."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from igentai_orchestrator.core.round_robin import ITEMS_PRIOR, RoundRobinPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from igentai_orchestrator.core.partitions import PartitionTree
    from igentai_orchestrator.core.topic import ModelChoice, Optimise


class FixedPolicy(RoundRobinPolicy):
    """Rotates over the partitions; every model has a fixed share.

    Models without a weight have equal parts of what the others leave; of nothing, if they leave nothing.
    """

    name = "fixed"

    def __init__(
        self,
        models: Sequence[ModelChoice],
        tree: PartitionTree,
        *,
        optimise: Optimise = "cost",
        expected_cost: Mapping[str, float] | None = None,
        seed: int = 0,
        verify: bool = False,
        items: float = ITEMS_PRIOR,
    ) -> None:
        said = sum(m.weight for m in models if m.weight is not None)
        silent = sum(m.weight is None for m in models)
        rest = max(1.0 - said, 0.0) / silent if silent else 0.0
        weighted = [m if m.weight is not None else replace(m, weight=rest) for m in models]
        super().__init__(
            weighted, tree, optimise=optimise, expected_cost=expected_cost, seed=seed, verify=verify, items=items
        )
