"""The yes or no a model gives each item of a spot check."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from igentai_producer.parse.envelope import unwrapped
from igentai_producer.parse.objects import Fields, Number, objects

if TYPE_CHECKING:
    from igentai_producer.parse.objects import Value

_YES: Final = "yes|true|correct|real|valid|y|oui|sí|si|ja|да|是|はい|✓|✔|✅"
_NO: Final = (
    r"not(?:\s+(?:a|an|the|real|valid|true|correct|actually))*|no|false|incorrect|fake|invalid|unreal|invented|"
    "n|non|nein|нет|否|不是|いいえ|✗|✘|❌"
)
_UNSURE: Final = "unsure|unknown|maybe|uncertain|unclear"
_WORDS: Final = rf"(?:(?P<no>{_NO})|(?P<yes>{_YES})|(?P<unsure>{_UNSURE}))"
_ANYWHERE: Final = re.compile(rf"(?<!\w){_WORDS}(?!\w)", re.IGNORECASE)
_ALONE: Final = re.compile(rf"[\s*_\"'`(\[]*{_WORDS}(?:\s*[-–—,.:;!?()*_\"'`\]|]|\s*$)", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"[\W_]*(\d{1,4})(?!\d)[\s.):\]*_–—|-]*")
_PARTS: Final = re.compile(r"\s[–—-]\s|[:|=→]")
_LINE: Final = 2000  # characters of a line that are looked at


def parse_verdicts(reply_text: str, n: int) -> tuple[bool | None, ...]:
    """`n` verdicts in the order asked: True real, False not, None not said.

    Numbered lines count by their number (`3. No`), JSON by key or place, lines without numbers by place.
    """
    text = unwrapped(reply_text)
    said: dict[int, bool | None] = {}
    found = objects(text)
    if found.values:
        said = _of_values(found.values[0] if len(found.values) == 1 else found.values)
    if not said:
        said = _of_lines([line[:_LINE] for line in text.split("\n")[: 8 * n + 64] if line.strip()])
    return tuple(said.get(place) for place in range(1, n + 1))


def _of_values(value: Value) -> dict[int, bool | None]:
    if isinstance(value, Fields):
        inner = [v for v in value.values.values() if isinstance(v, (list, Fields))]
        if len(value.values) == 1 and inner:
            return _of_values(inner[0])
        pairs = {int(key): _of_value(v) for key, v in value.values.items() if key.isdecimal() and len(key) < 5}
        return pairs or dict(enumerate(map(_of_value, value.values.values()), 1))
    if not isinstance(value, list):
        return {}
    return {_place_of(v, place): _of_value(v) for place, v in enumerate(value, 1)}


def _place_of(value: Value, place: int) -> int:
    """The number a record gives itself, else its place."""
    if isinstance(value, Fields):
        for key in ("number", "index", "id", "n", "no", "item"):
            own = value.values.get(key)
            if isinstance(own, Number) and own.text.isdecimal():
                return int(own.text)
    return place


def _of_value(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, Fields):
        known = [v for v in value.values.values() if isinstance(v, bool)]
        said = known or [v for v in map(_of_alone, value.values.values()) if v is not None]
        return said[0] if said else None
    return None


def _of_alone(value: Value) -> bool | None:
    return _judged(_ALONE.match(value)) if isinstance(value, str) else None


def _of_lines(lines: list[str]) -> dict[int, bool | None]:
    numbered: dict[int, bool | None] = {}
    for line in lines:
        if (match := _NUMBERED.match(line)) and match[1] and line[match.end() :].strip():
            numbered.setdefault(int(match[1]), _of_text(line[match.end() :]))
    if any(verdict is not None for verdict in numbered.values()):
        return numbered
    if len(lines) == 1:  # "yes, no, yes"
        lines = re.split(r"[,;\s]+", lines[0])
    return dict(enumerate((_of_text(line) for line in lines if _ANYWHERE.search(line)), 1))


def _of_text(text: str) -> bool | None:
    """What one line says. The name in it may be `No Country for Old Men`: a verdict stands by itself."""
    for part in (text, *reversed(_PARTS.split(text))):
        if match := _ALONE.match(part):
            return _judged(match)
    matches = list(_ANYWHERE.finditer(text))
    return _judged(matches[-1]) if matches else None


def _judged(match: re.Match[str] | None) -> bool | None:
    if match is None or match["unsure"]:
        return None
    return match["yes"] is not None
