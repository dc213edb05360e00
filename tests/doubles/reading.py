"""What a prompt asks for, as a model would understand it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNT = re.compile(r"\b(?:list|name|give|write|exactly)\b\D{0,24}(\d{1,4})", re.IGNORECASE)
_LETTERS = re.compile(r"(?:begin|start)\w* with (?:the )?(?:letters?(?:\(s\))? )?([^.:;\n]+)", re.IGNORECASE)
_RANGE = re.compile(r"^\W*([^\W\d_])\s*(?:-|–|to)\s*([^\W\d_])\W*$")
_KNOWN = re.compile(
    r"^[^\n]*(?:already known|do not repeat|exclude)[^\n]*:[ \t]*\n?(.*?)(?:\n\s*\n|\Z)", re.I | re.M | re.S
)
_SPLIT = re.compile(r"\b(?:sub-?)?categories\b", re.IGNORECASE)
_VERIFY = re.compile(r"\byes\b.{0,20}\bno\b", re.IGNORECASE | re.DOTALL)
_NUMBERED = re.compile(r"^\s*(\d+)[.)]\s+(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Wish:
    """`label` None: no category was named. `letters` in lower case, empty: any. `items` are those to be judged."""

    purpose: str = "list"
    count: int = 30
    label: str | None = None
    letters: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    items: tuple[tuple[int, str], ...] = ()


def understood(prompt: str, labels: Sequence[str]) -> Wish:
    """The wish in `prompt`; the longest of `labels` found in it is the slice to stay in."""
    items = tuple((int(number), name) for number, name in _NUMBERED.findall(prompt))
    if items and _VERIFY.search(prompt):
        return Wish("verify", items=items)
    excluded = _KNOWN.search(prompt)
    known = frozenset(line.strip() for line in excluded[1].split("\n")) if excluded else frozenset()
    asked = prompt[: excluded.start()] if excluded else prompt
    label = max((name for name in labels if re.search(rf"\b{re.escape(name)}\b", asked)), key=len, default=None)
    if _SPLIT.search(asked):
        return Wish("split", label=label)
    count = _COUNT.search(asked)
    letters = _LETTERS.search(asked)
    return Wish("list", int(count[1]) if count else 30, label, _initials(letters[1]) if letters else frozenset(), known)


def _initials(phrase: str) -> frozenset[str]:
    """ "A", "A, B or C", "A–C"."""
    ends = _RANGE.match(phrase)
    if ends:
        first, last = sorted((ends[1].lower(), ends[2].lower()))
        return frozenset(chr(code) for code in range(ord(first), ord(last) + 1))
    return frozenset(letter.lower() for letter in re.findall(r"\b[^\W\d_]\b", phrase))
