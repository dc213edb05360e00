"""Bar 10: what each fault of a provider leads to, on all three APIs, streamed and whole: the exact number of tries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest

from igentai.providers import connect
from igentai.providers.base import Provider, ProviderSpec, Secret
from igentai.providers.wire import Patience
from igentai_orchestrator.core import orders
from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.core.topic import Limits, ModelChoice, TopicSpec
from tests.doubles.script import Fault, Script
from tests.doubles.server import Double
from tests.doubles.world import World
from tests.faults.workshop import Workshop

KEY = "sk-test-key-0000000000"
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash-lite"}
WAIT_S = 0.7
IMPATIENT = Patience(connect_s=5.0, first_byte_s=2.0, idle_s=2.0)


@dataclass(frozen=True)
class Expected:
    """How often one request is made in all, the status of each of them in the ledger, whether the provider is out."""

    tries: int
    status: str
    out: bool = False


FAULTS = {
    # out at once, and said once
    "key": Expected(1, "failed:key", out=True),
    "forbidden": Expected(1, "failed:key", out=True),
    "payment": Expected(1, "failed:quota", out=True),
    "quota": Expected(1, "failed:quota", out=True),
    "day_quota": Expected(1, "failed:quota", out=True),
    "model": Expected(1, "failed:model", out=True),
    # never asked again
    "bad_request": Expected(1, "failed:refused"),
    "too_large": Expected(1, "failed:refused"),
    # three tries
    "request_timeout": Expected(3, "failed:timeout"),
    "conflict": Expected(3, "failed:reset"),
    "server": Expected(3, "failed:server"),
    "unavailable": Expected(3, "failed:server"),
    "overloaded": Expected(3, "failed:server"),
    "hang": Expected(3, "failed:timeout"),
    "reset_before": Expected(3, "failed:reset"),
    "html": Expected(3, "failed:garbage"),
    "broken_json": Expected(3, "failed:garbage"),
    "empty_body": Expected(3, "failed:garbage"),
    # an answer with what it holds, never asked again
    "length": Expected(1, "length"),
    "reset_mid": Expected(1, "cut"),
    "close_mid": Expected(1, "cut"),
    "stall": Expected(1, "cut"),
    "refusal": Expected(1, "refusal"),
}


def spec(api: str) -> TopicSpec:
    limits = Limits(saturation=False)
    model = ModelChoice(api, MODELS[api])
    return TopicSpec(
        "cities", "cities", (model,), policy="round_robin", partition="none", request_size=20, limits=limits
    )


def impatient(provider: ProviderSpec) -> Provider:
    client = connect(provider)
    client._patience = IMPATIENT  # type: ignore[attr-defined]  # of every client that speaks HTTP
    return client


async def worked(api: str, script: Script, *, stream: bool, asks: int = 1) -> tuple[Workshop, Double]:
    """What came of so many requests with all their tries."""
    async with Double(api, World(items=300, categories=6), script, key=KEY, style="numbered") as double:
        reached = ProviderSpec(api, api, Secret(KEY), double.base_url, stream)
        shop = Workshop(spec(api), {api: reached}, impatient, timeout_s=4.0, asks=asks)
        async with asyncio.timeout(60):
            await shop.run()
    return shop, double


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("api", sorted(MODELS))
async def test_every_fault_is_tried_exactly_as_often_as_it_should_be(api: str, *, stream: bool) -> None:
    async def one(name: str, expected: Expected) -> list[str]:
        shop, double = await worked(api, Script(always=Fault(name)), stream=stream)
        wrong = []
        if shop.attempts != list(range(1, expected.tries + 1)) or len(double.log) != expected.tries:
            wrong.append(f"{name}: tries {shop.attempts}, served {len(double.log)}")
        if shop.statuses != [expected.status] * expected.tries:
            wrong.append(f"{name}: ledger {shop.statuses}")
        said = [order for order in shop.floor.of(orders.Log) if order.event == "provider.out"]
        if len(said) != expected.out:
            wrong.append(f"{name}: said out {len(said)} times")
        return wrong + halves(shop, double)

    await worked(api, Script(), stream=stream)  # the SDK is imported, which takes longer than the faults may
    found = await asyncio.gather(*(one(name, expected) for name, expected in FAULTS.items()))
    assert [wrong for some in found for wrong in some] == []


def halves(shop: Workshop, double: Double) -> list[str]:
    """What was kept and was no whole item."""
    campaign = shop.floor.desk.books.campaign
    assert campaign is not None
    whole = {item.name for item in double.world.catalogue}
    return [f"half an item: {text}" for text in campaign.texts if text not in whole]


FORMS = [(api, form) for api in sorted(MODELS) for form in ("seconds", "ms", "date", "body")]
FORMS.remove(("anthropic", "body"))  # it says so in a header alone


@pytest.mark.parametrize(("api", "form"), FORMS)
async def test_a_429_is_made_again_when_its_wait_is_over_and_never_counts_as_a_try(api: str, form: str) -> None:
    wait_s = 2.0 if form == "date" else WAIT_S  # a date has whole seconds
    script = Script(at={n: Fault("rate_limit", wait_s=wait_s, wait_as=form) for n in range(4)})
    shop, double = await worked(api, script, stream=True)
    assert shop.attempts == [1] * 5
    assert shop.statuses == ["failed:rate_limited"] * 4 + ["ok"]
    gaps = [later - earlier for earlier, later in pairwise(shop.sent_at)]
    least = wait_s - 1.01 if form == "date" else wait_s  # a date has whole seconds, of another clock
    assert all(gap >= least for gap in gaps), gaps
    assert len(double.log) == 5


async def test_a_truncated_reply_keeps_its_whole_items_and_its_cost() -> None:
    script = Script(always=Fault("length"))
    shop, double = await worked("openai", script, stream=True, asks=3)
    answers = [record for record in shop.floor.ledger if isinstance(record, AnswerRecord)]
    assert all(record.candidates >= 5 for record in answers)
    assert sum(record.cost_usd for record in answers) == pytest.approx(double.billed)
    assert all(record.cost_usd > 0 for record in answers)


async def test_a_usage_that_is_reported_wrong_or_not_at_all_stops_nothing() -> None:
    script = Script(always=Fault("no_usage"))
    shop, _ = await worked("openai", script, stream=True, asks=3)
    assert shop.statuses == ["ok"] * 3
    assert all(r.tokens_out > 0 for r in shop.floor.ledger if isinstance(r, AnswerRecord))
