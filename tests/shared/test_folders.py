"""Folder names: readable, distinct, inside the outputs folder whatever the topic says."""

from __future__ import annotations

import unicodedata
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.errors import TopicError
from igentai.folders import FOLDER_BYTES, distinct, folder_name


@pytest.mark.parametrize(
    ("topic", "folder"),
    [
        ("Best Sci-Fi Movies (2020s)", "best_sci_fi_movies_2020s"),
        ("Paris attractions", "paris_attractions"),
        ("Programming Languages!", "programming_languages"),
        ("Machine Learning", "machine_learning"),
        ("../../etc/passwd", "etc_passwd"),
        ("C++", "c"),
        ("日本の 都市", "日本の_都市"),
        ("हिन्दी फिल्में", "हिन्दी_फिल्में"),
        ("Cafe\u0301s de Paris", "cafés_de_paris"),
        ("İstanbul", "istanbul"),
        ("می‌خواهم", "میخواهم"),
        ("a\x00b\x1bc", "a_b_c"),
        ("__x__", "x"),
    ],
)
def test_a_topic_names_its_folder(topic: str, folder: str) -> None:
    assert folder_name(topic) == unicodedata.normalize("NFC", folder)


@pytest.mark.parametrize("topic", ["!!!", "", " ", "...", "🎉", "\u0301", "\ud800", "///"])
def test_a_topic_without_letters_is_refused_with_a_way_out(topic: str) -> None:
    with pytest.raises(TopicError, match="say it in words"):
        folder_name(topic)


@pytest.mark.parametrize(
    "topic", ["con", "NUL", "Aux!", "COM1", "lost+found", "spool", "global_state.json", "global state"]
)
def test_reserved_names_are_never_given(topic: str) -> None:
    assert folder_name(topic) not in {
        "con",
        "nul",
        "aux",
        "com1",
        "lost_found",
        "spool",
        "global_state_json",
        "global_state",
    }


def test_two_topics_of_one_name_get_two_folders_and_keep_them() -> None:
    taken: dict[str, str] = {}
    for topic in ["C", "C++", "C#", "c"]:
        taken[distinct(topic, taken)] = topic
    assert len(taken) == 4
    assert distinct("C", taken) == "c"
    for folder, topic in taken.items():
        assert distinct(f"  {topic} ", taken) == folder


def test_a_topic_gets_its_suffixed_folder_back_after_the_plain_one_is_gone() -> None:
    suffixed = distinct("C++", {"c": "C"})
    assert suffixed.startswith("c_")
    assert distinct("C++", {suffixed: "C++"}) == suffixed


def test_a_foreign_topic_on_the_suffixed_name_is_avoided() -> None:
    suffixed = distinct("C++", {"c": "C"})
    again = distinct("C++", {"c": "C", suffixed: "something else"})
    assert again not in {"c", suffixed}


@given(st.text(st.characters(exclude_categories=[]), max_size=150))
def test_a_folder_name_is_one_harmless_path_component(topic: str) -> None:
    try:
        name = folder_name(topic)
    except TopicError:
        assert not any(char.isalnum() for char in unicodedata.normalize("NFC", topic).lower())
        return
    assert 0 < len(name.encode()) <= FOLDER_BYTES
    assert unicodedata.is_normalized("NFC", name)
    assert all(char == "_" or char.isalnum() or unicodedata.category(char)[0] == "M" for char in name)
    assert not name.startswith("_")
    assert not name.endswith("_")


def test_five_thousand_hostile_topics_stay_apart() -> None:
    random = Random(7)
    parts = [
        "..",
        "/",
        "\\",
        "\x00",
        "C",
        "c",
        "+",
        "#",
        " ",
        "con",
        "nul",
        "é",
        "e\u0301",
        "日本",
        "ि",
        "\u202e",
        "a" * 120,
        "🎉",
        "~",
        "$HOME",
    ]
    topics = {
        unicodedata.normalize("NFC", "".join(random.choices(parts, k=random.randint(1, 8)))).strip()
        for _ in range(9000)
    }
    taken: dict[str, str] = {}
    for topic in sorted(topics)[:5000]:
        try:
            name = distinct(topic, taken)
        except TopicError:
            continue
        assert name not in taken
        assert len(name.encode()) <= FOLDER_BYTES
        assert not set(name) & set("/\\.\x00:~$ ")
        taken[name] = topic
    assert len(taken) > 3000
    assert all(distinct(topic, taken) == folder for folder, topic in taken.items())
