"""A reply that is one comma list as a whole. Inside a line that is one item nothing is ever split."""

from __future__ import annotations

import re
from typing import Final

from igentai_producer.parse.words import capitals, ends_as_sentence, is_caseless, is_unspaced

_SEPARATORS: Final = (";", "；", "、", "，", "،", " | ", " · ", " • ", ",")
_AND: Final = re.compile(r"(?:and|or|&|et|ou|y|e|und|oder|i|и|и др|以及|和|及|و)\s+", re.IGNORECASE)
_ENOUGH: Final = 4  # three may be one name: Crosby, Stills & Nash
_TEXT: Final = 256 * 1024  # characters looked at: far more than a thousand names
_WORDS: Final = 6
_CHARACTERS: Final = 24  # for scripts without spaces
_INLINE: Final = re.compile(r"(?:^|[\s,;])\(?(\d{1,4})[.)](?=\s)")
_INLINE_SIGN: Final = re.compile(r"\s*[•●▪◦·]\s*|\s+\*\s+")


def comma_names(text: str, *, announced: bool, truncated: bool) -> list[str]:
    """The parts of `text`, all its lines joined, if it is one comma list; else [].

    `announced`: a line before it said that a list follows, so three parts are enough.
    """
    joined = " ".join(line.strip() for line in text[:_TEXT].split("\n")).strip().strip("[]{}").strip()
    for separator in _SEPARATORS:
        if joined.count(separator) + 1 < (3 if announced else _ENOUGH):
            continue
        parts = _parts(joined, separator)
        if truncated:
            parts.pop()
        if _are_names(parts):
            return parts
    return []


def category_lists(contents: list[str]) -> list[str]:
    """The parts of lines that all are `Category: a, b, c, d`; [] where they are not."""
    parts: list[str] = []
    for content in contents:
        label, colon, tail = content.replace("**", "").partition(":")
        pieces = _parts(tail.strip(), ",") if colon and len(label.split()) <= 4 else []
        if len(pieces) < _ENOUGH or not _are_names(pieces) or sum(map(capitals, pieces)) < 0.8 * len(pieces):
            return []
        parts += pieces
    return parts if len(contents) >= 2 else []


def inline_names(line: str, *, truncated: bool) -> list[str]:
    """The parts of `1. A 2. B 3. C` or `• A • B • C` on one line; [] for any other line."""
    marks: list[tuple[int, int]] = []
    expected = None
    for match in _INLINE.finditer(line):
        number = int(match[1])
        if expected is None or number == expected:
            marks.append(match.span())
            expected = number + 1
    if len(marks) >= 3 and not line[: marks[0][0]].strip().endswith((".", "!", "?")):
        ends = [start for start, _ in marks[1:]] + [len(line)]
        parts = [line[start:end].strip(" ,;") for (_, start), end in zip(marks, ends, strict=True)]
    elif len(signs := _INLINE_SIGN.split(line)) >= 3 and line.lstrip()[:1] in "•●▪◦·*":
        parts = [part for part in signs if part.strip()]
    else:
        return []
    return parts[:-1] if truncated else parts


def _parts(text: str, separator: str) -> list[str]:
    """`text` at its separators outside parentheses and quotes; `and` before the last part dropped."""
    parts: list[str] = []
    depth = start = 0
    quoted = False
    width = len(separator)
    for place, char in enumerate(text):
        depth = max(0, depth + (char in "(（[") - (char in ")）]"))
        quoted ^= char == '"'
        if depth == 0 and not quoted and char == separator[0] and text.startswith(separator, place):
            parts.append(text[start:place])
            start = place + width
    parts.append(text[start:])
    parts = [part.strip() for part in parts if part.strip()]
    if len(parts) > 1 and (match := _AND.match(parts[-1])):
        parts[-1] = parts[-1][match.end() :]
    elif len(parts) > 2:
        parts[-1:] = (
            re.split(r"\s+(?:and|et|und|y|и)\s+", parts[-1], maxsplit=1) if not separator.isspace() else parts[-1:]
        )
    return parts


def _are_names(parts: list[str]) -> bool:
    """Whether the parts are short enough to be names, and only the last ends like a sentence."""
    if len(parts) < 3:
        return False
    if any(_is_long(part) for part in parts):
        return False
    ended = sum(1 for part in parts[:-1] if ends_as_sentence(part) and not part.endswith(".)"))
    average = sum(len(part.split()) for part in parts) / len(parts)
    return ended * 5 <= len(parts) and (average <= 3.5 or is_caseless("".join(parts)))


def _is_long(part: str) -> bool:
    return len(part) > _CHARACTERS if is_unspaced(part) else len(part.split()) > 2 * _WORDS
