"""How another policy would have fared with the answers a topic has already paid for. No request is made.

The recorded answers are drawn again, each at most once, in the order the policy under test asks for them: the next one
recorded of the arm it chooses, or, where that arm has none left, of the same model about another partition (a
*substitute*). What was never asked cannot be judged, so the more substitutes, the less the figures say.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.campaign import FAILED
from igentai_orchestrator.core.discovery import Outcome, Situation
from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.policies import build_policy
from igentai_orchestrator.core.records import AnswerRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from igentai_orchestrator.core.records import Record
    from igentai_orchestrator.core.topic import PolicyName, TopicSpec

MARKS: Final = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Fared:
    """What a policy found. `at` gives (share of the answers, unique attributes, USD) at a quarter, half, three
    quarters and all of the recorded answers; `substitutes` is the share of answers drawn in place of one not there."""

    answers: int
    at: tuple[tuple[float, int, float], ...]
    substitutes: float


def recorded(records: Iterable[Record]) -> list[AnswerRecord]:
    """The answers of a ledger that can be drawn again: lists and splits that came to something."""
    answers = [r for r in records if isinstance(r, AnswerRecord) and not r.status.startswith(FAILED)]
    return [a for a in answers if a.purpose in ("list", "probe", "split")]


def as_it_was(answers: list[AnswerRecord]) -> Fared:
    """The run itself, by the same measure."""
    return _measure(answers, 0)


def replay(answers: list[AnswerRecord], spec: TopicSpec, policy: PolicyName, costs: Mapping[str, float]) -> Fared:
    """Draw all answers again as `policy` wants them."""
    tree = PartitionTree(spec.partition, categories=spec.categories, topic=spec.topic)
    chosen = build_policy(policy, spec.models, tree, optimise=spec.optimise, expected_cost=costs, seed=spec.seed)
    pools = _Pools(answers)
    rng = Random(spec.seed)
    drawn: list[AnswerRecord] = []
    seen: set[int] = set()
    substitutes = 0
    while (available := pools.models()) and len(drawn) < len(answers):
        situation = Situation(float(len(drawn)), available, available, Counter())
        ask = chosen.choose(situation, rng)
        model = ask.model if ask is not None else min(available)
        purpose = "split" if ask is not None and ask.purpose == "split" else "list"
        answer, exact = pools.draw(model, ask.partition if ask else "", purpose)
        substitutes += not exact
        drawn.append(answer)
        children = tree.open(answer.partition, answer.notes) if answer.purpose == "split" else ()
        numbers = _numbers(answer)
        fresh = [n for n in numbers if n not in seen]
        seen.update(fresh)
        chosen.learn(
            Outcome(
                answer.assignment_id,
                model,
                answer.partition if answer.partition in tree else "",
                "split" if answer.purpose == "split" else "list",
                ok=True,
                numbers=numbers,
                fresh=len(fresh),
                usd=answer.cost_usd,
                seconds=answer.latency_ms / 1000,
                children=children,
            )
        )
    return _measure(drawn, substitutes)


class _Pools:
    """Answers not drawn yet, by model and by what they were about."""

    def __init__(self, answers: list[AnswerRecord]) -> None:
        self._pools: dict[str, dict[tuple[str, str], deque[AnswerRecord]]] = {}
        for answer in answers:
            arm = (answer.partition, "split" if answer.purpose == "split" else "list")
            model = f"{answer.provider}:{answer.model}"
            self._pools.setdefault(model, {}).setdefault(arm, deque()).append(answer)

    def models(self) -> set[str]:
        return set(self._pools)

    def draw(self, model: str, partition: str, purpose: str) -> tuple[AnswerRecord, bool]:
        """The next answer of an arm, and whether it is that arm's own."""
        arms = self._pools[model]
        wanted = (partition, purpose)
        arm = wanted if wanted in arms else max(arms, key=lambda a: (a[1] == purpose, len(arms[a])))
        answer = arms[arm].popleft()
        if not arms[arm]:
            del arms[arm]
        if not arms:
            del self._pools[model]
        return answer, arm == wanted


def _numbers(answer: AnswerRecord) -> list[int]:
    return [*range(answer.first_number, answer.first_number + len(answer.fresh)), *answer.repeats]


def _measure(answers: list[AnswerRecord], substitutes: int) -> Fared:
    seen: set[int] = set()
    curve: list[tuple[int, float]] = [(0, 0.0)]
    usd = 0.0
    for answer in answers:
        seen.update(_numbers(answer))
        usd += answer.cost_usd
        curve.append((len(seen), usd))
    marks = tuple((mark, *curve[round(mark * len(answers))]) for mark in MARKS)
    return Fared(len(answers), marks, substitutes / max(1, len(answers)))
