"""One topic while it runs: all that is known of it, as a fold over its ledger.

`absorb` learns from a record. Recovery only absorbs: what a daemon knows after a crash is what it knew before, because
it never knew anything that did not come through here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from igentai.budget import Budget
from igentai.retry import MAYBE_BILLED
from igentai_orchestrator.core import prompts, purse
from igentai_orchestrator.core.admission import Admission
from igentai_orchestrator.core.clusters import cluster_labels
from igentai_orchestrator.core.coverage import Coverage
from igentai_orchestrator.core.discovery import Outcome
from igentai_orchestrator.core.exclusion import ExclusionLists
from igentai_orchestrator.core.groups import Groups, Merge
from igentai_orchestrator.core.named import Named
from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.policies import AnyPolicy, build_policy
from igentai_orchestrator.core.prompts import Style, style_of
from igentai_orchestrator.core.pruning import Pruning
from igentai_orchestrator.core.records import AnswerRecord, AssignmentRecord, EventRecord, LostRecord, Record
from igentai_orchestrator.core.request_size import RequestSize
from igentai_orchestrator.core.saturation import Saturation
from igentai_orchestrator.core.statistics import Answered, Failed, Statistics
from igentai_orchestrator.core.topic import TopicSpec

FAILED: Final = "failed:"
NEVER_SENT: Final = "cancelled"
SMALL_MODEL_SIZE: Final = 20
NEWEST: Final = 50
CLUSTERED: Final = 2_000
YIELD_WINDOW: Final = 30


class Campaign:
    """What is known of one topic.

    Args:
        spec: what was asked for.
        ledger: the name of its ledger.
        expected_cost: USD per request of each model, from the price list.
        now: monotonic seconds; `elapsed_s` seconds of work were done before.
    """

    def __init__(
        self, spec: TopicSpec, ledger: str, expected_cost: Mapping[str, float], now: float, elapsed_s: float = 0.0
    ) -> None:
        self.spec = spec
        self.ledger = ledger
        self.admission = Admission()
        self.texts: list[str] = []
        self.tree = PartitionTree(spec.partition, categories=spec.categories, topic=spec.topic)
        self.policy: AnyPolicy = build_policy(
            spec.policy,
            spec.models,
            self.tree,
            optimise=spec.optimise,
            expected_cost=expected_cost,
            seed=spec.seed,
            verify=spec.verify,
        )
        self.pruning = Pruning(self.tree, len(spec.models))
        self.exclusion = ExclusionLists()
        self.groups = Groups()
        self.coverage = Coverage()
        self.saturation = Saturation(self.policy.tariff)
        self.budget = Budget(spec.limits.budget_usd)
        self.statistics = Statistics(now - elapsed_s)
        self.sizes = {
            model.key: RequestSize(
                spec.request_size,
                SMALL_MODEL_SIZE if style_of(model.key) is Style.small else 60,
            )
            for model in spec.models
        }
        self.started_at = now - elapsed_s
        self.requests = 0
        self.next_assignment = 1
        self.last_seq: dict[str, int] = {}
        self.open_assignments: dict[int, AssignmentRecord] = {}
        self.weights_set: dict[str, float | None] = {model.key: model.weight for model in spec.models}
        self._newest: dict[str, deque[int]] = {}
        self._yields: deque[int] = deque(maxlen=YIELD_WINDOW)

    # -- the fold ----------------------------------------------------------------------------------------------

    def absorb(self, record: Record, now: float) -> None:
        """Learn from one record."""
        match record:
            case AssignmentRecord():
                self._absorb_assignment(record)
            case AnswerRecord():
                self._absorb_answer(record, now)
            case LostRecord():
                self.open_assignments.pop(record.assignment_id, None)
                self.budget.lost(record.assignment_id)
            case EventRecord():
                self._absorb_event(record)

    def restore(self, record: Record, now: float) -> None:
        """Absorb a record out of the ledger's past."""
        if isinstance(record, AnswerRecord):
            self.admission.restore(record.fresh)
            now = min(now, self.started_at + record.elapsed_s)
        self.absorb(record, now)

    def _absorb_assignment(self, record: AssignmentRecord) -> None:
        self.requests += 1
        self.next_assignment = max(self.next_assignment, record.assignment_id + 1)
        self.open_assignments[record.assignment_id] = record
        self.budget.reserve(record.assignment_id, record.reserved_usd, check=False)

    def _absorb_event(self, record: EventRecord) -> None:
        """What people changed, and merges; other events are told for people and follow from the answers."""
        if record.kind == "weights":
            self.weights_set.update(json.loads(record.data))
            self.policy.set_weights(self.weights_set)
        elif record.kind == "merge":
            data = json.loads(record.data)
            self.groups.restore(Merge(data["number"], data["head"], record.reason))
        elif record.kind == "unmerge":
            self.groups.undo(json.loads(record.data)["number"])

    def _absorb_answer(self, record: AnswerRecord, now: float) -> None:
        assignment = self.open_assignments.pop(record.assignment_id, None)
        if record.seq > self.last_seq.get(record.producer_run, 0):
            self.last_seq[record.producer_run] = record.seq
        key = f"{record.provider}:{record.model}"
        if record.status.startswith(FAILED):
            self._absorb_failure(record, key, now)
            return
        self.budget.settle(record.assignment_id, record.cost_usd)
        self.texts.extend(record.fresh)
        self._learn_answer(record, key, now, assignment)
        if assignment is not None and key in self.sizes and record.purpose in ("list", "probe"):
            self.sizes[key].learn(assignment.asked, record.candidates, truncated=record.status == "length")

    def _learn_answer(self, record: AnswerRecord, key: str, now: float, assignment: AssignmentRecord | None) -> None:
        listed = assignment.listed if assignment else ()
        first, fresh = record.first_number, len(record.fresh)
        numbers = Named(first, fresh, record.repeats)
        children: tuple[str, ...] = ()
        kept_away = 0.0
        subject, audit = "", (0, 0)
        if record.purpose == "split":
            children = self.tree.open(record.partition, record.notes) or self._clusters(record.partition)
            self.pruning.opened(record.partition, children, key)
        elif record.purpose == "verify":
            subject, audit = record.notes[0], (int(record.notes[1]), len(record.notes) - 2)
        else:
            asked = assignment.asked if assignment else 0
            kept_away = self.exclusion.record(record.partition, numbers, listed, asked)
            self._yields.append(fresh)
            self.pruning.learn(record.partition, key, fresh)
            self._newest.setdefault(key, deque(maxlen=NEWEST)).extend(range(first, first + fresh)[-NEWEST:])
        self.statistics.record(
            now,
            Answered(
                model=key,
                producer=record.producer,
                partition=record.partition,
                first_number=first,
                fresh=fresh,
                repeats=record.repeats,
                candidates=record.candidates,
                tokens_in=record.tokens_in,
                tokens_out=record.tokens_out,
                cost_usd=record.cost_usd,
                latency_ms=record.latency_ms,
            ),
        )
        outcome = Outcome(
            assignment_id=record.assignment_id,
            model=key,
            partition=record.partition,
            purpose=record.purpose,  # type: ignore[arg-type]  # written by the desk from a Purpose
            ok=True,
            numbers=numbers,
            fresh=fresh,
            usd=record.cost_usd,
            seconds=record.latency_ms / 1000,
            children=children,
            audit=audit,
            subject=subject,
            asked=assignment.asked if assignment else 0,
            kept_away=kept_away,
        )
        self.policy.learn(outcome)
        self.coverage.learn(outcome, listed)
        self.saturation.learn(outcome)

    def _clusters(self, partition: str) -> tuple[str, ...]:
        """Slices made of what was found, where no model could name any. The whole topic has ranges for that."""
        if not partition or self.tree.children(partition):
            return ()
        numbers = self.exclusion.choose(partition, limit=CLUSTERED, theta=0.0)
        return self.tree.open(partition, cluster_labels([self.texts[n - 1] for n in numbers]), "cluster")

    def _absorb_failure(self, record: AnswerRecord, key: str, now: float) -> None:
        kind = record.status.removeprefix(FAILED)
        if kind == NEVER_SENT:
            self.requests -= 1
            self.budget.give_back(record.assignment_id)
            return
        if kind in MAYBE_BILLED:
            self.budget.lost(record.assignment_id)
        else:
            self.budget.settle(record.assignment_id, 0.0)
        self.statistics.record_failure(
            now, Failed(model=key, producer=record.producer, partition=record.partition, kind=kind)
        )
        outcome = Outcome(
            assignment_id=record.assignment_id,
            model=key,
            partition=record.partition,
            purpose=record.purpose,  # type: ignore[arg-type]  # written by the desk from a Purpose
            ok=False,
            numbers=(),
            fresh=0,
            usd=0.0,
            seconds=record.latency_ms / 1000,
        )
        self.policy.learn(outcome)
        self.saturation.learn(outcome)

    # -- what prompts need --------------------------------------------------------------------------------------

    def kept_away(self, theta: float, longest: int) -> Mapping[str, float]:
        """By partition, the share of its next answer that an exclusion list keeps free of repeats."""
        asked = max(size.value for size in self.sizes.values())
        return self.exclusion.kept_away(asked, limit=longest, theta=theta)

    def examples(self, partition: str) -> list[str]:
        """Items of a partition, spread over how often they were named."""
        numbers = self.exclusion.choose(partition, limit=200, theta=0.0)
        step = max(1, len(numbers) // prompts.SPLIT_EXAMPLES)
        return [self.texts[number - 1] for number in numbers[::step]]

    def sibling_labels(self, partition: str) -> list[str]:
        """Labels beside and below a partition, which a split must not bring again."""
        if partition not in self.tree:
            return []
        node = self.tree[partition]
        beside = self.tree.children(node.parent) if partition else ()
        return [self.tree[i].label for i in (*beside, *self.tree.children(partition)) if i != partition]

    def to_verify(self, model: str, count: int) -> list[int]:
        """Numbers of the newest attributes that `model` was the first to name."""
        return list(self._newest.get(model, ()))[-count:]

    def coverage_share(self) -> float | None:
        """Found of what there is, 0 to 1, where an estimate can be trusted and someone asked for it."""
        if self.spec.limits.until_coverage is None:
            return None
        total = self.coverage.snapshot()["estimated_total"]
        return len(self.admission) / total if total else None

    def recent_yield(self) -> float | None:
        """Fresh attributes per answer over the last answers, None while there are too few to tell."""
        return sum(self._yields) / len(self._yields) if len(self._yields) == YIELD_WINDOW else None

    # -- what people see ----------------------------------------------------------------------------------------

    def snapshot(self, now: float) -> dict[str, Any]:
        """The part of metrics.json that comes from the answers."""
        numbers = self.statistics.snapshot(now)
        shares = self.policy.shares()
        for key, provider in numbers["providers"].items():
            provider["weight"] = shares.get(key, 0.0)
        forecast = self.policy.forecast()
        return {
            **numbers,
            "budget_usd": self.spec.limits.budget_usd,
            "reserved_usd": self.budget.reserved,
            "budget": purse.shown(self.budget, self.statistics.totals, *self.statistics.recent(now)),
            "coverage": self.coverage.snapshot(),
            "forecast": forecast,
            "near_duplicates": self.groups.snapshot(self.texts),
            "request_size": {key: size.value for key, size in self.sizes.items()},
        }
