"""What a snapshot is made of: bounded, encoded once, remade only when old."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.shell.web.sections import (
    MAX_PARTITIONS,
    QUICK_S,
    SLOW_S,
    Sections,
    newest,
    numbers,
    prune,
    thin,
)
from tests.orchestrator.shell.fake_face import FakeFace, World


@given(st.lists(st.integers(), max_size=3000), st.integers(2, 500))
def test_a_thinned_series_keeps_its_ends_and_its_order(series: list[int], most: int) -> None:
    points = list(enumerate(series))
    kept = thin(points, most)
    assert len(kept) <= most or len(kept) == len(points)
    assert kept == sorted(set(kept))
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])


@given(st.lists(st.tuples(st.integers(0, 999), st.none() | st.integers(0, 99)), max_size=80), st.integers(1, 40))
def test_a_pruned_tree_is_a_tree(drawn: list[tuple[int, int | None]], most: int) -> None:
    # The parent is one of those before it, or none.
    parents = [pick % (i + 1) for i, (pick, _) in enumerate(drawn)]
    rows: list[dict[str, Any]] = [
        {"id": i, "parent": parent if parent < i else None, "left": left}
        for i, (parent, (_, left)) in enumerate(zip(parents, drawn, strict=True))
    ]
    pruned = prune(rows, most)
    kept = {row["id"] for row in pruned["rows"]}
    assert len(kept) <= most
    assert len(kept) + pruned["omitted"] == len(rows)
    assert all(row["parent"] is None or row["parent"] in kept for row in pruned["rows"])


def test_parents_in_a_circle_end() -> None:
    rows = [{"id": i, "parent": (i + 1) % 3, "left": 1} for i in range(3)]
    assert prune(rows, 2)["rows"] == []


def test_running_and_waiting_topics_are_never_left_out() -> None:
    rows = [{"id": i, "status": "finished", "updated": f"2026-01-{i + 1:02}"} for i in range(28)]
    rows.append({"id": "now", "status": "running"})
    assert [row["id"] for row in newest(rows, 3)] == ["now", 27, 26]


def test_numbers_leave_out_what_has_a_section_of_its_own() -> None:
    world = World("birds", "Birds")
    small = numbers(world.metrics())
    assert not {"series", "partitions", "windows"} & set(small)
    assert numbers({}) == {"producers": [], "alerts": [], "providers": {}}


def test_a_section_is_made_once_for_all_until_it_is_old() -> None:
    face = FakeFace()
    face.add(World("birds", "Birds"))
    asked: list[str] = []
    metrics = face.metrics

    def counting(topic_id: str) -> dict[str, Any] | None:
        asked.append(topic_id)
        return metrics(topic_id)

    face.metrics = counting  # type: ignore[method-assign]  # counts
    sections = Sections(face, insecure=False)
    first = sections.of_topic("birds", 0.0)
    assert sections.of_topic("birds", QUICK_S / 2) == first
    assert asked == ["birds"]
    later = sections.of_topic("birds", QUICK_S)
    assert later["series"] is first["series"]
    assert later["numbers"] is not first["numbers"]
    assert sections.of_topic("birds", SLOW_S)["series"] is not first["series"]


def test_the_list_of_topics_is_made_anew_when_another_one_runs_or_waits() -> None:
    face = FakeFace()
    face.add(World("birds", "Birds"))
    sections = Sections(face, insecure=False)
    first = sections.topics(0.0)
    assert sections.topics(SLOW_S / 2) is first
    face.add(World("cheeses", "Cheeses", status="queued"))
    face.queue.append("cheeses")
    second = sections.topics(SLOW_S / 2)
    assert b"Cheeses" in second.body
    assert sections.topics(SLOW_S / 2) is second


def test_the_pace_of_now_is_told_where_it_is_known() -> None:
    world = World("birds", "Birds")
    window = {"seconds": 300.0, "unique_per_minute": 12.5, "candidates": 900}
    small = numbers(world.metrics() | {"windows": {"5m": window, "run": {}}})
    assert small["recent"] == {"seconds": 300.0, "unique_per_minute": 12.5}


def test_many_watched_topics_are_not_all_kept() -> None:
    face = FakeFace()
    sections = Sections(face, insecure=False)
    for i in range(500):
        found = sections.of_topic(f"topic {i}", float(i))
        assert set(found) == {"numbers", "series", "partitions"}
    assert len(sections._made) <= 80


def test_an_open_line_is_said_on_the_page_and_the_daemons_document_left_alone() -> None:
    face = FakeFace()
    document = face.status()
    face.status = lambda: document  # type: ignore[method-assign]  # the same object each time
    sections = Sections(face, insecure=True)
    for now in (0.0, 1.0):
        assert sections.status(now).body.count(b"without TLS") == 1
    assert document["alerts"] == []


def test_the_largest_snapshot_stays_within_the_buffer_of_a_page() -> None:
    face = FakeFace()
    world = face.add(World("birds", "Birds"))
    full = world.metrics()
    full["series"] = [[i * 1.5, i * 7, i, i * 0.001] for i in range(100_000)]
    full["partitions"] = [
        {**world.partition("x", "A partition with a name of some length", "root", 1, "leaf", 1), "id": f"p{i}"}
        for i in range(5000)
    ]
    full["providers"] = {f"provider:model-{i}": full["providers"]["openai:gpt-4o-mini"] for i in range(300)}
    full["producers"] = full["producers"] * 100
    face.metrics = lambda topic_id: full  # type: ignore[method-assign]  # the largest that can be
    found = Sections(face, insecure=False).of_topic("birds", 0.0)
    assert sum(len(section.body) for section in found.values()) < 192 * 1024
    assert MAX_PARTITIONS <= 300
