"""The numbers for Prometheus: readable by its own parser, named as it wants, equal to the daemon's."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from igentai_orchestrator.shell.web.prometheus import exposition
from tests.orchestrator.shell.fake_face import FakeFace, World

BASE_UNITS = ("_seconds", "_bytes", "_dollars", "_ratio")


def samples(face: FakeFace) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = exposition(face).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def running() -> FakeFace:
    face = FakeFace()
    world = face.add(World("birds", "Birds", budget=2.0))
    for _ in range(30):
        world.advance(2)
    return face


def test_numbers_are_those_of_the_running_topic() -> None:
    face = running()
    world = face.worlds["birds"]
    found = samples(face)
    assert found["igentai_attributes_unique_total", (("topic", "birds"),)] == world.unique
    assert found["igentai_budget_dollars", (("topic", "birds"),)] == 2.0
    model = world.models["openai:gpt-4o-mini"]
    labels = (("model", model.key), ("outcome", "failed"), ("topic", "birds"))
    assert found["igentai_requests_total", labels] == model.failed


def test_a_daemon_at_rest_has_only_numbers_of_its_own() -> None:
    face = FakeFace()
    face.trouble = "no space left"
    found = samples(face)
    assert found["igentai_storage_healthy", ()] == 0
    assert not [name for name, labels in found if "topic" in dict(labels)]


def test_documents_with_holes_are_read() -> None:
    face = running()
    for hole in ("coverage", "tokens", "providers", "producers", "budget_usd", "candidates"):
        full = face.worlds["birds"].metrics()
        full[hole] = None
        face.metrics = lambda topic_id, full=full: full  # type: ignore[method-assign,misc]  # one document, with a hole
        assert samples(face)
    face.metrics = lambda topic_id: {}  # type: ignore[method-assign]  # nothing known so far
    assert samples(face)


def test_names_follow_the_conventions() -> None:
    for family in text_string_to_metric_families(exposition(running()).decode()):
        assert re.fullmatch(r"igentai_[a-z][a-z0-9_]*", family.name)
        assert family.documentation.endswith(".")
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total")
            for unit in ("_ms", "_mb", "_minutes", "_usd", "_percent"):
                assert not family.name.endswith(unit)


def test_labels_hold_whatever_a_topic_is_called() -> None:
    face = FakeFace()
    face.add(World('a"b\\c\nd', "x"))
    name = 'a"b\\c\nd'
    assert ("igentai_attributes_unique_total", (("topic", name),)) in samples(face)
