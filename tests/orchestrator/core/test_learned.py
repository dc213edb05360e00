"""The learned policy: what it may never do, and what it must notice."""

from __future__ import annotations

import math
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai_orchestrator.core.discovery import Ask, Outcome, Situation
from igentai_orchestrator.core.learned import LearnedPolicy
from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.policies import build_policy
from igentai_orchestrator.core.topic import ModelChoice, Optimise
from tests.benchmarks.world import Assumptions, Run, World, choices, oracle_requests

Rows: TypeAlias = list[tuple[str, str, bool, list[int], float]]  # model, partition, ok, numbers, usd
MODELS = [ModelChoice("p", name) for name in "abc"]
KEYS = [model.key for model in MODELS]
COST = {"p:a": 0.01, "p:b": 0.02, "p:c": 0.04}
CATEGORIES = ("museums", "parks", "streets")
NODES = ("", *CATEGORIES)


def build(
    models: int = 3, *, cost: dict[str, float] | None = None, optimise: Optimise = "cost", verify: bool = False
) -> LearnedPolicy:
    tree = PartitionTree("categories", categories=CATEGORIES, topic="Paris")
    expected = COST if cost is None else cost
    return LearnedPolicy(MODELS[:models], tree, optimise=optimise, expected_cost=expected, verify=verify)


def now(
    available: set[str] | None = None, flying: dict[tuple[str, str], int] | None = None, at: float = 0.0
) -> Situation:
    return Situation(at, set(KEYS) if available is None else available, set(KEYS), flying or {})


def listed(number: int, model: str, node: str, numbers: list[int], fresh: int, *, usd: float | None = None) -> Outcome:
    return Outcome(number, model, node, "list", True, numbers, fresh, COST[model] if usd is None else usd, 1.0)


outcomes = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from(NODES),
        st.booleans(),
        st.lists(st.integers(1, 60), max_size=30, unique=True),
        st.floats(0.0, 0.1),
    ),
    max_size=40,
)


def fed(policy: LearnedPolicy, rows: Rows, start: int = 1) -> set[int]:
    seen: set[int] = set()
    for i, (model, node, ok, numbers, usd) in enumerate(rows, start):
        named = numbers if ok else []
        fresh = len(set(named) - seen)
        seen |= set(named)
        policy.learn(Outcome(i, model, node, "list", ok, named, fresh, usd, 1.0))
    return seen


def asks(policy: LearnedPolicy, seed: int, count: int = 12) -> list[Ask | None]:
    rng = Random(seed)
    return [policy.choose(now(at=float(i)), rng) for i in range(count)]


@given(outcomes, st.sets(st.sampled_from(KEYS)), st.integers(0, 99))
def test_only_available_models_are_asked_and_forecasts_are_finite(rows: Rows, available: set[str], seed: int) -> None:
    policy = build()
    fed(policy, rows)
    ask = policy.choose(now(available), Random(seed))
    assert ask is None or ask.model in available
    assert ask is None or 0.0 <= ask.forecast <= 1.0
    assert math.isfinite(policy.forecast())
    assert policy.forecast() >= 0.0


@given(outcomes)
def test_the_same_outcome_twice_counts_once(rows: Rows) -> None:
    once, twice = build(), build()
    fed(once, rows)
    fed(twice, rows)
    fed(twice, rows)
    assert once.snapshot() == twice.snapshot()


@given(outcomes, st.integers(0, 99))
def test_a_replay_decides_as_the_live_policy_did(rows: Rows, seed: int) -> None:
    live, replayed = build(), build()
    rng = Random(seed)
    for i, row in enumerate(rows, 1):
        live.choose(now(at=float(i)), rng)
        fed(live, [row], start=i)
        fed(replayed, [row], start=i)
    assert live.snapshot() == replayed.snapshot()
    later = 1000.0  # what was under way at a stop has run out
    assert live.choose(now(at=later), Random(1)) == replayed.choose(now(at=later), Random(1))


@given(outcomes)
def test_a_failure_changes_what_requests_cost_and_nothing_else(rows: Rows) -> None:
    policy, other = build(), build()
    fed(policy, rows)
    fed(other, rows)
    other.learn(Outcome(1000, "p:b", "parks", "list", False, (), 0, 0.0, 30.0))
    before, after = policy.snapshot(), other.snapshot()
    for part in NODES:
        assert before["partitions"][part]["answers"] == after["partitions"][part]["answers"]
        assert before["partitions"][part]["fresh_share"] == after["partitions"][part]["fresh_share"]
    assert after["models"]["p:b"]["success"] < before["models"]["p:b"]["success"]


@given(outcomes, st.sampled_from(NODES), st.integers(1, 6))
def test_requests_in_flight_make_a_partition_less_attractive(rows: Rows, node: str, count: int) -> None:
    policy = build()
    fed(policy, rows)
    expected = policy._expectations
    column = expected.column(node)
    free, _ = expected.rates({})
    busy, _ = expected.rates({("p:a", node): count})
    assert (busy[:, column] < free[:, column]).all()
    others = [c for c, n in enumerate(expected.nodes) if n != node]
    assert (busy[:, others] == free[:, others]).all()


def test_a_fourfold_price_is_known_after_twelve_answers() -> None:
    policy = build()
    for i in range(1, 30):
        usd = 0.02 if i <= 17 else 0.08
        policy.learn(listed(i, "p:b", "parks", [i], 1, usd=usd))
    assert policy.snapshot()["models"]["p:b"]["cost_per_answer"] == pytest.approx(0.08, rel=0.05)


class Market:
    """Models that answer from a bottomless store, but for those told to repeat or to invent."""

    def __init__(self, policy: LearnedPolicy, tree_seed: int = 0) -> None:
        self.policy = policy
        self.rng = Random(tree_seed)
        self.draw = Random(7)
        self.numbers: dict[object, int] = {}
        self.asked: list[Ask] = []
        self.answers = 0

    def number(self, item: object) -> int:
        return self.numbers.setdefault(item, len(self.numbers) + 1)

    def step(
        self, *, repeats: str | None = None, invents: str | None = None, usd: float | dict[str, float] = 0.01
    ) -> Ask:
        ask = self.policy.choose(now(at=1000.0 * self.answers), self.rng)
        assert ask is not None
        self.answers += 1
        self.asked.append(ask)
        usd = usd[ask.model] if isinstance(usd, dict) else usd
        if ask.purpose == "split":
            self.policy.learn(Outcome(self.answers, ask.model, ask.partition, "split", True, (), 0, usd, 1.0))
            return ask
        if ask.purpose == "verify":
            real = 0 if ask.subject == invents else 5
            self.policy.learn(
                Outcome(
                    self.answers, ask.model, ask.partition, "verify", True, (), 0, usd, 1.0,
                    audit=(5, real), subject=ask.subject,
                )
            )  # fmt: skip
            return ask
        before = len(self.numbers)
        named = [self.number(item) for item in self.items(ask, repeats, invents)]
        fresh = len(self.numbers) - before
        self.policy.learn(Outcome(self.answers, ask.model, ask.partition, "list", True, named, fresh, usd, 1.0))
        return ask

    def items(self, ask: Ask, repeats: str | None, invents: str | None) -> list[object]:
        if ask.model == repeats:
            return [("stale", i) for i in range(30)]
        if ask.model == invents:
            return [("invented", self.answers, i) for i in range(30)]
        ranks = [int(self.draw.paretovariate(0.6)) % 4000 for _ in range(30)]
        return list(dict.fromkeys((ask.partition, r) for r in ranks))


def share_of(
    market: Market, model: str, steps: int, *, repeats: str | None = None, invents: str | None = None
) -> float:
    lists = [
        a.model for a in (market.step(repeats=repeats, invents=invents) for _ in range(steps)) if a.purpose == "list"
    ]
    return lists.count(model) / len(lists)


def test_a_model_that_only_repeats_is_left_alone() -> None:
    market = Market(build(cost=dict.fromkeys(KEYS, 0.01)))
    while sum(a.model == "p:b" and a.purpose == "list" for a in market.asked) < 15 and market.answers < 300:
        market.step(repeats="p:b")
    assert share_of(market, "p:b", 200, repeats="p:b") < 0.05


def test_two_equal_models_share_the_work() -> None:
    markets = [Market(build(2, cost=dict.fromkeys(KEYS, 0.01)), seed) for seed in range(6)]
    shares = [share_of(market, "p:a", 150) for market in markets]
    assert 0.35 <= sum(shares) / len(shares) <= 0.65, "in one run luck decides for one of them"


def test_a_model_whose_finds_do_not_exist_is_found_out() -> None:
    market = Market(build(cost=dict.fromkeys(KEYS, 0.01), verify=True))
    for _ in range(150):
        market.step(invents="p:c")
    assert share_of(market, "p:c", 200, invents="p:c") < 0.10
    assert any(a.purpose == "verify" and a.subject == "p:c" and a.model != "p:c" for a in market.asked)


def test_without_prices_requests_are_saved() -> None:
    policy = build(cost=dict.fromkeys(KEYS, 0.0))
    assert policy.tariff.unit == "request"
    assert policy.choose(now(), Random(1)) is not None
    assert 0.0 < policy.forecast() <= 30.0


def test_a_free_model_is_preferred_to_a_paid_one_of_the_same_yield() -> None:
    market = Market(build(2, cost={"p:a": 0.0, "p:b": 0.01}))
    for _ in range(60):
        market.step(usd={"p:a": 0.0, "p:b": 0.01})
    assert market.policy.shares()["p:a"] > 0.8


def test_fixed_shares_are_kept() -> None:
    policy = build(cost=dict.fromkeys(KEYS, 0.01))
    policy.set_weights({"p:b": 0.5, "nobody:here": 0.4})
    market = Market(policy)
    assert share_of(market, "p:b", 200, repeats="p:b") == pytest.approx(0.5, abs=0.03)
    policy.set_weights({"p:b": None})
    assert share_of(market, "p:b", 300, repeats="p:b") < 0.1


def test_waiting_for_a_cheaper_model_ends() -> None:
    policy = build(2, cost={"p:a": 0.001, "p:b": 0.1})
    for i in range(1, 7):
        policy.learn(listed(i, "p:a", CATEGORIES[i % 3], list(range(i * 40, i * 40 + 30)), 30, usd=0.001))
    assert policy.choose(now({"p:b"}, at=0.0), Random(3)) is None
    ask = policy.choose(now({"p:b"}, at=30.0), Random(3))
    assert ask is not None
    assert ask.model == "p:b"


@settings(max_examples=40)
@given(st.lists(st.text(max_size=12), max_size=12), st.booleans())
def test_any_split_reply_leaves_the_partition_askable(labels: list[str], ok: bool) -> None:
    policy = build()
    tree = policy._expectations._tree
    children = tree.open("parks", labels) if ok else ()
    policy.learn(Outcome(1, "p:a", "parks", "split", ok, (), 0, 0.01, 1.0, children=children))
    policy.learn(Outcome(2, "p:a", "parks", "split", ok, (), 0, 0.01, 1.0, children=("parks/unknown",)))
    assert tree.askable("parks")
    assert set(policy.snapshot()["partitions"]) == set(tree.nodes())
    assert policy.choose(now(), Random(0)) is not None


def test_two_models_are_asked_for_categories_before_anything_else() -> None:
    tree = PartitionTree("auto", topic="Paris")
    policy = LearnedPolicy(MODELS, tree, expected_cost=COST)
    first, second = policy.choose(now(), Random(0)), policy.choose(now(), Random(0))
    assert first == Ask("p:a", "", "split")
    assert second == Ask("p:b", "", "split")
    third = policy.choose(now(), Random(0))
    assert third is not None
    assert third.purpose == "list"
    for i, (model, labels) in enumerate((("p:a", ["Art", "Food", "Parks"]), ("p:b", ["Arts", "Bridges"])), 1):
        children = tree.open("", labels)
        policy.learn(Outcome(i, model, "", "split", True, (), 0, 0.01, 1.0, children=children))
    assert tree.children("") == ("Art", "Food", "Parks", "Bridges")


def test_initials_help_where_no_model_names_categories() -> None:
    tree = PartitionTree("auto", topic="Paris")
    policy = LearnedPolicy(MODELS, tree, expected_cost=COST)
    for i, model in enumerate(("p:a", "p:b"), 1):
        children = tree.open("", ["Sure!", ""])
        policy.learn(Outcome(i, model, "", "split", True, (), 0, 0.01, 1.0, children=children))
    policy.learn(listed(3, "p:a", "", list(range(1, 41)), 40))
    assert tree.children("") == ()  # all that is known fits one list
    policy.learn(listed(4, "p:b", "", list(range(41, 141)), 100))
    assert tree[tree.children("")[0]].kind == "alphabet"
    ask = policy.choose(now(), Random(0))
    assert ask is not None
    assert ask.purpose == "list"


def test_a_partition_with_short_answers_is_not_split() -> None:
    policy = build(1)
    for i in range(1, 5):
        policy.learn(listed(i, "p:a", "", list(range(i * 100, i * 100 + 30)), 30))
    for i, node in enumerate(CATEGORIES, 5):
        policy.learn(listed(i, "p:a", node, [i * 100, i * 100 + 1], 2))
    assert all(a is None or a.purpose == "list" for a in asks(policy, 3))


def test_it_finds_more_for_the_same_money_than_taking_turns() -> None:
    found = {}
    for name in ("learned", "round_robin"):
        world = World(Assumptions(size=3000, categories=20, knows_least=0.3, knows_most=0.8, asked_for=30), seed=1)
        tree = PartitionTree("auto", topic="everything")
        policy = build_policy(name, choices(world), tree, expected_cost=world.price)
        run = Run(world, policy, tree, policy.tariff, seed=1, usd_max=0.8).go()
        assert run.reason is None
        found[name] = run.found_after[-1]
    assert found["learned"] > 1.3 * found["round_robin"]


@pytest.mark.parametrize("splits", [True, False])
@pytest.mark.parametrize("free", [True, False])
def test_a_closed_topic_ends_by_itself_with_everything(free: bool, splits: bool) -> None:
    """Over twenty seeds 2.0 to 2.8 times the requests of an oracle that knows the truth (docs/discovery.md)."""
    requests = needed = 0
    for seed in (1, 2, 3):
        world = World(Assumptions(splits=splits), seed)
        if free:
            world.price = dict.fromkeys(world.models, 0.0)
        tree = PartitionTree("auto", topic="everything")
        policy = LearnedPolicy(choices(world), tree, expected_cost=world.price)
        run = Run(world, policy, tree, policy.tariff, seed=seed).go()
        assert run.reason is not None
        assert run.found_after[-1] >= 0.98 * world.reachable
        assert run.coverage.snapshot()["estimated_total"] == pytest.approx(world.reachable, rel=0.1)
        requests += run.requests
        needed += oracle_requests(world, 0.98, seed, with_lists=False)
    assert requests <= 3.2 * needed


def introduced(optimise: Optimise = "cost") -> LearnedPolicy:
    """One model that has told the famous ones: slices promise more now."""
    policy = build(1, optimise=optimise)
    policy.learn(listed(1, "p:a", "", list(range(1, 31)), 30))
    for number in (2, 3):
        policy.learn(listed(number, "p:a", "", list(range(1, 31)), 0))
    return policy


def test_no_more_slices_are_asked_about_until_the_first_two_have_told_what_slices_bring() -> None:
    policy, two = introduced(), {("p:a", "museums"): 1, ("p:a", "parks"): 1}
    assert policy.choose(now({"p:a"}, {("p:a", "museums"): 1}), Random(1)) is not None
    assert policy.choose(now({"p:a"}, two, at=10.0), Random(1)) is None
    assert policy.choose(now({"p:a"}, two, at=29.0), Random(1)) is None
    assert policy.choose(now({"p:a"}, two, at=31.0), Random(1)) is not None, "a model that hangs holds nothing up"
    told = introduced()
    for number, node in ((4, "museums"), (5, "parks")):
        told.learn(listed(number, "p:a", node, list(range(100 * number, 100 * number + 30)), 30))
    assert told.choose(now({"p:a"}, two), Random(1)) is not None


def test_time_is_not_spent_on_waiting_for_the_first_slices() -> None:
    flying = {("p:a", "museums"): 1, ("p:a", "parks"): 1}
    assert introduced("speed").choose(now({"p:a"}, flying), Random(1)) is not None
