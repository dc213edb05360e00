"""The name of a topic's folder. A topic is text from people: it never becomes a path by itself."""

from __future__ import annotations

import unicodedata
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from igentai.errors import TopicError

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER_BYTES: Final = 100
_SUFFIX: Final = 6  # hex digits that tell two topics of one name apart

# What the outputs folder, a file system root or Windows keeps for itself.
_RESERVED: Final = frozenset(
    ["con", "prn", "aux", "nul", "spool", "lost_found", "global_state", "global_state_json", "outputs"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)


def folder_name(topic: str) -> str:
    """Letters and digits of any script, lower case, joined by `_`; at most `FOLDER_BYTES` bytes of UTF-8, NFC.

    Raises:
        TopicError: the topic has no letter and no digit.
    """
    spelled = unicodedata.normalize("NFC", unicodedata.normalize("NFC", topic).lower())
    kept: list[str] = []
    for char in spelled:
        kind = unicodedata.category(char)
        if char.isalnum():
            kept.append(char)
        elif kind[0] == "M":
            kept += char if kept and _takes_marks(kept[-1]) else ""
        elif kind != "Cf":  # a joiner is inside a word
            kept.append("_")
    name = unicodedata.normalize("NFC", "_".join(word for word in "".join(kept).split("_") if word))
    if not name:
        raise TopicError(f"the topic {topic[:60]!r} has no letter and no digit to name a folder by; say it in words")
    if name in _RESERVED:
        return _suffixed(name, topic, _SUFFIX)
    return _cut(name, FOLDER_BYTES)


def distinct(topic: str, taken: Mapping[str, str]) -> str:
    """The folder of `topic` where `taken` (folder to topic) are already there.

    The same topic gets its folder back; another one of the same name gets `name_<hex of its hash>`.

    Raises:
        TopicError: the topic has no letter and no digit.
    """
    own = _said(topic)
    name = folder_name(topic)
    candidates = [name, *(_suffixed(name, topic, digits) for digits in (_SUFFIX, 16, 64))]
    for folder in candidates:
        if folder in taken and _said(taken[folder]) == own:
            return folder
    for folder in candidates:
        if folder not in taken:
            return folder
    raise TopicError(f"no folder name is left for the topic {topic[:60]!r}; say it in other words")


def _said(topic: str) -> str:
    return unicodedata.normalize("NFC", topic).strip()


def _suffixed(name: str, topic: str, digits: int) -> str:
    mark = blake2b(_said(topic).encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    return f"{_cut(name, FOLDER_BYTES - digits - 1)}_{mark}"


def _takes_marks(before: str) -> bool:
    """Whether marks are part of a spelling: on Latin, Greek and Cyrillic those that matter are composed already."""
    code = ord(before)
    return before != "_" and not (code < 0x530 or 0x1E00 <= code <= 0x1FFF)


def _cut(name: str, limit: int) -> str:
    """The longest beginning of `name` within `limit` bytes that ends with a whole letter, its marks included."""
    if len(name.encode()) <= limit:
        return name
    kept = name.encode()[:limit].decode("utf-8", "ignore")
    end = len(kept)
    while end and unicodedata.category(name[end])[0] == "M":
        end -= 1
    return (kept[:end] or kept).strip("_")
