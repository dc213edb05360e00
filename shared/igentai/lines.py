"""What may stand in a file as one line: NFC, printable, one space at most between words, 1 KiB at most.

RELIABILITY.md G2. The producer makes its items legal with `legal_line`; the orchestrator, which trusts no producer,
checks them again with `unclean`. Both use this one definition: a text is legal if `legal_line` gives it back unchanged.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_BYTES: Final = 1024  # the longest line, in UTF-8
_PRINTABLE: Final = bytes(range(0x20, 0x7F))

# ECMA-48: control sequences (CSI), control strings (OSC, DCS, SOS, PM, APC) with their terminator, two-byte escapes.
# A control string without terminator loses its introducer alone: what follows may be the item.
_ESCAPES: Final = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-~]"
)

# Printable to Python and invisible to people: fillers and variation selectors can smuggle text past a reader.
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_SELECTORS: Final = frozenset(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_RARE: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_SELECTABLE: Final = frozenset({"So", "Sm", "Sk", "Po", "Nd", "Lo"})  # what a variation selector may follow

_JOINERS: Final = frozenset("\u200c\u200d")
# Scripts whose spelling needs joiners: Arabic to Thaana and N'Ko, the Indic blocks, Tibetan, Myanmar, Khmer,
# Mongolian, the Arabic presentation forms.
_JOINING: Final = (
    (0x0600, 0x08FF),
    (0x0900, 0x0DFF),
    (0x0F00, 0x109F),
    (0x1780, 0x18AF),
    (0xA8E0, 0xAAFF),
    (0xFB50, 0xFDFF),
    (0xFE70, 0xFEFE),
    (0x11000, 0x11FFF),
)


def legal_line(raw: str) -> str:
    """`raw` as one legal line, "" where nothing is left; its length is not looked at.

    Terminal escapes, C0 and C1 controls, bidi controls, tag characters, lone surrogates and noncharacters are dropped;
    any white space is one space. Joiners stay between letters of scripts that need them and inside emoji sequences.
    """
    if raw.isascii() and raw.isprintable():
        return " ".join(raw.split())
    text = raw
    if not text.isprintable():
        text = _ESCAPES.sub("", text)
    if not text.isprintable() or _RARE.search(text):
        text = _sieved(text)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def without_escapes(text: str) -> str:
    """`text` without terminal escapes; its line breaks stay."""
    return _ESCAPES.sub("", text) if not text.isascii() or "\x1b" in text else text


def unclean(texts: Sequence[str]) -> list[int]:
    """The places of the texts that may not stand in a file as they are; empty for a batch in order.

    A batch of printable ASCII is checked as a whole, at C speed.
    """
    if not texts:
        return []
    joined = "\n".join(texts)
    if (
        joined.isascii()
        and joined.count("\n") == len(texts) - 1
        and is_tight(joined.replace("\n", " "))
        and are_short(joined, texts)
    ):
        return []
    return [place for place, text in enumerate(texts) if not _is_legal(text)]


def is_clean(texts: Sequence[str]) -> bool:
    """Whether every text may stand in a file as it is."""
    return not unclean(texts)


def is_tight(flat: str) -> bool:
    """Whether ASCII texts joined by spaces are printable, none of them is empty, and none has a space too many.

    One search finds them all: a space too many at an end, or an empty text, is two spaces in a row here.
    """
    if flat[:1] == " " or flat[-1:] == " " or "  " in flat or flat == "":
        return False
    return not flat.encode().translate(None, _PRINTABLE)  # str.isprintable takes six times as long


def are_short(joined: str, texts: Sequence[str]) -> bool:
    """Whether no text has more than `LINE_BYTES` characters. `joined` are the same with line feeds between them.

    Where no stretch of half as many, beginning at a multiple of that, is without a line feed, they are all short.
    """
    half = LINE_BYTES // 2
    if all(joined.find("\n", at, at + half) >= 0 for at in range(0, len(joined) - half + 1, half)):
        return True
    return max(map(len, texts)) <= LINE_BYTES


def _is_legal(text: str) -> bool:
    if not text or len(text) > LINE_BYTES or legal_line(text) != text:
        return False
    return len(text) * 4 <= LINE_BYTES or len(text.encode()) <= LINE_BYTES


def _sieved(text: str) -> str:
    """`text` without what must not be seen, white space as spaces."""
    kept: list[str] = []
    for place, char in enumerate(text):
        if char.isspace():
            kept.append(" ")
        elif char in _JOINERS:
            if kept and _joins(kept[-1], text, place + 1, char):
                kept.append(char)
        elif char in _SELECTORS:
            if kept and _selects(kept[-1], char):
                kept.append(char)
        elif char not in _FILLERS and not _is_dropped(char):
            kept.append(char)
    return "".join(kept)


def _is_dropped(char: str) -> bool:
    """Controls, formats, surrogates; of the unassigned only those that never will be characters."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs") or _is_noncharacter(ord(char))


def _is_noncharacter(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _joins(before: str, text: str, place: int, joiner: str) -> bool:
    """Whether a joiner between `before` and the character at `place` is part of a spelling."""
    after = text[place : place + 1]
    if not after:
        return False
    if joiner == "\u200d" and unicodedata.category(after) == "So":
        return before == "\ufe0f" or unicodedata.category(before) in ("So", "Sk")
    return (
        unicodedata.category(before)[0] in "LM"
        and unicodedata.category(after)[0] == "L"
        and _needs_joiners(before)
        and _needs_joiners(after)
    )


def _needs_joiners(char: str) -> bool:
    code = ord(char)
    return any(low <= code <= high for low, high in _JOINING)


def _selects(before: str, selector: str) -> bool:
    kind = unicodedata.category(before)
    return kind == "Lo" if ord(selector) > 0xFFFF else kind in _SELECTABLE
