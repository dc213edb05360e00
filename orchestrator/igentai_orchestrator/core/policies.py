"""Policies by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from igentai_orchestrator.core.fixed import FixedPolicy
from igentai_orchestrator.core.learned import LearnedPolicy
from igentai_orchestrator.core.round_robin import RoundRobinPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from igentai_orchestrator.core.partitions import PartitionTree
    from igentai_orchestrator.core.topic import ModelChoice, Optimise, PolicyName

AnyPolicy: TypeAlias = LearnedPolicy | FixedPolicy | RoundRobinPolicy

_POLICIES: Final[dict[PolicyName, type[LearnedPolicy] | type[FixedPolicy] | type[RoundRobinPolicy]]] = {
    "learned": LearnedPolicy,
    "fixed": FixedPolicy,
    "round_robin": RoundRobinPolicy,
}


def build_policy(
    name: PolicyName,
    models: Sequence[ModelChoice],
    tree: PartitionTree,
    *,
    optimise: Optimise = "cost",
    expected_cost: Mapping[str, float] | None = None,
    seed: int = 0,
    verify: bool = False,
) -> AnyPolicy:
    """The policy a topic asked for; all keep `discovery.Policy`."""
    return _POLICIES[name](models, tree, optimise=optimise, expected_cost=expected_cost, seed=seed, verify=verify)
