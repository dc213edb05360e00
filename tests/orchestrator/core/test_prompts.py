"""What the words of a request say, and that they cost what was allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.providers.simulated_reading import read
from igentai.tokens import estimate
from igentai_orchestrator.core.prompts import (
    Messages,
    Style,
    listing,
    max_tokens_for,
    prompt_hash,
    splitting,
    style_of,
    verifying,
    within,
)

names = st.lists(st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=30), max_size=40)


def user(messages: Messages) -> str:
    return "\n\n".join(content for role, content in messages if role == "user")


@pytest.mark.parametrize(
    ("model", "style"),
    [
        ("embedded:smollm2-135m", Style.small),
        ("ollama:tinyllama", Style.small),
        ("ollama:gemma3:270m", Style.small),
        ("ollama:qwen2.5:0.5b", Style.small),
        ("openai:gpt-4o-mini", Style.full),
        ("simulated:small", Style.full),
        ("ollama:llama3.1:8b", Style.full),
        ("ollama:phi3:10.5b", Style.full),
        ("gemini:gemini-2.0-flash", Style.full),
        ("lab:model-1024m", Style.full),
    ],
)
def test_only_models_below_a_billion_parameters_get_the_small_style(model: str, style: Style) -> None:
    assert style_of(model) is style


def test_a_reader_of_the_full_prompt_finds_everything_in_it() -> None:
    """The simulated models' reader was written apart from the prompts; what it finds a language model can find."""
    reading = read(
        user(
            listing(
                "Paris  attractions\n",
                size=35,
                partition="museums",
                known=["Louvre", "Musée d'Orsay", "Musée 12"],
                prompt="Only those open on Mondays.",
            )
        )
    )
    assert (reading.purpose, reading.topic, reading.size) == ("list", "Paris attractions", 35)
    assert reading.scope == "museums"
    assert reading.known == ("Louvre", "Musée d'Orsay", "Musée 12")


def test_own_instructions_are_included_word_for_word() -> None:
    own = "Only those open on Mondays.\nIn French."
    for style in Style:
        assert own in user(listing("museums", size=5, prompt=f"  {own}\n", style=style))


@pytest.mark.parametrize("style", list(Style))
def test_what_is_not_said_leaves_no_trace(style: Style) -> None:
    plain = listing("museums", size=5, style=style)
    assert plain == listing("museums", size=5, prompt="  ", partition=None, known=(), style=style)
    assert "None" not in repr(plain)


@pytest.mark.parametrize("style", list(Style))
def test_requests_that_differ_in_nothing_else_differ_by_their_variant(style: Style) -> None:
    hashes = {prompt_hash(listing("museums", size=5, style=style, variant=n)) for n in range(5)}
    assert len(hashes) == 5


@given(names)
def test_everything_before_the_known_items_is_the_same_so_that_it_can_be_cached(known: list[str]) -> None:
    with_known = user(listing("museums", size=5, known=known))
    without = user(listing("museums", size=5))
    assert with_known.startswith(without)
    assert all(name in with_known for name in known)


def test_a_split_names_the_category_its_items_and_what_must_not_come_back() -> None:
    reading = read(user(splitting("sights", "old bridges", ["Pont Neuf", "Ponte Vecchio"], ["museums", "parks"])))
    assert (reading.purpose, reading.topic, reading.whole) == ("split", "sights", False)
    assert "old bridges" in reading.scope
    assert reading.avoid == ("museums", "parks")


def test_a_split_of_the_topic_asks_for_more_and_says_so() -> None:
    whole, part = user(splitting("sights", None)), user(splitting("sights", "bridges"))
    assert read(whole).whole
    assert "15-25" in whole
    assert "5-8" in part


def test_a_split_shows_a_few_items_only() -> None:
    shown = user(splitting("sights", "bridges", [f"bridge {n}." for n in range(30)]))
    assert "bridge 7." in shown
    assert "bridge 8." not in shown


def test_verification_numbers_the_items_from_one() -> None:
    reading = read(user(verifying("sights", ["Pont Neuf", "C++", "Nowhere 3"])))
    assert reading.purpose == "verify"
    assert reading.items == ((1, "Pont Neuf"), (2, "C++"), (3, "Nowhere 3"))


@given(names, st.integers(0, 200))
def test_within_keeps_the_longest_beginning_that_fits(known: list[str], tokens: int) -> None:
    kept = within(known, tokens)
    assert list(kept) == known[: len(kept)]
    cost = [estimate(name) + 1 for name in known]
    assert sum(cost[: len(kept)]) <= tokens
    assert len(kept) == len(known) or sum(cost[: len(kept) + 1]) > tokens


def test_room_grows_with_the_size_and_holds_long_names() -> None:
    long_names = "\n".join(["Basilica of Saint Mary of the Angels"] * 12)
    assert estimate(long_names) <= max_tokens_for(12)
    assert max_tokens_for(10) < max_tokens_for(20)


def test_a_small_model_is_stopped_early_whatever_is_asked() -> None:
    assert max_tokens_for(10, Style.small) == max_tokens_for(60, Style.small) < max_tokens_for(10, Style.full)


@pytest.mark.parametrize("variant", range(13))
def test_a_small_model_is_shown_a_list_and_the_beginning_of_its_own(variant: int) -> None:
    messages = listing("museums", size=5, partition="in Rome", known=["Louvre"], style=Style.small, variant=variant)
    assert [role for role, _ in messages] == ["user", "assistant", "user", "assistant"]
    shown, begun = messages[1][1], messages[3][1]
    assert len(set(shown.split("\n* ")[1:])) == 10
    assert begun == "Examples of museums (in Rome):\n\n*"
    assert "Louvre" not in repr(messages)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_hash_tells_messages_apart(one: str, two: str) -> None:
    first, second = listing(one, size=5), listing(two, size=5)
    assert (prompt_hash(first) == prompt_hash(second)) is (first == second)
    assert len(prompt_hash(first)) == 16
    assert int(prompt_hash(first), 16) >= 0


def test_a_hash_tells_role_and_content_apart() -> None:
    assert prompt_hash((("user", "a"), ("user", "b"))) != prompt_hash((("user", 'a"],["user","b'),))
