"""What a prompt asks for, as a simulated model understands it: the purpose, the number, the slice, what not to say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

DEFAULT_SIZE: Final = 30
MOST: Final = 400  # items in one reply, whatever a prompt says

_TOPIC: Final = re.compile(r"^\s*topic:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_SCOPE: Final = re.compile(r"^\s*only:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_SIZE: Final = re.compile(r"\b(?:list|name|give|write|exactly)\b(?:\s+\w+){0,3}?\s+(\d{1,4})\b", re.IGNORECASE)
_KNOWN: Final = re.compile(
    r"^[^\n]*(?:already known|do not repeat|don't repeat|exclude|except)[^\n]*:[ \t]*\n?(.*?)(?:\n\s*\n|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_SPLIT: Final = re.compile(r"\b(?:sub-?)?categories of (?:the )?(.*)", re.IGNORECASE)
_AVOID: Final = re.compile(r"^not again:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_VERIFY: Final = re.compile(r"\byes\b.{0,12}\bno\b", re.IGNORECASE | re.DOTALL)
_NUMBERED: Final = re.compile(r"^\s*(\d+)[.)]\s+(.+?)\s*$", re.MULTILINE)
_BEGINNING: Final = re.compile(r"\b(?:begin|start)(?:s|ning|ing)? with (.*)", re.IGNORECASE)
_DIGIT: Final = re.compile(r"\b(?:digit|number|figure)", re.IGNORECASE)
_STARTS: Final = re.compile(r"\b([^\W\d_]{1,2})\b(?:\W?\s*(?:-|–|—|\bto\b)\s*\W?([^\W\d_]{1,2})\b)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """`scope` is the slice in the prompt's words; `letters` the ranges of initials (first and last, both
    included) that its names begin with.

    `items` are those to be judged, `avoid` the labels a split must not give back, `whole` a split of the topic itself.
    """

    purpose: Literal["list", "split", "verify"]
    topic: str
    size: int = DEFAULT_SIZE
    scope: str = ""
    letters: tuple[tuple[str, str], ...] = ()
    known: tuple[str, ...] = ()
    items: tuple[tuple[int, str], ...] = ()
    avoid: tuple[str, ...] = ()
    whole: bool = False


def read(prompt: str) -> Reading:
    """Understand the user's words. A prompt without a `Topic:` line is a topic of its own."""
    named = _TOPIC.search(prompt)
    topic = named[1].strip() if named else prompt.strip()[:200]
    items = tuple((int(number), item) for number, item in _NUMBERED.findall(prompt))
    if items and _VERIFY.search(prompt):
        return Reading("verify", topic, items=items)
    if split := _SPLIT.search(prompt):
        avoid = _AVOID.search(prompt)
        labels = tuple(label.strip() for label in avoid[1].split(";")) if avoid else ()
        return Reading("split", topic, scope=split[1], avoid=labels, whole=split[1].lower().startswith("topic"))
    return _listing(prompt, topic)


def _listing(prompt: str, topic: str) -> Reading:
    excluded = _KNOWN.search(prompt)
    known = tuple(line.strip() for line in excluded[1].split("\n") if line.strip()) if excluded else ()
    asked = prompt[: excluded.start()] if excluded else prompt
    sized = _SIZE.search(asked)
    scoped = _SCOPE.search(asked)
    scope = scoped[1] if scoped else ""
    return Reading(
        "list",
        topic,
        size=min(int(sized[1]), MOST) if sized else DEFAULT_SIZE,
        scope=scope,
        letters=_letters(scope),
        known=known,
    )


def _letters(scope: str) -> tuple[tuple[str, str], ...]:
    """`begin with A, B or C` → A to A, B to B, C to C; `begin with A–C` → A to C; digits → 0 to 9."""
    beginning = _BEGINNING.search(scope)
    if not beginning:
        return ()
    if _DIGIT.search(beginning[1]):
        return (("0", "9"),)
    starts = re.sub(r"\b(?:or|and|the|letters?)\b", ",", beginning[1], flags=re.IGNORECASE)
    return tuple((first, last or first) for first, last in _STARTS.findall(starts))
