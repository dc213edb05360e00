"""From what was said to a topic that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from igentai.errors import ConfigurationError, TopicError
from igentai.prices import Price, PriceTable
from igentai_orchestrator.choice import Choice
from igentai_orchestrator.commission import (
    Commission,
    check_prices,
    checked_topic,
    mode_of,
    read_categories,
    spec_of,
)
from igentai_orchestrator.core.topic import ModelChoice, PartitionMode

MODELS = (ModelChoice("openai", "m"),)


@pytest.mark.parametrize(
    ("said", "existing", "mode"),
    [
        ({}, None, "new"),
        ({"overwrite": True}, "f", "overwrite"),
        ({"resume": True}, "f", "resume"),
        ({"resume": True}, None, "new"),
    ],
)
def test_what_becomes_of_a_topic(said: dict[str, bool], existing: str | None, mode: str) -> None:
    assert mode_of(Commission("t", **said), existing) == mode  # type: ignore[arg-type]  # flags by name


def test_a_topic_that_is_there_needs_one_word_and_only_one() -> None:
    with pytest.raises(TopicError, match=r"--resume .* or --overwrite"):
        mode_of(Commission("t"), "t")
    with pytest.raises(TopicError, match="contradict"):
        mode_of(Commission("t", overwrite=True, resume=True), "t")


def test_topics_are_one_line_of_sensible_length() -> None:
    assert checked_topic("  dog \n breeds ") == "dog breeds"
    with pytest.raises(TopicError, match="empty"):
        checked_topic(" \n")
    with pytest.raises(TopicError, match="--prompt"):
        checked_topic("x" * 501)


def test_a_budget_wants_every_price() -> None:
    prices = PriceTable({"openai:m": Price(1.0, 2.0)})
    check_prices(MODELS, 1.0, prices)
    check_prices((ModelChoice("openai", "unheard-of-model"),), None, prices)
    with pytest.raises(ConfigurationError, match=r'\[prices."openai:unheard-of-model"\]'):
        check_prices((ModelChoice("openai", "unheard-of-model"),), 1.0, prices)


def test_own_categories_are_read_once_each(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("museums\n\nparks\nmuseums\n")
    assert read_categories(path) == ("museums", "parks")
    path.write_text("museums\n")
    with pytest.raises(ConfigurationError, match="at least two"):
        read_categories(path)
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_categories(path)


def test_every_flag_arrives() -> None:
    asked = Commission(
        "t", producers=3, concurrency=5, request_size=7, prompt="p", temperature=0.5, max_attributes=1, max_requests=2,
        budget=3.0, max_minutes=4.0, until_coverage=0.5, min_yield=0.1, saturation=False, optimise="speed",
        policy="fixed", partition="alphabetical", verify=True, near_duplicates="keep", seed=9,
    )  # fmt: skip
    spec = spec_of(asked, Choice(MODELS, ""), "folder", 8)
    assert (spec.producers, spec.concurrency, spec.request_size, spec.prompt) == (3, 5, 7, "p")
    assert (spec.optimise, spec.policy, spec.partition, spec.verify) == ("speed", "fixed", "alphabetical", True)
    limits = spec.limits
    assert (limits.max_attributes, limits.max_requests, limits.budget_usd, limits.max_minutes) == (1, 2, 3.0, 4.0)
    assert (limits.until_coverage, limits.min_yield, limits.saturation) == (0.5, 0.1, False)
    assert (spec.temperature, spec.near_duplicates, spec.seed, spec.folder) == (0.5, "keep", 9, "folder")


@pytest.mark.parametrize(
    ("models", "said", "partition"),
    [
        ((ModelChoice("embedded", "smollm2-135m"),), "auto", "none"),
        ((ModelChoice("embedded", "smollm2-135m"),), "alphabetical", "alphabetical"),
        ((ModelChoice("embedded", "smollm2-135m"), *MODELS), "auto", "auto"),
    ],
)
def test_models_too_small_to_name_categories_are_asked_about_the_whole(
    models: tuple[ModelChoice, ...], said: PartitionMode, partition: str
) -> None:
    assert spec_of(Commission("t", partition=said), Choice(models, ""), "f", 1).partition == partition
