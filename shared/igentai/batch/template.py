"""Prompt templates: `Summarise: {text}`. Pure.

Only names in braces are filled, as text: `{a.b}`, `{a[0]}` and format specifications have no meaning here, so that a
template out of a file can reach nothing but the fields of its row. `{{` and `}}` are braces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from igentai.errors import UsageError

_PLACE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def filled(template: str, item: Any) -> str:
    """`template` with the fields of `item`, and `{item}` (and `{}`) as the item itself.

    Args:
        item: a mapping, a dataclass, or anything else, which has no fields but itself.

    Raises:
        UsageError: the template names a field that the item has not.

    >>> filled("Summarise {title}: {text}", {"title": "Rain", "text": "It rained."})
    'Summarise Rain: It rained.'
    >>> filled('Reply as {{"word": …}} to {item}', "blue")
    'Reply as {"word": …} to blue'
    """
    own = _fields(item)

    def value(place: re.Match[str]) -> str:
        if place[0] in ("{{", "}}"):
            return place[0][0]
        name = place[1].strip()
        if name in own:
            return _text(own[name])
        if name in ("", "item"):
            return _text(item)
        known = ", ".join(map(str, list(own)[:20])) or "item"
        raise UsageError(f"the template names {{{name}}}, which is not there; there are {known}")

    return _PLACE.sub(value, template)


def names_a_field(template: str) -> bool:
    """Whether `template` would be another prompt for another item.

    >>> names_a_field("Summarise: {text}"), names_a_field("Reply as {{word}}")
    (True, False)
    """
    return any(place[0] not in ("{{", "}}") for place in _PLACE.finditer(template))


def _fields(item: Any) -> Mapping[Any, Any]:
    if isinstance(item, Mapping):
        return item
    if is_dataclass(item) and not isinstance(item, type):
        return {f.name: getattr(item, f.name) for f in fields(item)}
    return {}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)
