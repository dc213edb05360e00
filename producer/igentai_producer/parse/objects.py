"""JSON as models write it: inside prose, one value a line, with comments, single quotes or a comma too many, cut off.

One pass, no recursion. What was complete when the text broke off is kept.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

_DEPTH: Final = 16  # deeper than any list of names; a reply of a million brackets ends here
_ATTEMPTS: Final = 200
_VALUES: Final = 20_000  # JSON lines looked at: twenty times what can be kept

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*|\#[^\n]*)
      | (?P<mark>[\[\]{},:()])
      | "(?P<double>[^"\\\n]*(?:\\.[^"\\\n]*)*)"
      | '(?P<single>[^'\\\n]*(?:\\.[^'\\\n]*)*)'
      | “(?P<curly>[^”\n]*)”
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[\s,\]})]|$)
      | (?P<word>[A-Za-z_$][\w$-]*)
    """,
    re.VERBOSE,
)
_START: Final = re.compile(
    r"""(?:^|[:=])[ \t]*(?:[-*]\s)?([\[{])(?=\s*(?:["'“\[{\]}\-]|\d|[A-Za-z_]\w*\s*:))""", re.MULTILINE
)


@dataclass(slots=True)
class Fields:
    """A JSON object. `whole` is False for one that was cut off."""

    values: dict[str, Value] = field(default_factory=dict)
    whole: bool = False


Value: TypeAlias = "str | bool | Number | list[Value] | Fields | None"


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """The JSON values of a text, and how many of its characters they are."""

    values: list[Value]
    characters: int


def objects(text: str) -> Found:
    """Every array and object of `text` that begins a line or stands behind a colon or an equals sign."""
    values: list[Value] = []
    characters = at = 0
    for _ in range(_ATTEMPTS):
        start = _START.search(text, at)
        if start is None:
            break
        reading = _Reading(text, start.start(1))
        end = reading.read()
        if reading.root is not None and reading.scalars:
            values.append(reading.root)
            characters += end - start.start(1)
        at = max(end, start.end())
        while (
            len(values) < _VALUES and (following := _following(text, at)) is not None
        ):  # JSON lines, objects behind each other
            reading = _Reading(text, following)
            end = reading.read()
            if end <= following or reading.root is None or not reading.scalars:
                break
            values.append(reading.root)
            characters += end - at
            at = end
    return Found(values, characters)


_NEXT: Final = re.compile(r"[\s,;]*(?=[\[{]\s*[\"'{\[“])")


def _following(text: str, at: int) -> int | None:
    match = _NEXT.match(text, at)
    return match.end() if match else None


_WORDS: Final = {"true": True, "false": False}


class _Reading:
    """One value, read from `at` on. `scalars` counts what it says: texts, numbers, truths."""

    __slots__ = ("_at", "_key", "_keys", "_stack", "_text", "root", "scalars")

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at
        self._stack: list[list[Value] | Fields] = []
        self._keys: list[str | None] = []  # the key waiting for its value, one a container
        self.root: Value = None
        self.scalars = 0

    def read(self) -> int:
        """Reads to the end of the value or to where it breaks off; returns that place."""
        while token := _TOKEN.match(self._text, self._at):
            kind = token.lastgroup
            self._at = token.end()
            if kind == "space":
                continue
            if kind == "mark":
                if not self._marked(token[0]):
                    break
                if not self._stack:
                    break
            else:
                self._scalar(kind or "", token)
        return self._at

    def _marked(self, mark: str) -> bool:
        if mark in "[{(":
            return self._open([] if mark != "{" else Fields())
        if mark in "]})":
            self._close()
        elif mark == ":":
            return isinstance(self._stack[-1], Fields) and self._keys[-1] is not None
        elif self._keys[-1] is not None:  # a comma behind a key: a set of names
            self._put(None)
        return True

    def _open(self, container: list[Value] | Fields) -> bool:
        if len(self._stack) == _DEPTH:
            return False
        if self._stack:
            self._put(container)
        else:
            self.root = container
        self._stack.append(container)
        self._keys.append(None)
        return True

    def _close(self) -> None:
        if self._keys[-1] is not None:
            self._put(None)
        container = self._stack.pop()
        self._keys.pop()
        if isinstance(container, Fields):
            container.whole = True

    def _scalar(self, kind: str, token: re.Match[str]) -> None:
        container = self._stack[-1]
        value: Value = None
        if kind == "number":
            value = Number(token[0])
            self.scalars += 1
        elif kind == "word":
            value = _WORDS.get(token[0].lower())
            self.scalars += value is not None
        else:
            value = _decoded(token[kind])
            self.scalars += 1
        if isinstance(container, Fields) and self._keys[-1] is None:
            self._keys[-1] = value if isinstance(value, str) else token[0]
        else:
            self._put(value)

    def _put(self, value: Value) -> None:
        container = self._stack[-1]
        if isinstance(container, Fields):
            key = self._keys[-1]
            if key is not None:
                container.values[key] = value
            self._keys[-1] = None
        else:
            container.append(value)


def _decoded(inner: str) -> str:
    if "\\" not in inner:
        return inner
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        return inner.replace('\\"', '"').replace("\\'", "'").replace("\\n", "\n").replace("\\", "")
