"""Ranges of initial letters, in the script of the topic.

The last resort of partitioning: models keep to an initial only loosely, but every topic has initials.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Final, NamedTuple


class Range(NamedTuple):
    """`label` is short enough for an id ("a–c"); `phrase` is what a prompt says."""

    label: str
    phrase: str


# About eight ranges a script: fewer leave too much in each, more cost a request each before anything is learned.
# Letters that begin many names (s, c, m in English) share a range with fewer others.
_LETTERS: Final[dict[str, tuple[str, ...]]] = {
    "LATIN": ("ab", "c", "def", "ghi", "jkl", "mn", "opqr", "s", "tuv", "wxyz"),
    "CYRILLIC": ("аб", "вг", "дежз", "ик", "лм", "но", "пр", "ст", "уфхцчшщэюя"),
    "GREEK": ("αβ", "γδε", "ζηθι", "κ", "λμ", "νξο", "πρ", "σ", "τυφχψω"),
    "HEBREW": ("אב", "גדה", "וזחט", "יכל", "מנ", "סעפצ", "קר", "שת"),
    "ARABIC": ("ا", "بتث", "جحخ", "دذرز", "سشصض", "طظعغ", "فقك", "لمن", "هوي"),
    "DEVANAGARI": ("अआ", "इईउऊएऐओऔ", "कखग", "घचछज", "टडतदध", "नपफ", "बभम", "यरल", "वशसह"),
    "HANGUL": ("가", "나다", "라마", "바", "사", "아", "자차", "카타파하"),
}
_KANA: Final = ("あ", "か", "さ", "た", "な", "は", "ま", "や", "ら")
_PINYIN: Final = ("ab", "cd", "efg", "hj", "kl", "mnop", "qr", "st", "wx", "yz")
_OTHER: Final = Range("0–9", "names that begin with a digit or a sign")


def script(text: str) -> str:
    """The script most letters of `text` are written in, by its Unicode name ("LATIN" where there are none)."""
    found = Counter(unicodedata.name(c, "").split(" ")[0] for c in text if c.isalpha())
    if found["HIRAGANA"] or found["KATAKANA"]:  # kanji among kana is Japanese
        return "KANA"
    return found.most_common(1)[0][0] if found else "LATIN"


def ranges(topic: str) -> tuple[Range, ...]:
    """The ranges for a topic, all initials covered once. Scripts without a table here use the Latin one."""
    name = script(topic)
    if name == "KANA":
        rows = (Range(f"{c}行", f"names whose reading begins with a sound of the {c} row (五十音)") for c in _KANA)
        return (*rows, _OTHER)
    if name == "CJK":
        return (*(Range(_label(g), f"names whose pinyin begins with {_spoken(g)}") for g in _PINYIN), _OTHER)
    groups = _LETTERS.get(name, _LETTERS["LATIN"])
    return (*(Range(_label(g), f"names that begin with {_spoken(g)}") for g in groups), _OTHER)


def _label(letters: str) -> str:
    return letters if len(letters) == 1 else f"{letters[0]}–{letters[-1]}"


def _spoken(letters: str) -> str:
    """ "A", "A or B", "A, B or C"."""
    upper = [c.upper() for c in letters]
    return upper[0] if len(upper) == 1 else f"{', '.join(upper[:-1])} or {upper[-1]}"
