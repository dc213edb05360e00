"""A key taken apart: its words, the article before them, the parenthesis behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_PARENTHESIS: Final = re.compile(r"(.*\S)\s*\(([^()]+)\)")
_ENGLISH: Final = frozenset(["the", "a", "an"])
_FRENCH: Final = frozenset(["le", "la", "les"])
_FRENCH_NOUN: Final = 5  # letters a word must have for la, le, les before it to be an article: not La Paz
_EDGES: Final = ".,;:!?'\""
_INNER: Final = re.compile(r"(?<=[^\W\d])[.'](?=[^\W\d])")
_DOTTED: Final = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?")

_SWAPPED: Final = 8  # shortest word in which two letters may have changed places: not trial and trail
_REAL_PAIRS: Final = frozenset(
    [("complaint", "compliant"), ("discreet", "discrete"), ("complaints", "compliants"), ("causality", "casuality")]
)
_UNCOUNTED: Final = frozenset(
    ["news", "series", "species", "mathematics", "physics", "politics", "economics", "athletics"]
)
_IRREGULAR: Final = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "oxen": "ox",
    "fungi": "fungus",
    "cacti": "cactus",
    "wolves": "wolf",
    "knives": "knife",
    "leaves": "leaf",
    "lives": "life",
    "wives": "wife",
    "shelves": "shelf",
    "halves": "half",
    "calves": "calf",
    "thieves": "thief",
    "loaves": "loaf",
    "elves": "elf",
    "scarves": "scarf",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """`words` without article, parenthesis and punctuation, single letters in a row as one word.

    `aside` is what the parenthesis says, `inverted` the words with the part behind a single comma first (() without
    one), `is_spelled` whether an acronym was written letter by letter.
    """

    words: tuple[str, ...]
    article: str = ""
    aside: str = ""
    inverted: tuple[str, ...] = ()
    is_spelled: bool = False


@lru_cache(maxsize=4096)
def wording(key: str) -> Wording:
    """`key` (of `igentai.text.key`) taken apart."""
    words = key.split(" ")
    if (
        words[0] not in _ENGLISH
        and words[0] not in _FRENCH
        and key.replace(" ", "").isalnum()
        and min(map(len, words)) > 1
    ):
        return Wording(tuple(words))
    return _taken_apart(key)


def _taken_apart(key: str) -> Wording:
    aside = ""
    if key.endswith(")") and (match := _PARENTHESIS.fullmatch(key)):
        key, aside = match[1], match[2].strip()
    key, article = _without_article(key)
    raw = key.split()
    words, spelled = _joined(raw)
    inverted: tuple[str, ...] = ()
    if key.count(",") == 1:
        before, _, after = key.partition(",")
        if before.strip() and after.strip():
            inverted = _joined(after.split())[0] + _joined(before.split())[0]
    return Wording(words, article, aside, inverted, spelled)


def _without_article(key: str) -> tuple[str, str]:
    before, comma, last = key.rpartition(", ")
    if comma and last in _ENGLISH:
        return before, f", {last}"
    first, space, rest = key.partition(" ")
    if space:
        if first == "the" or (first in _ENGLISH and " " in rest):
            return rest, first
        if first in _FRENCH and len(rest.partition(" ")[0]) >= _FRENCH_NOUN:
            return rest, first
    if key.startswith("l'") and len(key) >= _FRENCH_NOUN + 2:
        return key[2:], "l'"
    return key, ""


def _joined(raw: list[str]) -> tuple[tuple[str, ...], bool]:
    """The words, and whether single letters had to be put together (`j. r. r. tolkien`, `u.s.a`)."""
    words: list[str] = []
    spelled = letters = False
    for word in raw:
        bare = _bare(word)
        if not bare:
            continue
        is_letter = len(bare) == 1 and bare.isalpha()
        if is_letter and letters:
            words[-1] += bare
            spelled = True
        else:
            words.append("and" if bare == "&" else bare)
        letters = is_letter
        spelled = spelled or (len(word) > 2 and _DOTTED.fullmatch(word) is not None)
    return tuple(words), spelled


def _bare(word: str) -> str:
    """`word` without punctuation; the dot of `.net` and of `3.5` stays, as do + # / % and their like."""
    bare = word.rstrip(_EDGES)
    opening = bare.lstrip(_EDGES)
    if bare.startswith(".") and len(opening) == len(bare) - 1 and opening[:1].isalnum():
        opening = bare
    if word.endswith(('"', "'")) and opening[-1:].isdigit():
        opening += word[-1]  # inches, feet
    return _INNER.sub("", opening) if not opening.isalnum() else opening


def singular(word: str) -> str:
    """The singular of an English noun, by its ending; the word itself where the ending says nothing."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or word[-1] != "s" or not (word.isascii() and word.isalpha()) or word in _UNCOUNTED:
        return word
    if word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "zes", "ches", "shes", "oes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=1 << 15)  # names are made of few words
def reduced(word: str) -> str:
    """What a word, its plural and its slips of the finger have in common."""
    base = singular(word)
    if len(base) >= _SWAPPED - 1 and base.isascii() and base.isalpha():
        return base[0] + "".join(sorted(base[1:].replace("s", "")))  # an s may be the plural's, and swapped
    return base


def is_swap(one: str, two: str) -> bool:
    """Whether two long words differ by two neighbouring letters that changed places, the first letter aside."""
    if len(one) != len(two) or len(one) < _SWAPPED or not (one + two).isalpha() or one[0] != two[0]:
        return False
    if (min(one, two), max(one, two)) in _REAL_PAIRS:
        return False
    unlike = [place for place, (x, y) in enumerate(zip(one, two, strict=True)) if x != y]
    if len(unlike) != 2 or unlike[1] != unlike[0] + 1:
        return False
    first, second = unlike
    return one[first] == two[second] and one[second] == two[first]
