"""The shell: order, bounds, cancellation, back-pressure."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.shared.batch.made_up import MadeUp, fault, options, route

from igentai import Progress
from igentai.batch.journal import Journal, Kept, Promise
from igentai.batch.request import Unasked
from igentai.batch.running import Batch
from igentai.errors import FailureKind, StorageFull


def batch(client: MadeUp, journal: Journal | None = None, **said: Any) -> Batch:
    return Batch([route(client)], [client], options(**said), journal=journal)


async def test_results_stand_in_order_whatever_answers_first() -> None:
    rng = Random(3)

    async def late(prompt: str, _attempt: int) -> str:
        for _ in range(rng.randint(0, 20)):
            await asyncio.sleep(0)
        return prompt

    client = MadeUp(late)
    running = batch(client, max_concurrency=7)
    got = [r async for r in running.results([f"p{n}" for n in range(200)])]
    assert [r.index for r in got] == list(range(200))
    assert [r.text for r in got] == [f"p{n}" for n in range(200)]
    assert client.most == 7


async def test_never_more_tasks_than_the_concurrency_allows() -> None:
    before = len(asyncio.all_tasks())
    most = 0

    def watching(prompt: str, _attempt: int) -> str:
        nonlocal most
        most = max(most, len(asyncio.all_tasks()) - before)
        return prompt

    running = batch(MadeUp(watching), max_concurrency=5)
    assert len([r async for r in running.results(str(n) for n in range(100))]) == 100
    assert 5 <= most <= 6, "the calls, and at the start the price list"


async def test_the_source_is_read_no_faster_than_answers_are_taken() -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"p{read}"

    async with aclosing(batch(MadeUp(), max_concurrency=3).results(endless())) as results:
        async for result in results:
            if result.index == 9:
                break
            assert read <= result.index + 1 + 2 * 3 + 1
    assert read < 30


async def test_an_asynchronous_source_is_read_to_its_last_item() -> None:
    async def trickling() -> AsyncIterator[str]:
        for n in range(25):
            await asyncio.sleep(0)
            yield f"p{n}"

    got = [r.text async for r in batch(MadeUp(), max_concurrency=4).results(trickling())]
    assert got == [f"re p{n}" for n in range(25)]


async def test_an_error_of_the_source_reaches_the_consumer_as_it_is() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "p0"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        [r async for r in batch(MadeUp()).results(broken())]

    def broken_too() -> Iterator[str]:
        yield "p0"
        raise OSError("gone too")

    with pytest.raises(OSError, match="gone too"):
        [r async for r in batch(MadeUp()).results(broken_too())]


async def test_leaving_early_calls_off_what_runs() -> None:
    async def never(prompt: str, _attempt: int) -> str:
        if prompt != "p0":
            await asyncio.Event().wait()
        return prompt

    client = MadeUp(never)
    async with aclosing(batch(client, max_concurrency=4).results(f"p{n}" for n in range(9))) as results:
        first = await anext(results)
    assert first.text == "p0"
    assert client.in_flight == 0
    assert client.cancelled >= 3


async def test_cancelling_the_consumer_cancels_the_calls_and_nothing_else() -> None:
    started = asyncio.Event()

    async def never(_prompt: str, _attempt: int) -> str:
        started.set()
        await asyncio.Event().wait()
        return ""

    client = MadeUp(never)

    async def consume() -> None:
        async for _ in batch(client, max_concurrency=3).results(["a", "b", "c"]):
            pass

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.in_flight == 0


async def test_fail_fast_cancels_what_runs_and_marks_the_rest() -> None:
    async def one_fails(prompt: str, _attempt: int) -> str:
        if prompt == "p2":
            raise fault(FailureKind.REFUSED, 400)
        if prompt in ("p0", "p1"):
            return prompt
        await asyncio.Event().wait()
        return ""

    client = MadeUp(one_fails)
    running = batch(client, max_concurrency=5, fail_fast=True)
    got = [r async for r in running.results([f"p{n}" for n in range(50)])]
    assert len(got) == 50
    assert [r.ok for r in got[:2]] == [True, True]
    assert got[2].error is not None
    assert got[2].error.kind == "refused"
    assert {r.error.kind for r in got[3:] if r.error} == {"cancelled"}
    assert client.cancelled == 2
    assert len(client.calls) == 5


async def test_a_fault_of_a_client_fails_its_prompt_alone() -> None:
    def bad(prompt: str, _attempt: int) -> str:
        if prompt == "p1":
            raise ZeroDivisionError
        return prompt

    got = [r async for r in batch(MadeUp(bad)).results(["p0", "p1", "p2"])]
    assert [r.ok for r in got] == [True, False, True]
    assert got[1].error is not None
    assert "ZeroDivisionError" in got[1].error.message


async def test_a_row_that_is_no_prompt_keeps_its_place() -> None:
    got = [r async for r in batch(MadeUp()).results(["p0", Unasked("line 2 is no JSON", "x"), "p2"])]
    assert [(r.index, r.id, r.ok) for r in got] == [(0, None, True), (1, "x", False), (2, None, True)]


async def test_progress_adds_up_and_ends_complete() -> None:
    said: list[Progress] = []
    running = batch(MadeUp(), max_concurrency=2, on_progress=said.append)
    assert [r async for r in running.results(["a", "b", "c"])]
    assert all(p.total == 3 and p.completed + p.running <= 3 for p in said)
    assert (said[-1].completed, said[-1].running, said[-1].failed) == (3, 0, 0)


async def test_an_error_of_the_progress_callback_reaches_the_consumer() -> None:
    def bad(_progress: object) -> None:
        raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        [r async for r in batch(MadeUp(), on_progress=bad).results(["a"])]


class Watched(Journal):
    """A journal that notes what was on the disk, and what was written only."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written: list[int] = []
        self.durable = 0

    def append(self, item: Kept | Promise) -> None:
        super().append(item)
        if isinstance(item, Kept):
            self.written.append(item.result.index)

    def sync(self) -> None:
        there = len(self.written)
        super().sync()
        self.durable = there


async def test_an_answer_is_on_disk_before_it_is_given_out(tmp_path: Path) -> None:
    journal = Watched(tmp_path / "j")
    running = batch(MadeUp(), journal, max_concurrency=4)
    async with aclosing(running.results([f"p{n}" for n in range(30)])) as results:
        async for result in results:
            assert result.index in journal.written[: journal.durable]
    assert sorted(journal.written) == list(range(30))
    journal.close()


async def test_a_second_run_asks_only_what_the_first_was_not_answered(tmp_path: Path) -> None:
    def some_fail(prompt: str, _attempt: int) -> str:
        if prompt in ("p3", "p7"):
            raise fault(FailureKind.REFUSED, 400)
        return prompt

    first = Journal(tmp_path / "j")
    assert [r.ok async for r in batch(MadeUp(some_fail), first).results([f"p{n}" for n in range(10)])].count(False) == 2
    first.close()
    client, second = MadeUp(), Journal(tmp_path / "j")
    changed = [f"p{n}" for n in range(10)]
    changed[5] = "another question"
    running = batch(client, second)
    got = [r async for r in running.results(changed)]
    second.close()
    assert sorted(call.messages[-1][1] for call in client.calls) == ["another question", "p3", "p7"]
    assert [r.index for r in got] == list(range(10))
    assert all(r.ok for r in got)
    assert running.resumed == 7
    assert running.tally.calls == 3, "what an earlier run made is not counted again"


async def test_runs_that_end_anywhere_and_are_resumed_lose_nothing_and_repeat_only_what_was_in_flight(
    tmp_path: Path,
) -> None:
    prompts, at_once = [f"p{n}" for n in range(60)], 6
    for seed in range(15):
        rng, answered, ends = Random(seed), Counter[str](), 0

        async def answer(prompt: str, _attempt: int, rng: Random = rng, answered: Counter[str] = answered) -> str:
            for _ in range(rng.randint(0, 5)):
                await asyncio.sleep(0)
            chance = rng.random()
            if chance < 0.15:
                raise fault(FailureKind.RATE_LIMITED, 429, 0.001) if chance < 0.1 else fault()
            answered[prompt] += 1
            return prompt

        got: list[Any] = []
        while len(got) < len(prompts):
            journal, enough = Journal(tmp_path / f"{seed}"), rng.randint(1, 80)
            running, got = batch(MadeUp(answer), journal, max_concurrency=at_once), []
            async with aclosing(running.results(prompts)) as results:
                async for result in results:
                    got.append(result)
                    if len(got) == enough:
                        break
            journal.close()
            ends += 1
        assert [(r.index, r.text) for r in got] == list(enumerate(prompts)), f"seed {seed}"
        assert answered.total() - len(prompts) <= (ends - 1) * at_once, f"seed {seed}"


@pytest.mark.parametrize("stage", ["append", "sync"])
async def test_a_journal_that_cannot_be_written_ends_the_batch_with_its_reason(
    tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "j")

    def full(*_: object) -> None:
        raise StorageFull("no space left")

    monkeypatch.setattr(journal, stage, full)
    client = MadeUp()
    with pytest.raises(StorageFull):
        [r async for r in batch(client, journal, max_concurrency=2).results(f"p{n}" for n in range(100))]
    assert len(client.calls) <= 2 * 2 * 2, "no money is spent on what cannot be kept"
    journal.close()


async def test_with_a_budget_what_a_call_may_cost_is_on_disk_before_it_leaves(tmp_path: Path) -> None:
    promised: list[float] = []
    durable = [0]

    class Noting(Journal):
        def append(self, item: Kept | Promise) -> None:
            super().append(item)
            if isinstance(item, Promise) and not item.settled:
                promised.append(item.usd)

        def sync(self) -> None:
            there = len(promised)
            super().sync()
            durable[0] = there

    journal, calls = Noting(tmp_path / "j"), 0

    def looking(prompt: str, _attempt: int) -> str:
        nonlocal calls
        calls += 1
        assert durable[0] >= calls
        return prompt

    running = batch(MadeUp(looking), journal, budget_usd=1.0, max_concurrency=1, max_tokens=100)
    assert all([r.ok async for r in running.results(["a", "b"])])
    assert all(usd > 0.0001 for usd in promised)
    journal.close()
    again = Journal(tmp_path / "j")
    assert again.spent_usd() == pytest.approx(2 * 15e-6)
    again.close()
