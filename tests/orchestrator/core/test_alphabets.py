"""Ranges of initials in the script of the topic."""

from __future__ import annotations

import pytest

from igentai_orchestrator.core.alphabets import ranges, script


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("Paris attractions", "LATIN"),
        ("Достопримечательности", "CYRILLIC"),
        ("αξιοθέατα", "GREEK"),
        ("観光地のリスト", "KANA"),
        ("巴黎景点", "CJK"),
        ("파리의 명소", "HANGUL"),
        ("معالم باريس", "ARABIC"),
        ("2020", "LATIN"),
    ],
)
def test_the_script_of_a_topic(topic: str, name: str) -> None:
    assert script(topic) == name


def test_latin_ranges_hold_every_letter_once() -> None:
    phrases = [r.phrase.removeprefix("names that begin with ") for r in ranges("Paris")]
    letters = "".join(p for p in phrases if "digit" not in p).replace(" or ", "").replace(", ", "")
    assert sorted(letters) == [chr(65 + i) for i in range(26)]


def test_russian_ranges_hold_every_letter_a_name_begins_with() -> None:
    joined = " ".join(r.phrase for r in ranges("Фильмы"))
    assert all(c in joined for c in "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭЮЯ")


@pytest.mark.parametrize(
    "topic", ["Paris", "Фильмы", "ταινίες", "映画です", "电影", "영화", "أفلام", "סרטים", "फ़िल्में", "ფილმები"]
)
def test_labels_are_distinct_and_fit_an_id(topic: str) -> None:
    found = ranges(topic)
    assert len({r.label for r in found}) == len(found) >= 8
    assert not any("/" in r.label or not r.phrase for r in found)


def test_a_phrase_reads_as_a_sentence_part() -> None:
    assert ranges("Paris")[0].phrase == "names that begin with A or B"
    assert ranges("Paris")[1].phrase == "names that begin with C"
    assert ranges("Paris")[2].phrase == "names that begin with D, E or F"
