"""A provider that is away for a while, in simulated time: bar 11, and what people see of it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import FailureKind
from igentai.messages import Assign
from igentai_orchestrator.core import orders
from igentai_orchestrator.core.topic import ModelChoice
from tests.orchestrator.core.clockwork import Clockwork, Said
from tests.orchestrator.core.floor import Floor, spec

ONE = (ModelChoice("openai", "cheap"),)
START = 100.0
AWAY, BACK = START + 60, START + 120


def during_an_outage(kind: FailureKind, seconds: float, *, seed: int = 0) -> tuple[Clockwork, list[tuple[float, str]]]:
    """Eight producers, two requests each; the provider is away for a minute. When it was seen in which state."""
    rng = Random(seed)
    seen: list[tuple[float, str]] = []

    def provider(assign: Assign, at: float) -> Said:
        if AWAY <= at < BACK:
            return Said(seconds, fails=kind)
        return Said(rng.uniform(0.8, 1.2), [f"thing {rng.random()}"])

    floor = Floor(seed=seed)
    floor.open(spec(models=ONE, producers=8))
    work = Clockwork(floor, provider, seed=seed)

    def watch() -> None:
        state = floor.desk.snapshot(floor.now)["providers"]["openai:cheap"]["state"]
        if not seen or seen[-1][1] != state:
            seen.append((floor.now, state))
        gate = floor.desk.books.gates["openai"]
        if state == "half-open":
            most.append(gate.accounts[0].limits.concurrency.in_flight)

    most: list[int] = []
    work.watch = watch
    work.begin(8, 2)
    work.run(BACK + 40)
    assert max(most, default=0) <= 1, "one probe for the whole system"
    return work, seen


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "seconds"), [(FailureKind.SERVER, 0.2), (FailureKind.RESET, 0.01)])
def test_an_outage_of_a_minute_costs_few_calls_and_is_over_soon(kind: FailureKind, seconds: float, seed: int) -> None:
    work, seen = during_an_outage(kind, seconds, seed=seed)
    opened = next(at for at, state in seen if state == "open")
    failed_first = sum(call.sent < opened for call in work.calls if call.said.fails)
    assert failed_first <= 100, "until the last answers of before are in, and 20 in a row have failed"
    while_open = [call for call in work.calls if opened < call.sent < BACK]
    assert 1 <= len(while_open) <= 10
    before = sum(call.said.fails is None for call in work.calls if AWAY - 30 <= call.ended < AWAY - 2) / 28
    after = sum(call.said.fails is None for call in work.calls if BACK + 10 <= call.ended < BACK + 30) / 20
    assert after >= 0.9 * before
    assert [state for _, state in seen[:3]] == ["ok", "open", "half-open"]
    assert seen[-1][1] == "ok"


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), failing=st.floats(0.3, 1.0), hangs=st.booleans())
def test_whatever_fails_there_is_never_more_than_one_probe(seed: int, failing: float, hangs: bool) -> None:
    rng = Random(seed)

    def provider(assign: Assign, at: float) -> Said:
        if rng.random() < failing:
            kind = rng.choice([FailureKind.SERVER, FailureKind.GARBAGE, FailureKind.TIMEOUT])
            return Said(rng.uniform(0.01, 60.0 if hangs else 1.0), fails=kind)
        return Said(rng.uniform(0.1, 1.0), [f"thing {rng.random()}"])

    floor = Floor(seed=seed)
    floor.open(spec(models=ONE, producers=4))
    work = Clockwork(floor, provider, seed=seed)
    account = None
    probing: list[int] = []

    def watch() -> None:
        nonlocal account
        account = floor.desk.books.gates["openai"].accounts[0]
        if account.breaker.state(floor.now) == "half-open":
            since = account.breaker._since
            probing.append(sum(call.sent >= since and not call.ended for call in work.calls))

    work.watch = watch
    work.begin(4, 4)
    work.run(START + 120)
    assert max(probing, default=0) <= 1


def test_with_everything_out_the_desk_waits_for_a_person_and_wants_no_tick_of_its_own() -> None:
    floor = Floor()
    floor.open(spec(models=ONE))
    work = Clockwork(floor, lambda assign, at: Said(0.1, fails=FailureKind.KEY))
    work.begin(2, 2)
    work.run(START + 30)
    assert len(work.calls) <= 4, "no more than was in flight"
    assert floor.desk.deadline(floor.now) in (None, float("inf"))
    [alert] = [a for a in floor.desk.snapshot(floor.now)["alerts"] if a["level"] == "error"]
    assert "does not accept the key" in alert["text"]
    assert [o.event for o in floor.of(orders.Log) if o.event == "provider.out"] == ["provider.out"], "said once"
