"""When a partition is asked for its sub-categories, and by whom."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.exclusion import LIST_MAX
from igentai_orchestrator.core.partitions import CHILDREN_MIN, ROOT, PartitionTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igentai_orchestrator.core.discovery import Outcome, Situation

ROOT_SPLITS: Final = 2  # two models name different categories; their union covers more than either
ATTEMPTS_MAX: Final = 3
ROOT_TRIES_MAX: Final = 12  # answers that name categories of the whole topic
ANSWERS_MIN: Final = 1.0  # answers about a partition before it may be split
STALLED: Final = 0.1
ARMS_MAX: Final = 12_000  # models × partitions; a decision stays below 2 ms
OPENING_S: Final = 15.0
_PENDING_S: Final = 180.0  # longer than any request may take: a lost one is asked again


class Splits:
    """Splits done and under way. What is done follows from the outcomes; what is under way is known until a restart."""

    def __init__(self, tree: PartitionTree, models: Sequence[str]) -> None:
        self._tree = tree
        self._wanted = min(ROOT_SPLITS, len(models))
        self._done: set[str] = set()  # models whose categories of the whole topic are in
        self._tried: Counter[str] = Counter()
        self._root_tried: Counter[str] = Counter()
        self._pending: dict[tuple[str, str], float] = {}
        self._brought = 0  # categories that the last answer about the whole topic added

    def first(self, situation: Situation, by_cost: Sequence[str]) -> str | None:
        """The model to ask now for categories of the whole topic, or None if that is done or under way."""
        if not self._root_open():
            return None
        flying = {m for (n, m), at in self._pending.items() if n == ROOT and situation.now - at < _PENDING_S}
        if len(self._done | flying) >= self._wanted:
            return None
        for model in by_cost:
            if model not in flying and model not in self._done and self._root_tried[model] < ATTEMPTS_MAX:
                self._pending[ROOT, model] = situation.now
                return model
        return None

    def opening(self, now: float) -> bool:
        """Whether the first categories are on their way: every answer about the whole topic now will be a poor one.

        At most 15 s: a model that takes longer to name categories is not waited for.
        """
        if self._done or self._tree.children(ROOT):
            return False
        asked = [at for (node, _), at in self._pending.items() if node == ROOT]
        return bool(asked) and now - min(asked) < OPENING_S

    def _root_open(self) -> bool:
        """Categories from a person, ranges, or a mode without partitions leave nothing to ask."""
        if self._tree.mode in ("none", "alphabetical"):
            return False
        started = bool(self._root_tried)
        return started or (self._tree.splittable(ROOT) and not self._tree.children(ROOT))

    def wanted(self, node: str, answers: float, now: float, *, arms: int) -> bool:
        """Whether `node` may be split before it is asked again."""
        if node == ROOT or answers < ANSWERS_MIN or not self._tree.splittable(node) or arms >= ARMS_MAX:
            return False
        if self._tried[node] >= ATTEMPTS_MAX:
            return False
        return all(n != node or now - at >= _PENDING_S for (n, _), at in self._pending.items())

    def asking(self, model: str, now: float) -> bool:
        """Whether `model` is naming categories of the whole topic at the moment."""
        at = self._pending.get((ROOT, model))
        return at is not None and now - at < _PENDING_S

    def more(self, now: float) -> bool:
        """Whether to ask for further categories of the topic: as long as each answer adds some."""
        root = self._tree[ROOT]
        if not root.children or not root.splittable or self._tree[root.children[0]].kind != "category":
            return False
        if self._brought < CHILDREN_MIN or sum(self._root_tried.values()) >= ROOT_TRIES_MAX:
            return False
        return all(n != ROOT or now - at >= _PENDING_S for (n, _), at in self._pending.items())

    def begin(self, node: str, now: float, by_cost: Sequence[str]) -> str:
        """Note that `node` is being split by the model returned: the cheapest one."""
        model = by_cost[min(self._tried[node], len(by_cost) - 1)]  # after a failure, the next
        self._pending[node, model] = now
        return model

    def learn(self, outcome: Outcome) -> None:
        self._pending.pop((outcome.partition, outcome.model), None)
        if outcome.partition != ROOT:
            self._tried[outcome.partition] += 1
            return
        self._root_tried[outcome.model] += 1
        self._brought = len(outcome.children)
        if outcome.ok:
            self._done.add(outcome.model)

    def fall_back(self, known: int, fresh_share: float) -> None:
        """Open ranges of initials where no model named categories.

        While the `known` attributes fit an exclusion list and the last answer about the whole topic still had a good
        `fresh_share`, the topic with its list brings out the rest with fewer requests.
        """
        if known <= LIST_MAX and fresh_share > STALLED:
            return
        if self._tree.mode != "auto" or self._tree[ROOT].children:
            return
        tried = sum(self._root_tried.values())
        if tried and (len(self._done) >= self._wanted or tried >= ATTEMPTS_MAX * self._wanted):
            self._tree.open_alphabet(ROOT)
