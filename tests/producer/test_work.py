from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from igentai.codec import frame
from igentai.errors import ConfigurationError, FailureKind, ProviderError
from igentai.messages import Assign, AttributeBatch, ProviderAccess, RequestFailed
from igentai.providers.base import Call, ProviderSpec, Reply, Secret
from igentai_orchestrator.core import prompts
from igentai_producer.work import Work, numbered_items, prompt_hash

if TYPE_CHECKING:
    from collections.abc import Callable

ACCESS = {"fake": ProviderAccess("openai", "http://orchestrator.example/v1", stream=False)}


def assign(**changed: Any) -> Assign:
    plain: dict[str, Any] = {
        "assignment_id": 7,
        "provider": "fake",
        "model": "m",
        "partition": "",
        "messages": [("user", "List museums.")],
        "max_tokens": 100,
        "temperature": 0.5,
        "timeout_s": 5.0,
    }
    return Assign(**(plain | changed))


def reply(text: str, **changed: Any) -> Reply:
    plain: dict[str, Any] = {"model": "m-2025", "finish": "stop", "tokens_in": 5, "tokens_out": 9}
    return Reply(text=text, **(plain | changed))


@dataclass
class FakeProvider:
    """Says what it is told to."""

    says: Callable[[Call], Reply]
    calls: list[Call] = field(default_factory=list)
    closed: bool = False

    async def ask(self, call: Call) -> Reply:
        self.calls.append(call)
        return self.says(call)

    async def close(self) -> None:
        self.closed = True


class Lines:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def _line(self, event: str, **keys: Any) -> None:
        self.lines.append((event, keys))

    debug = info = warning = error = _line


class Bench:
    """A `Work` with a fake provider behind every spec."""

    def __init__(self, says: Callable[[Call], Reply] | str = "", specs: dict[str, ProviderSpec] | None = None) -> None:
        self.provider = FakeProvider((lambda _: reply(says)) if isinstance(says, str) else says)
        self.connected: list[ProviderSpec] = []
        self.threads: list[threading.Thread] = []
        self.log = Lines()
        self.work = Work(specs or {}, log=self.log, connect=self.connect)

    def connect(self, spec: ProviderSpec) -> FakeProvider:
        self.connected.append(spec)
        self.threads.append(threading.current_thread())
        return self.provider

    async def batch(self, assignment: Assign) -> AttributeBatch:
        outcome = await self.work.perform(assignment, ACCESS)
        assert isinstance(outcome, AttributeBatch), outcome
        return outcome

    async def failure(self, assignment: Assign) -> RequestFailed:
        outcome = await self.work.perform(assignment, ACCESS)
        assert isinstance(outcome, RequestFailed), outcome
        return outcome


def failing(error: Exception) -> Callable[[Call], Reply]:
    def says(_: Call) -> Reply:
        raise error

    return says


async def test_a_reply_becomes_an_answer() -> None:
    bench = Bench(lambda _: reply("1. Louvre\n2. Musée d'Orsay", tokens_cached=3, latency_ms=12, cost_usd=0.1))
    batch = await bench.batch(assign())
    assert batch.attributes == ["Louvre", "Musée d'Orsay"]
    assert (batch.assignment_id, batch.provider_used, batch.model) == (7, "fake", "m")
    assert (batch.metadata.candidates, batch.metadata.finish, batch.metadata.cost_usd) == (2, "stop", 0.1)
    assert (batch.metadata.tokens_in, batch.metadata.tokens_cached, batch.metadata.response_time_ms) == (5, 3, 12)
    (call,) = bench.provider.calls
    assert call == Call("m", (("user", "List museums."),), 100, 0.5, 5.0)


async def test_a_cut_reply_loses_its_last_line_only() -> None:
    bench = Bench(lambda _: reply("1. Louvre\n2. Orangerie\n3. Musée d'Or", finish="length"))
    batch = await bench.batch(assign())
    assert batch.attributes == ["Louvre", "Orangerie"]
    assert batch.metadata.finish == "length"


async def test_a_refusal_is_an_answer_with_nothing_in_it() -> None:
    batch = await Bench("I'm sorry, but I can't help with that request.").batch(assign())
    assert (batch.attributes, batch.metadata.finish) == ([], "refusal")


async def test_a_split_gives_labels() -> None:
    batch = await Bench('["Painting", "Sculpture"]').batch(assign(purpose="split"))
    assert batch.attributes == ["Painting", "Sculpture"]


async def test_a_verification_gives_the_items_judged_real() -> None:
    asked = prompts.verifying("Paris museums", ["Louvre", "Musée de la Lune", "1. Petit Palais"])
    batch = await Bench("1. yes\n2. no\n3. yes").batch(assign(purpose="verify", messages=list(asked)))
    assert batch.attributes == ["Louvre", "1. Petit Palais"]


def test_producer_and_orchestrator_hash_a_prompt_alike() -> None:
    asked = prompts.listing("Musées de Paris", size=10, known=["Louvre"])
    assert prompt_hash(list(asked)) == prompts.prompt_hash(asked)
    assert numbered_items(list(asked)) == []


async def test_however_long_a_reply_is_the_answer_fits_in_a_frame() -> None:
    words = ["".join(chr(ord("a") + (n // 26**i) % 26) for i in range(4)) for n in range(3000)]
    batch = await Bench("\n".join(f"{n + 1}. {w} {'é' * 450}" for n, w in enumerate(words))).batch(assign())
    assert 0 < len(batch.attributes) <= 1000
    assert batch.metadata.candidates >= len(batch.attributes)
    frame(batch)


async def test_a_providers_failure_is_passed_on_with_its_kind() -> None:
    bench = Bench(failing(ProviderError(FailureKind.RATE_LIMITED, "slow down", status=429, retry_after_s=3.0)))
    failed = await bench.failure(assign())
    assert (failed.kind, failed.status, failed.retry_after_s, failed.detail) == ("rate_limited", 429, 3.0, "slow down")
    assert failed.assignment_id == 7


async def test_a_fault_of_ours_is_logged_and_the_producer_lives_on() -> None:
    bench = Bench(failing(ZeroDivisionError("sk-hunter2 in a message")))
    failed = await bench.failure(assign())
    assert failed.kind == "internal"
    assert "hunter2" not in failed.detail
    ((event, keys),) = bench.log.lines
    assert event == "producer.work_failed"
    assert "ZeroDivisionError" in keys["exception"]


async def test_a_client_that_does_not_keep_to_its_timeout_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igentai_producer.work.OVERTIME_S", 0.0)

    class Hanging(FakeProvider):
        async def ask(self, call: Call) -> Reply:
            await asyncio.Event().wait()
            raise AssertionError

    bench = Bench()
    bench.provider = Hanging(lambda _: reply(""))
    assert (await bench.failure(assign(timeout_s=0.01))).kind == "timeout"


async def test_a_client_is_made_once_and_off_the_event_loop() -> None:
    bench = Bench("x")
    await asyncio.gather(*(bench.batch(assign(assignment_id=n)) for n in range(5)))
    assert len(bench.connected) == 1
    assert bench.threads[0] is not threading.current_thread()
    await bench.work.close()
    assert bench.provider.closed


async def test_an_unknown_provider_is_out_until_it_is_configured() -> None:
    failed = await Bench().failure(assign(provider="nobody"))
    assert failed.kind == "model"
    assert "nobody" in failed.detail


async def test_a_client_that_cannot_be_made_is_a_failure_of_the_provider() -> None:
    bench = Bench()
    bench.work = Work({}, log=bench.log, connect=failing(ConfigurationError("no such kind")))  # type: ignore[arg-type]  # it only raises
    assert (await bench.failure(assign())).detail == "no such kind"


@pytest.mark.parametrize(
    ("own", "base_url"),
    [
        pytest.param(ProviderSpec("fake", "openai", Secret("k"), None), None, id="a key is kept from a told address"),
        pytest.param(
            ProviderSpec("fake", "openai", Secret("k"), "http://own.example"), "http://own.example", id="own address"
        ),
        pytest.param(
            ProviderSpec("fake", "openai"), "http://orchestrator.example/v1", id="no key: the told address is good"
        ),
        pytest.param(None, "http://orchestrator.example/v1", id="not configured here: as told, without a key"),
    ],
)
async def test_a_key_goes_only_to_the_address_beside_it(own: ProviderSpec | None, base_url: str | None) -> None:
    bench = Bench("x", {"fake": own} if own else {})
    await bench.batch(assign())
    (spec,) = bench.connected
    assert spec.base_url == base_url
    assert spec.key == (own.key if own else None)
    assert spec.stream is False
