"""The public face: query_parallel and its like, against a provider in memory."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.shared.batch.made_up import MadeUp, fault, route

import igentai
from igentai import (
    Batcher,
    Message,
    Pipeline,
    Query,
    Result,
    Step,
    analyze_codebase,
    batch_process,
    categorize_documents,
    filter_map,
    process_stream,
    process_with_retry,
    query_parallel,
    query_pipeline,
    query_with_retry,
    reset_stats,
    stats,
    sync,
    windowed_analysis,
)
from igentai.batch.accounts import reached_directly, routes_of
from igentai.batch.verdict import ASK_YES_OR_NO
from igentai.errors import ConfigurationError, FailureKind, NoUsableProvider, UsageError
from igentai.prices import Price
from igentai.providers.base import ProviderSpec

PRICES = {"made-up:m": Price(1.0, 1.0)}


async def test_per_prompt_options_reach_the_provider() -> None:
    client = MadeUp()
    await query_parallel(
        ["a", Query("b", system="be brief", max_tokens=7, temperature=0.5, timeout=3.0, seed=1)],
        provider=route(client),
        system="be kind",
        max_tokens=99,
    )
    first, second = client.calls
    assert first.messages == (("system", "be kind"), ("user", "a"))
    assert (first.max_tokens, first.temperature) == (99, None)
    assert second.messages == (("system", "be brief"), ("user", "b"))
    assert (second.max_tokens, second.temperature, second.timeout_s, second.seed) == (7, 0.5, 3.0, 1)
    assert not client.closed, "a client of the user's own is not closed"


async def test_partial_results_are_kept() -> None:
    def odd_fail(prompt: str, _attempt: int) -> str:
        if int(prompt) % 2:
            raise fault(FailureKind.REFUSED, 400)
        return prompt

    results = await query_parallel(map(str, range(6)), provider=route(MadeUp(odd_fail)))
    assert [r.ok for r in results] == [True, False] * 3
    assert [r.index for r in results] == list(range(6))


async def test_the_same_question_is_asked_once_with_a_cache(tmp_path: Path) -> None:
    reset_stats()
    client = MadeUp()
    for _ in range(2):
        results = await query_parallel(["a", "b"], provider=route(client), cache=tmp_path, prices=PRICES)
    await query_parallel(["a"], provider=route(client), cache=tmp_path, temperature=1.0)
    await query_parallel(["a"], provider=route(client, model="other"), cache=tmp_path)
    assert [r.cached for r in results] == [True, True]
    assert [r.text for r in results] == ["re a", "re b"]
    assert len(client.calls) == 4, "other options and another model are other questions"
    counted = stats()
    assert (counted.cache_lookups, counted.cache_hits, counted.calls) == (6, 2, 4)
    assert counted.cache_hit_rate == pytest.approx(1 / 3)
    assert counted.cost_usd == pytest.approx(2 * 15e-6)


async def test_stats_count_and_a_batch_leaves_a_row(tmp_path: Path) -> None:
    reset_stats()

    def one_refused(prompt: str, attempt: int) -> str:
        if prompt == "b" and attempt == 1:
            raise fault(FailureKind.RATE_LIMITED, 429, 0.001)
        if prompt == "c":
            raise fault(FailureKind.REFUSED, 400)
        return prompt

    await query_parallel(
        ["a", "b", "c"],
        provider=route(MadeUp(one_refused)),
        prices=PRICES,
        metrics=tmp_path / "m.db",
        max_concurrency=9,
    )
    counted = stats()
    assert (counted.total, counted.succeeded, counted.failed, counted.calls) == (3, 2, 1, 4)
    assert counted.rate_limit_hits == 1
    assert counted.average_cost_usd == pytest.approx(15e-6)
    database = sqlite3.connect(tmp_path / "m.db")
    row = database.execute("SELECT concurrency, total, succeeded, failed, rate_limit_hits FROM batches").fetchall()
    database.close()
    assert row == [(9, 3, 2, 1, 1)]
    reset_stats()
    assert stats().total == 0


async def test_a_budget_needs_a_price() -> None:
    with pytest.raises(ConfigurationError, match="unheard-of"):
        await query_parallel(["a"], provider=route(model="unheard-of"), budget_usd=1.0)


async def test_what_is_no_option_is_said_before_anything_is_asked() -> None:
    client = MadeUp()
    with pytest.raises(UsageError, match="did you mean max_concurrency"):
        await query_parallel(["a"], provider=route(client), max_concurrent=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="empty"):
        await query_parallel(["a", " "], provider=route(client))
    with pytest.raises(UsageError, match="each of its letters"):
        await query_parallel("abc", provider=route(client))
    with pytest.raises(UsageError, match="max_concurrency must be a number, not '5'"):
        await query_parallel(["a"], provider=route(client), max_concurrency="5")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not int"):
        await query_parallel([7], provider=route(client))  # type: ignore[list-item]
    assert not client.calls


async def test_retry_until_it_works_or_not() -> None:
    def third_works(prompt: str, attempt: int) -> str:
        if attempt < 3:
            raise fault()
        return prompt

    result = await query_with_retry("a", provider=route(MadeUp(third_works)), retry_delay=0.0)
    assert (result.ok, result.attempts) == (True, 3)
    client = MadeUp(third_works)
    result = await query_with_retry("a", provider=route(client), retry_delay=0.0, max_retries=1)
    assert (result.ok, result.attempts, len(client.calls)) == (False, 2, 2)
    for listed in ([429], 429, "429, 503"):
        result = await query_with_retry("a", provider=route(MadeUp(third_works)), retry_delay=0.0, retry_on=listed)
        assert (result.ok, result.attempts) == (False, 1)


async def test_a_pipeline_of_steps_passes_on_what_came() -> None:
    client = MadeUp(lambda prompt, _: f"<{len(prompt)}>")
    done = await query_pipeline(["abc", "and {previous} then", "last"], provider=route(client))
    assert [c.messages[-1][1] for c in client.calls] == ["abc", "and <3> then", "last\n\n<12>"]
    assert (done.ok, done.text, [s.index for s in done.steps]) == (True, "<10>", [0, 1, 2])
    client = MadeUp(lambda prompt, _: "out")
    await query_pipeline(["one", "two", "three"], use_context=True, provider=route(client))
    assert client.calls[2].messages[-1][1] == (
        "Context from previous steps:\n1. one\nout\n\n2. two\nout\n\nNow:\nthree"
    )


async def test_a_pipeline_stops_at_the_failed_step_and_names_it() -> None:
    def fails(prompt: str, _attempt: int) -> str:
        if "two" in prompt:
            raise fault(FailureKind.REFUSED, 400)
        return prompt

    client = MadeUp(fails)
    done = await query_pipeline(
        ["one", Step(Query("two", max_tokens=3), name="tests"), "three"], provider=route(client), prices=PRICES
    )
    assert (done.ok, done.failed_step, done.text, len(done.steps)) == (False, "tests", "", 2)
    assert done.error is not None
    assert done.error.kind == "refused"
    assert client.calls[1].max_tokens == 3
    assert done.cost_usd == pytest.approx(15e-6)


async def test_map_gives_each_item_with_its_answer() -> None:
    answers = igentai.map([{"text": "x"}, {"text": "y"}], "Say {text}", provider=route())
    assert [(item["text"], r.text) async for item, r in answers] == [("x", "re Say x"), ("y", "re Say y")]


async def test_filter_map_takes_a_yes_for_a_yes() -> None:
    said = {"a": "Yes.", "b": "No. I detected nothing, yes nothing.", "c": "It was found", "d": "yes"}
    client = MadeUp(lambda prompt, _: said[prompt[0]])
    doubtful = []
    found = filter_map(
        "abcd", "{item} is it?", on_unclear=lambda item, _: doubtful.append(item), provider=route(client)
    )
    assert [item async for item in found] == ["a", "d"]
    assert doubtful == ["c"]
    assert client.calls[0].messages[-1][1] == f"a is it?\n\n{ASK_YES_OR_NO}"


async def test_batches_follow_each_other() -> None:
    done: list[list[int]] = []
    client = MadeUp()

    def stored(batch: list[tuple[int, Result]]) -> None:
        assert len(client.calls) == sum(map(len, done)) + len(batch), "nothing of the next batch has been asked"
        done.append([item for item, _ in batch])

    answers = batch_process(range(7), "{item}", batch_size=3, on_batch=stored, provider=route(client))
    assert [item async for item, _ in answers] == list(range(7))
    assert done == [[0, 1, 2], [3, 4, 5], [6]]


async def test_an_endless_stream_is_read_as_it_is_answered() -> None:
    client = MadeUp()
    async with aclosing(process_stream(itertools.count(), "{item}", window=4, provider=route(client))) as answers:
        async for item, result in answers:
            assert result.text == f"re {item}"
            if item == 50:
                break
    assert len(client.calls) < 70
    assert client.most <= 4


async def test_windows_overlap_and_nothing_is_left_out() -> None:
    client = MadeUp()
    answers = windowed_analysis(range(10), window_size=5, overlap=2, provider=route(client))
    assert [window async for window, _ in answers] == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [6, 7, 8, 9]]
    assert client.calls[0].messages[-1][1] == "Analyse trends in:\n0\n1\n2\n3\n4"
    with pytest.raises(UsageError, match="overlap"):
        [w async for w in windowed_analysis([1], window_size=5, overlap=5, provider=route())]


async def test_dead_letters_are_what_failed_in_every_round() -> None:
    def flaky(prompt: str, attempt: int) -> str:
        if prompt == "b" or (prompt == "a" and attempt == 1):
            raise fault(FailureKind.REFUSED, 400)
        return prompt

    client = MadeUp(flaky)
    done = await process_with_retry(["a", "b", "c"], "{item}", rounds=3, provider=route(client))
    assert [item for item, _ in done.succeeded] == ["a", "c"]
    assert [item for item, _ in done.dead_letters] == ["b"]
    assert len(client.calls) == 1 + 1 + 3 + 1


async def test_a_broadway_pipeline_batches_routes_and_acknowledges() -> None:
    def even_fail(prompt: str, _attempt: int) -> str:
        if prompt == "4":
            raise fault(FailureKind.REFUSED, 400)
        return prompt

    stored: dict[str, list[list[int]]] = {"odd": [], "even": []}
    acknowledged: list[tuple[int, bool]] = []

    async def keep_odd(batch: list[Message[int]]) -> None:
        await asyncio.sleep(0)
        stored["odd"].append([m.data for m in batch])

    def keep_even(batch: list[Message[int]]) -> None:
        stored["even"].append([m.data for m in batch])
        if batch[0].data == 6:
            raise OSError("disk")

    def note(succeeded: list[Message[int]], failed: list[Message[int]]) -> None:
        acknowledged.extend((m.data, m.ok) for m in [*succeeded, *failed])

    report = await Pipeline(
        range(10),
        "{item}",
        batchers={"odd": Batcher(keep_odd, size=2), "even": Batcher(keep_even, size=3)},
        route=lambda message: "odd" if message.data % 2 else "even",
        acknowledge=note,
        provider=route(MadeUp(even_fail)),
    ).run()
    assert stored == {"odd": [[1, 3], [5, 7], [9]], "even": [[0, 2, 6], [8]]}
    assert sorted(acknowledged) == [(n, n != 4) for n in range(10)]
    assert (report.succeeded, report.failed, report.batches) == (9, 1, 5)


async def test_a_batch_whose_handler_fails_is_acknowledged_as_failed_and_the_rest_goes_on() -> None:
    def bad_once(batch: list[Message[int]]) -> None:
        if batch[0].data == 0:
            raise OSError("disk full")

    failed: list[str | None] = []
    report = await Pipeline(
        range(4),
        "{item}",
        batchers=Batcher(bad_once, size=2),
        acknowledge=lambda _, bad: failed.extend(m.error for m in bad),
        provider=route(),
    ).run()
    assert (report.succeeded, report.failed) == (2, 2)
    assert failed == ["the handler failed: OSError: disk full"] * 2


async def test_a_batch_goes_when_its_time_is_over() -> None:
    release = asyncio.Event()

    async def second_late(prompt: str, _attempt: int) -> str:
        if prompt == "1":
            await release.wait()
        return prompt

    def handler(batch: list[Message[int]]) -> None:
        sizes.append(len(batch))
        release.set()

    sizes: list[int] = []
    await Pipeline(
        range(2), "{item}", batchers=Batcher(handler, size=10, timeout=0.01), provider=route(MadeUp(second_late))
    ).run()
    assert sizes == [1, 1]


async def test_a_source_that_breaks_ends_the_pipeline_with_its_own_error() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await Pipeline(broken(), "{item}", batchers=Batcher(print), provider=route()).run()


async def test_a_code_base_is_read_file_by_file(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.js", "node_modules/x.js", ".git/y.py", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}")
    client = MadeUp(lambda prompt, _: "FOUND\nline 1" if "b.py" in prompt else "SAFE")
    found = await analyze_codebase(tmp_path, ["security", "quality"], provider=route(client))
    for name in ("security", "quality"):
        assert [(f.path.name, f.found) for f in found[name]] == [("c.js", False), ("b.py", True)]
    assert "content of b.py" in client.calls[1].messages[-1][1]
    with pytest.raises(UsageError, match="style"):
        await analyze_codebase(tmp_path, ["style"], provider=route())


async def test_documents_go_where_the_model_puts_them_and_nowhere_else() -> None:
    said = {"d1": "Sport.", "d2": "**weather**", "d3": "sport or weather", "d4": "politics"}
    client = MadeUp(lambda prompt, _: said[prompt.split("Document:\n")[1][:2]])
    documents = [{"content": "d1"}, {"text": "d2"}, {"text": "d3"}, {"text": "d4"}]
    done = await categorize_documents(documents, ["Weather", "Sport"], provider=route(client))
    assert done.by_category == {"Weather": [documents[1]], "Sport": [documents[0]]}
    assert [document for document, _ in done.unclear] == documents[2:]


def test_the_sync_form_gives_the_same() -> None:
    assert [r.text for r in sync.query_parallel(["a", "b"], provider=route())] == ["re a", "re b"]
    assert [item for item, _ in sync.map("ab", "{item}", provider=route())] == ["a", "b"]
    stream = sync.process_stream(itertools.count(), "{item}", window=2, provider=route())
    assert [next(stream)[0] for _ in range(3)] == [0, 1, 2]
    stream.close()  # type: ignore[attr-defined]


async def test_the_sync_form_says_so_inside_a_loop() -> None:
    with pytest.raises(UsageError, match="event loop"):
        sync.query_parallel(["a"], provider=route())


def test_whom_a_name_means() -> None:
    keyed = {"ANTHROPIC_API_KEY": "k", "OLLAMA_HOST": "0.0.0.0:1"}
    (first,) = routes_of(None, keyed)
    assert first.key == "anthropic:claude-haiku-4-5"
    (local,) = routes_of("ollama:llama3", keyed)
    assert local.spec is not None
    assert local.spec.base_url == "http://127.0.0.1:1/v1"
    with pytest.raises(NoUsableProvider, match="OPENAI_API_KEY"):
        routes_of("openai", keyed)
    with pytest.raises(NoUsableProvider, match="no key is set"):
        routes_of(None, {})
    with pytest.raises(ConfigurationError, match="nobody-at-all"):
        routes_of("nobody-at-all:x", {})


def test_a_proxy_or_an_organisation_is_left_to_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    spec = ProviderSpec("openai", "openai")
    assert reached_directly(spec, {})
    assert not reached_directly(spec, {"OPENAI_ORG_ID": "org"})
    assert not reached_directly(ProviderSpec("anthropic", "anthropic"), {})
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert not reached_directly(spec, {})
    monkeypatch.setenv("no_proxy", "api.openai.com")
    assert reached_directly(spec, {})


def test_every_public_name_is_there_and_importing_the_package_is_cheap() -> None:
    assert all(getattr(igentai, name) is not None for name in igentai.__all__)
    assert {*igentai.__all__, "map"} == set(igentai._WHERE), "`import *` leaves the built-in map alone"
    with pytest.raises(AttributeError, match="no_such"):
        _ = igentai.no_such
    code = "import sys, igentai; print(any(n.startswith('igentai.') for n in sys.modules), 'asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
