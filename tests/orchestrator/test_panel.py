"""The live picture of a run: what it says, and how it fits any terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from igentai_orchestrator.panel import LEAST_HEIGHT, LEAST_WIDTH, Panel
from tests.orchestrator.shell.fake_face import World


def numbers(seconds: int = 120, **more: Any) -> dict[str, Any]:
    world = World("birds", "Birds of the world", budget=2.0)
    for _ in range(seconds // 2):
        world.advance(2)
    return world.metrics() | more


def drawn(panel: Panel, width: int = 110, height: int = 30) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(panel)
    return capture.get()


def test_it_says_the_same_as_the_page() -> None:
    document = numbers()
    told = drawn(Panel(document))
    coverage = document["coverage"]
    for words in (
        "Birds of the world",
        "running · 2:00",
        f"{document['unique_attributes']:,}",
        f"at least {coverage['at_least']:,} exist",
        f"estimated {coverage['estimated_total']:,} ({coverage['low']:,} – {coverage['high']:,})",
        f"of $2.00, ${2 - document['cost_usd']:.2f} left",
        "openai:gpt-4o-mini",
        "producers: ",
        " in flight",
    ):
        assert words in told, words
    for key, row in document["providers"].items():
        (line,) = (line for line in told.split("\n") if line.startswith(key))
        assert f"{row['weight']:.0%}" in line
        assert f"{row['unique_attributes']:,}" in line


def test_what_is_simulated_is_labelled_and_what_is_wrong_is_said() -> None:
    document = numbers(simulated=True, alerts=[{"level": "error", "text": "openai: the key is refused"}])
    told = drawn(Panel(document))
    assert "simulated: nothing here is real" in told
    assert "! openai: the key is refused" in told
    assert "the daemon does not answer" in drawn(Panel(document, "the daemon does not answer"))


@pytest.mark.parametrize(("width", "height"), [(LEAST_WIDTH - 1, 40), (200, LEAST_HEIGHT - 1), (20, 3), (1, 1)])
def test_a_small_terminal_gets_one_line(width: int, height: int) -> None:
    told = drawn(Panel(numbers()), width, height)
    assert "\n" not in told.rstrip("\n")
    assert len(told.rstrip("\n")) <= width


def test_of_a_model_that_invents_it_is_not_said_how_much_there_is() -> None:
    told = drawn(Panel(numbers(embedded=True)))
    assert "made up" in told
    assert "exist" not in told


@settings(max_examples=40, deadline=None)
@example(width=LEAST_WIDTH, height=LEAST_HEIGHT, models=3)
@given(width=st.integers(1, 200), height=st.integers(1, 60), models=st.integers(0, 40))
def test_it_never_runs_out_of_the_terminal(width: int, height: int, models: int) -> None:
    document = numbers(10)
    row = next(iter(document["providers"].values()))
    keys = [f"simulated:world?items=6000&categories=60&latency=1.5&seed={n}" for n in range(models)]
    document["providers"] = {key: row | {"state": "out", "detail": "x" * 300} for key in keys}
    document["alerts"] = [{"level": "warning", "text": "y" * 300}] * 9
    lines = drawn(Panel(document), width, height).split("\n")
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= height + 1


def test_models_that_do_not_fit_are_counted() -> None:
    document = numbers(10)
    row = next(iter(document["providers"].values()))
    document["providers"] = {f"p:m{n}": row for n in range(30)}
    told = drawn(Panel(document), 100, 24)
    shown = sum(line.startswith("p:m") for line in told.split("\n"))
    assert f"and {30 - shown} more" in told


@pytest.mark.parametrize("document", [{}, {"topic": None}, {"topic": "x", "unique_attributes": 3}])
def test_a_document_with_holes_is_drawn(document: dict[str, Any]) -> None:
    assert "producers" in drawn(Panel(document))


def test_a_terminal_is_told_to_do_nothing() -> None:
    hostile = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202eevil\x07[bold red]not markup[/]"
    document = numbers(10, topic=hostile, alerts=[{"level": "error", "text": hostile}])
    row = next(iter(document["providers"].values()))
    document["providers"] = {hostile: row | {"detail": hostile, "state": "out"}}
    told = drawn(Panel(document, ""))
    assert "[bold red]not markup[/]" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)
