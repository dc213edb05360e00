"""Simulated models: one world for all of them, an honest reading of prompts, answers that repeat only when asked to."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.errors import ConfigurationError, FailureKind, ProviderError
from igentai.providers.base import Call, Provider, ProviderSpec, Reply
from igentai.providers.simulated import SimulatedProvider, world_of
from igentai.providers.simulated_reading import read
from igentai.providers.simulated_world import Knowledge, Universe, plain, universe_of
from igentai.text import key
from igentai_producer.parse import parse

SPEC = ProviderSpec("simulated", "simulated")
ROOT = "Topic: sights\n\nList {} different items of it. One item a line."


def universe(**changes: int) -> Universe:
    return universe_of("sights", **({"items": 1200, "categories": 12, "seed": 0} | changes))


async def ask(provider: Provider, prompt: str, model: str = "small?latency=0", max_tokens: int = 4000) -> Reply:
    return await provider.ask(Call(model, (("system", "You list."), ("user", prompt)), max_tokens))


def named(text: str) -> list[str]:
    """The real names in a reply of whatever shape, in order."""
    numbers = universe().numbers
    pieces = re.findall(r"[^\W\d_][^\n:*\"`,]*", text)
    return [piece.strip() for piece in pieces if plain(piece) in numbers]


@pytest.mark.parametrize(("items", "categories"), [(1200, 12), (40_000, 30), (100, 5), (500, 120)])
def test_names_and_labels_are_distinct_attributes(items: int, categories: int) -> None:
    world = universe(items=items, categories=categories)
    assert len({key(name) for name in world.names}) == items
    assert len({key(node.label) for node in world.nodes}) == len(world.nodes)


def test_every_process_sees_the_same_world() -> None:
    """Names depend on the arguments alone, not on hash seeds or earlier calls: these are the most famous three."""
    assert universe_of("sights", items=50, categories=3, seed=1).names[:3] == (
        "Aruli Hall",
        "Lunuru",
        "Biticete Spring",
    )


def test_topics_are_told_apart_but_not_by_case_or_spaces() -> None:
    assert universe_of("Sights  of Rome", items=50, categories=3, seed=0).names == (
        universe_of("sights of rome", items=50, categories=3, seed=0).names
    )
    assert not set(universe_of("towns", items=50, categories=3, seed=0).names) & set(universe().names[:50])


def test_models_know_overlapping_parts_that_lean_to_the_famous() -> None:
    one = set(Knowledge(universe(), "small-a", knows=0.5, skew=1, seed=0).everything().items)
    two = set(Knowledge(universe(), "small-b", knows=0.5, skew=1, seed=0).everything().items)
    assert len(one) == len(two) == 600
    assert 360 < len(one & two) < 560  # 300 if they were independent
    famous, obscure = set(range(300)), set(range(900, 1200))
    assert len(one & famous) > 2 * len(one & obscure)


async def test_same_calls_give_same_answers_and_the_next_call_another_one() -> None:
    prompt = ROOT.format(20)
    first, second = SimulatedProvider(SPEC), SimulatedProvider(SPEC)
    answers = [(await ask(first, prompt)).text for _ in range(3)]
    assert answers == [(await ask(second, prompt)).text for _ in range(3)]
    assert len(set(answers)) == 3
    assert (await ask(SimulatedProvider(SPEC, salt=7), prompt)).text not in answers


async def test_answers_are_lists_of_the_size_asked_without_repeats() -> None:
    provider = SimulatedProvider(SPEC)
    for size in (1, 8, 60):
        for _ in range(12):
            items = [plain(item) for item in named((await ask(provider, ROOT.format(size))).text)]
            assert len(items) == len(set(items)) == size


async def test_the_parser_reads_every_shape_of_reply() -> None:
    provider, shapes = SimulatedProvider(SPEC), set()
    for _ in range(80):
        text = (await ask(provider, ROOT.format(12))).text
        items = parse(text).items
        assert [plain(item) for item in items] == [plain(name) for name in named(text)]
        assert len(items) == 12
        shapes.add(text[:1] if not text[:1].isalpha() else "S" if text.startswith("Sure") else "a")
    assert shapes == {"a", "1", "-", "*", "[", "S", "`"}


async def test_famous_items_come_up_more_often_by_far() -> None:
    provider = SimulatedProvider(SPEC)
    counts = [0] * 1200
    for _ in range(60):
        for item in named((await ask(provider, ROOT.format(20))).text):
            counts[universe().numbers[plain(item)]] += 1
    assert sum(counts[:100]) > 6 * sum(counts[600:700]) > 0


async def test_a_closed_topic_is_found_whole_and_not_one_more() -> None:
    provider, found = SimulatedProvider(SPEC), set()
    world = universe(items=100, categories=5)
    for _ in range(60):
        reply = await ask(provider, ROOT.format(40), "closed100?latency=0")
        found |= {line for line in re.findall(r"[^\W\d_][^\n:*\"`,]*", reply.text) if plain(line) in world.numbers}
    assert len({plain(name) for name in found}) == 100


async def test_an_exclusion_list_is_kept_to_mostly() -> None:
    provider = SimulatedProvider(SPEC)
    listed = list(universe().names[:60])
    without = with_list = 0
    for _ in range(25):
        without += sum(name in listed for name in named((await ask(provider, ROOT.format(40))).text))
        prompt = ROOT.format(40) + "\n\nAlready known, do not repeat:\n" + "\n".join(listed) + "\n\nNow list 40 others."
        with_list += sum(name in listed for name in named((await ask(provider, prompt)).text))
    assert 0 < with_list < 0.4 * without


@pytest.mark.parametrize("depth", [0, 1])
async def test_a_partition_is_kept_to_mostly(depth: int) -> None:
    world = universe()
    node = 3 if depth == 0 else world.nodes[3].children[0]
    phrase = world.nodes[node].label + ("" if depth == 0 else f" (within {world.nodes[3].label})")
    provider, inside, outside = SimulatedProvider(SPEC), 0, 0
    for _ in range(20):
        prompt = f"Topic: sights\n\nOnly: {phrase}\n\nList 10 different items of it."
        for name in named((await ask(provider, prompt)).text):
            if world.inside(world.numbers[plain(name)], node):
                inside += 1
            else:
                outside += 1
    assert 0 < outside < 0.25 * inside


async def test_ranges_of_initials_are_kept_to_mostly() -> None:
    provider, hits, total = SimulatedProvider(SPEC), 0, 0
    for _ in range(20):
        prompt = "Topic: sights\n\nOnly: names that begin with D, E or F\n\nList 10 different items of it."
        names = named((await ask(provider, prompt)).text)
        hits += sum(plain(name)[0] in "def" for name in names)
        total += len(names)
    assert total == 200
    assert 0.7 * total < hits < total


async def test_an_empty_slice_gives_at_most_what_leaks() -> None:
    prompt = "Topic: sights\n\nOnly: names that begin with a digit or a sign\n\nList 10 different items of it."
    reply = await ask(SimulatedProvider(SPEC), prompt, "small?latency=0&leak=0")
    assert (reply.text, reply.finish) == ("", "stop")


async def test_splits_give_labels_that_prompts_can_use() -> None:
    provider = SimulatedProvider(SPEC)
    tops = json.loads((await ask(provider, "Topic: sights\n\nName 15-25 disjoint sub-categories of the topic.")).text)
    assert len(tops) == 12
    subs = json.loads(
        (await ask(provider, f'Topic: sights\n\nName 5-8 disjoint sub-categories of the category "{tops[0]}".')).text
    )
    assert 4 <= len(subs) <= 6
    assert all(universe().node_named(label) is not None for label in tops + subs)
    prompt = f"Topic: sights\n\nName 15-25 disjoint sub-categories of the topic.\n\nNot again: {'; '.join(tops[:9])}"
    assert sorted(json.loads((await ask(provider, prompt)).text)) == sorted(tops[9:])
    leaf = f'Topic: sights\n\nName 5-8 disjoint sub-categories of the category "{subs[0]}".'
    assert json.loads((await ask(provider, leaf)).text) == []


async def test_verdicts_are_right_nine_times_in_ten() -> None:
    provider, right, total = SimulatedProvider(SPEC), 0, 0
    for start in range(0, 400, 10):
        items = [*universe().names[start : start + 8], "Nowhere Tower", "Xyzzy"]
        lines = "\n".join(f"{n}. {item}" for n, item in enumerate(items, 1))
        reply = await ask(
            provider, f"Topic: sights\n\nIs each of these real? Reply with its number and yes or no.\n\n{lines}"
        )
        verdicts = [line.split(". ")[1] == "yes" for line in reply.text.split("\n")]
        assert len(verdicts) == 10
        right += sum(verdict is (n < 8) for n, verdict in enumerate(verdicts))
        total += 10
    assert 0.86 * total < right < 0.94 * total


async def test_a_reply_ends_at_max_tokens() -> None:
    reply = await ask(SimulatedProvider(SPEC), ROOT.format(40), max_tokens=30)
    assert (reply.finish, reply.tokens_out) == ("length", 30)
    assert len(reply.text) < 200


async def test_usage_and_price_are_reported() -> None:
    free = await ask(SimulatedProvider(SPEC), ROOT.format(10))
    priced = await ask(SimulatedProvider(SPEC), ROOT.format(10), "small?latency=0&price=2.5")
    assert free.usage_reported
    assert free.cost_usd == 0
    assert priced.cost_usd == pytest.approx(2.5e-6 * (priced.tokens_in + 4 * priced.tokens_out))


async def test_failures_come_at_their_rate_and_in_kinds() -> None:
    provider, errors = SimulatedProvider(SPEC), []
    for _ in range(300):
        try:
            await ask(provider, ROOT.format(1), "small?latency=0&fail=0.3")
        except ProviderError as error:
            errors.append(error)
    assert 60 < len(errors) < 120
    assert {e.kind for e in errors} == {FailureKind.SERVER, FailureKind.RESET, FailureKind.RATE_LIMITED}
    assert {e.kind for e in errors if e.retry_after_s is not None} == {FailureKind.RATE_LIMITED}


async def test_an_answer_that_takes_too_long_is_a_timeout() -> None:
    provider = SimulatedProvider(SPEC)
    with pytest.raises(ProviderError) as caught:
        await provider.ask(Call("small?latency=500", (("user", ROOT.format(5)),), 100, timeout_s=0.001))
    assert caught.value.kind is FailureKind.TIMEOUT


async def test_invented_items_are_of_no_world() -> None:
    provider = SimulatedProvider(SPEC)
    texts = [(await ask(provider, ROOT.format(20), "small?latency=0&junk=0.5")).text for _ in range(10)]
    assert 60 < sum(len(named(text)) for text in texts) < 140


@pytest.mark.parametrize(
    "model",
    [
        "",
        "huge",
        "closed0",
        "closedx",
        "small?nope=1",
        "small?knows=1.2",
        "small?items=0",
        "small?items=x",
        "small?seed=",
    ],
)
async def test_a_model_that_cannot_be_is_refused(model: str) -> None:
    with pytest.raises(ConfigurationError):
        world_of(model)
    with pytest.raises(ProviderError) as caught:
        await ask(SimulatedProvider(SPEC), ROOT.format(1), model)
    assert caught.value.kind is FailureKind.MODEL


def test_options_and_presets() -> None:
    world = world_of("world?items=5000&categories=100&knows=0.6&skew=0.9&latency=0.05&fail=0.02&seed=3")
    assert (world.items, world.categories, world.knows, world.skew) == (5000, 100, 0.6, 0.9)
    assert (world.latency, world.fail, world.seed) == (0.05, 0.02, 3)
    assert world_of("small-anything") == world_of("small")
    assert (world_of("closed100").items, world_of("closed100").knows) == (100, 1.0)


@given(st.text(max_size=300))
def test_any_prompt_is_understood_as_something(prompt: str) -> None:
    reading = read(prompt)
    assert reading.purpose in ("list", "split", "verify")
    assert 0 <= reading.size <= 400


async def test_a_prompt_of_another_kind_still_gets_a_list() -> None:
    provider = SimulatedProvider(SPEC)
    reply = await ask(provider, "Give me 7 fish, please")
    assert reply.finish == "stop"
    assert reply.text
