"""How a run of words reads: as a title, as a description, as a sentence."""

from __future__ import annotations

import re
from typing import Final

# Words that stay small in titles, in the languages that write titles with capitals.
_SMALL: Final = frozenset(
    [
        *["a", "an", "the", "of", "and", "or", "in", "on", "at", "to", "for", "from", "by", "with", "vs", "as", "is"],
        *["de", "la", "le", "les", "du", "des", "et", "el", "los", "las", "y", "del", "da", "do", "di", "e", "il"],
        *["von", "der", "die", "das", "und", "zu", "im", "am", "van", "den", "het", "en", "into", "over", "upon"],
    ]
)
_STOPS: Final = (".", "!", "?", "。", "！", "？", "।", "؟", '."', ".”", ".)", "…")
_TRAILING: Final = re.compile("[*_\\s\u2600-\u27bf\ufe0f\u200d\U0001f000-\U0001faff]{1,40}$")
_EDGES: Final = "\"'“”‘’«»()[]*_`,.;:!?…"

SENTENCE_WORDS: Final = 8  # more words than this and a full stop behind them is a sentence
SENTENCE_CHARACTERS: Final = 16  # the same for scripts without spaces


def is_caseless(text: str) -> bool:
    """Whether no letter has a case: Chinese, Arabic, Hindi, Thai."""
    return text.lower() == text.upper()


def is_unspaced(text: str) -> bool:
    """Whether the text is mostly of a script that puts no space between words (CJK, kana, Thai)."""
    wide = sum(1 for char in text if "\u2e80" <= char <= "\u9fff" or "\u0e00" <= char <= "\u0e7f" or char >= "\uf900")
    return wide * 2 > len(text)


def ends_as_sentence(text: str) -> bool:
    """Whether the text closes with a full stop or its like, emoji and emphasis aside."""
    return _TRAILING.sub("", text[-40:]).endswith(_STOPS)


def capitals(text: str) -> float:
    """The share of the words that count which begin with a capital or a digit: 1.0 for a title."""
    words = [word.strip(_EDGES) for word in text.split()]
    words = [word for word in words if word and word not in _SMALL and (word[0].isalnum())]
    if not words:
        return 1.0
    return sum(1 for word in words if not word[0].islower()) / len(words)


def is_description(tail: str) -> bool:
    """Whether what stands behind a name explains it; `The Fellowship of the Ring` does not, `a city in France` does."""
    words = tail.split()
    if not words:
        return False
    if is_unspaced(tail):
        return len(tail) >= 6
    if is_caseless(tail):
        return len(words) >= 3
    share = capitals(tail)
    if ends_as_sentence(tail) and len(words) >= 3 and share < 1:
        return True
    return len(words) >= 12 or share < 0.6


def is_sentence(text: str, words: int = SENTENCE_WORDS) -> bool:
    """Whether the text reads as a sentence of prose: long, with a full stop, and not written as a title."""
    if not ends_as_sentence(text):
        return False
    if is_unspaced(text):
        return len(text) > SENTENCE_CHARACTERS
    return len(text.split()) > words and (is_caseless(text) or capitals(text) < 0.8)
