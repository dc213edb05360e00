"""One attribute as text: the line people see, and the key that says whether two lines are the same attribute.

DESIGN.md section 4. `clean` makes the line, `key` the key, `keys` many keys at once for the orchestrator, which takes
in hundreds of thousands; `unclean` and `is_clean` check lines that somebody else made.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from igentai.lines import LINE_BYTES, are_short, is_clean, is_tight, legal_line, unclean
from igentai.trimming import says_nothing, trimmed_once

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LINE_BYTES", "clean", "is_clean", "key", "key64", "keys", "keys_of_clean", "unclean"]

_LAYERS: Final = 32  # of markers and quotes around a name; a text with more is an attack, not a name
_RAW_CHARACTERS: Final = 4 * LINE_BYTES

# Marks on Latin, Greek and Cyrillic letters (in NFKD). Elsewhere a mark is part of the spelling: が is not か.
_MARKS: Final = re.compile(
    "([a-zA-Z\u00c0-\u024f\u0250-\u02af\u0370-\u03ff\u0400-\u0482\u048a-\u052f\u1c80-\u1c8f\u1d00-\u1dbf\u1e00-\u1fff"
    "\u2c60-\u2c7f\ua640-\ua66e\ua680-\ua69d\ua720-\ua7ff\uab30-\uab6f])"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u2de0-\u2dff\ua66f-\ua672\ua674-\ua67d\ufe20-\ufe2f]+"
)
_ENDS: Final = " .!?。।؟"


def _folding() -> dict[int, str]:
    table = dict.fromkeys(map(ord, "™®©℠\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f"), "")
    table |= dict.fromkeys((*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)), "")
    table |= dict.fromkeys(map(ord, "‘’‚‛′ʹʼʻ´`＇ˈ‵"), "'")
    table |= dict.fromkeys(map(ord, "“”„‟″«»「」『』《》〝〞"), '"')
    table |= dict.fromkeys(map(ord, "-‐‑‒–—―−⁃﹘﹣－⸺⸻"), "-")
    table |= dict.fromkeys(map(ord, "⁄∕"), "/")
    table |= dict.fromkeys(map(ord, "·•・･‧∙⋅"), "·")
    return table


_FOLDING: Final = _folding()
# What `key` does to a printable ASCII text but for its ends, as a table for bytes.
_KEYED: Final = bytes(range(256)).lower().translate(bytes.maketrans(b"-`\t\r\x0b\x0c\x1c\x1d\x1e\x1f", b" '        "))
_FLAT: Final = bytes(32 if c == 10 else c for c in range(256))


def clean(raw: str) -> str | None:
    """`raw` as the line people see, or None where nothing is left or more than `LINE_BYTES` are.

    A legal line (`igentai.lines`) without list markers, surrounding quotes, markdown emphasis and closing
    punctuation. `Yahoo!`, `C#`, `.NET`, `Jr.` and `U.S.A.` stay as they are. Cleaning twice is cleaning once.
    """
    if len(raw) > _RAW_CHARACTERS:
        return None
    text = legal_line(raw)
    for _ in range(_LAYERS):
        before = text
        text = legal_line(trimmed_once(text)) if text else text
        if text == before:
            break
    else:
        return None
    if says_nothing(text) or len(text.encode()) > LINE_BYTES:
        return None
    return text


def key(text: str) -> str:
    """What two spellings of one attribute have in common.

    NFKC and casefold; marks dropped from Latin, Greek and Cyrillic letters; typographic quotes folded; dashes and
    white space one space; closing full stops, exclamation and question marks dropped. Digits and the signs that tell
    names apart are kept: C, C++ and C# are three. The key of a key is itself.
    """
    if text.isascii():
        return _finished(text.lower().replace("`", "'"))
    folded = unicodedata.normalize("NFKC", text.translate(_FOLDING)).casefold()
    folded = _MARKS.sub(r"\1", unicodedata.normalize("NFKD", folded))
    return _finished(unicodedata.normalize("NFC", folded.translate(_FOLDING)))


def _finished(folded: str) -> str:
    spaced = " ".join(folded.replace("-", " ").split()).rstrip(_ENDS)
    if not spaced:  # the text is all dashes and stops: they are its name
        return " ".join(folded.split())
    if folded.startswith("-") and spaced[0].isdigit() and folded[1] == spaced[0]:
        return "-" + spaced  # minus one is not one
    return spaced


def keys(texts: Sequence[str]) -> list[str]:
    """`[key(text) for text in texts]`, for texts that are mostly ASCII at about a tenth of the time."""
    joined = "\n".join(texts)
    if not joined.isascii():
        plain = iter(keys([text for text in texts if text.isascii()]))
        return [next(plain) if text.isascii() else key(text) for text in texts]
    if joined.count("\n") != len(texts) - 1:  # none, or one with a line break inside
        return [key(text) for text in texts]
    folded = joined.encode().translate(_KEYED)
    if "-" in joined:  # a dash between spaces has become a third one
        folded = folded.replace(b"   ", b" ").replace(b"  ", b" ")
    found = folded.decode().split("\n")
    if _is_tight(folded):
        return found
    return [k if _is_finished(k) else key(text) for k, text in zip(found, texts, strict=True)]


def keys_of_clean(texts: Sequence[str]) -> list[str] | None:
    """`keys(texts)` where `is_clean(texts)` shows at a glance: printable ASCII, as most answers are. None where not."""
    joined = "\n".join(texts)
    if not joined.isascii() or joined.count("\n") != len(texts) - 1:
        return None
    if not is_tight(joined.replace("\n", " ")) or not are_short(joined, texts):
        return None
    folded = joined.lower().replace("-", " ")
    unfinished = "`" in folded or any(
        stop in folded and (f"{stop}\n" in folded or folded.endswith(stop)) for stop in ".!?"
    )
    if unfinished or ("-" in joined and not is_tight(folded.replace("\n", " "))):
        return keys(texts)
    return folded.split("\n")


def _is_tight(batch: bytes) -> bool:
    """Whether no key of a batch has a space too many, a closing stop, or nothing in it: one search for them all."""
    flat = batch.translate(_FLAT)
    if b"  " in flat or flat[:1] == b" " or flat[-1:] == b" ":
        return False
    return not any(stop in batch and (stop + b"\n" in batch or batch.endswith(stop)) for stop in (b".", b"!", b"?"))


def _is_finished(found: str) -> bool:
    """A leading space may have been a minus, a closing stop has to go, two spaces are one."""
    return bool(found) and found[0] != " " and found[-1] not in " .!?" and "  " not in found


def key64(key: str) -> bytes:
    """The 8 bytes a key travels as (blake2b)."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
