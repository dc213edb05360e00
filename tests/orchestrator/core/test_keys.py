"""Several keys of one provider: they take turns, and one that is refused is out alone."""

from __future__ import annotations

from collections import Counter

from igentai.errors import FailureKind
from igentai.messages import Assign, Stop
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.arrangement import ProviderTerms
from igentai_orchestrator.core.topic import Limits, ModelChoice
from tests.orchestrator.core.clockwork import Clockwork, Said
from tests.orchestrator.core.floor import Floor, spec

ONE = (ModelChoice("openai", "cheap"),)
START = 100.0
TERMS = ProviderTerms("openai", keys=("OPENAI_API_KEY", "OPENAI_API_KEY_2", "/etc/keys/third"))


def fine(assign: Assign) -> Said:
    return Said(0.5, [f"thing {assign.assignment_id}"])


def working(provider: object, terms: ProviderTerms = TERMS, *, wait_when_out: bool = True) -> Clockwork:
    floor = Floor(terms=terms, wait_when_out=wait_when_out)
    floor.open(spec(models=ONE, limits=Limits(saturation=False)))
    work = Clockwork(floor, provider)  # type: ignore[arg-type]  # a function of the test
    work.begin(2, 3)
    return work


def test_keys_take_turns() -> None:
    work = working(lambda assign, at: fine(assign))
    work.run(START + 20)
    shares = Counter(call.assign.key for call in work.calls)
    assert set(shares) == {0, 1, 2}
    assert max(shares.values()) - min(shares.values()) <= 2


def test_each_key_has_its_own_limits() -> None:
    terms = ProviderTerms("openai", requests_per_minute=60, keys=("A", "B"))
    work = working(lambda assign, at: fine(assign), terms)
    work.run(START + 60)
    shares = Counter(call.assign.key for call in work.calls)
    assert shares[0] <= 60
    assert shares[1] <= 60
    assert sum(shares.values()) > 100


def test_a_refused_key_is_out_alone_and_said_once_with_the_line_that_mends_it() -> None:
    work = working(lambda assign, at: Said(0.1, fails=FailureKind.KEY) if assign.key == 1 else fine(assign))
    work.run(START + 20)
    floor = work.floor
    assert sum(call.assign.key == 1 for call in work.calls) <= 2, "only what was in flight"
    assert {call.assign.key for call in work.calls[-9:]} == {0, 2}
    [said] = [o for o in floor.of(orders.Log) if o.event == "provider.out"]
    assert said.keys["key"] == 2
    assert "set OPENAI_API_KEY_2 to one that works" in said.keys["reason"]
    provider = floor.desk.snapshot(floor.now)["providers"]["openai:cheap"]
    assert provider["state"] == "ok"
    assert [key["state"] for key in provider["keys"]] == ["ok", "out", "ok"]
    assert any("key 2" in alert["text"] for alert in floor.desk.snapshot(floor.now)["alerts"])


def test_the_provider_is_out_when_all_its_keys_are() -> None:
    work = working(lambda assign, at: Said(0.1, fails=FailureKind.QUOTA), wait_when_out=False)
    work.run(START + 20)
    assert max(Counter(call.assign.key for call in work.calls).values()) <= 4, "what was in flight"
    [close] = work.floor.of(orders.CloseTopic)
    assert close.exit_code == 3
    assert len([o for o in work.floor.of(orders.Log) if o.event == "provider.out"]) == 3


def test_a_429_pauses_one_key_and_the_request_goes_by_another_at_once() -> None:
    first: list[float] = []

    def provider(assign: Assign, at: float) -> Said:
        if assign.key == 0 and not first:
            first.append(at)
            return Said(0.1, fails=FailureKind.RATE_LIMITED, retry_after_s=30.0)
        return fine(assign)

    work = working(provider)
    work.run(START + 25)
    assert {call.assign.key for call in work.calls if call.sent > START + 2} == {1, 2}
    assert len([c for c in work.calls if START + 0.09 < c.sent < START + 0.45]) >= 1


def test_new_keys_take_the_place_of_old_ones_by_producers_that_hold_them() -> None:
    work = working(lambda assign, at: Said(0.1, fails=FailureKind.KEY))
    work.run(START + 5)
    floor = work.floor
    found = floor.happen(facts.ConfigurationReloaded(keys_changed=True))
    assert len(floor.sent(Stop, found)) == 2
    assert floor.assigned(found) == [], "not by those that are leaving"
    link = floor.join(slot=0, free=2)
    floor.commit()
    assert {to for to, _ in floor.assigned(floor.orders[-20:])} == {link}
