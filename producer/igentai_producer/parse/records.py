"""Which strings of a JSON value are the items: names of objects, members of lists, keys that carry descriptions."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from igentai_producer.parse.objects import Fields, Number
from igentai_producer.parse.words import is_description

if TYPE_CHECKING:
    from igentai_producer.parse.objects import Value

NAME_FIELDS: Final = (
    *("name", "item", "title", "attribute", "entity", "term", "label", "value", "text", "entry", "word", "element"),
    *(
        "example",
        "answer",
        "nom",
        "nombre",
        "nome",
        "titre",
        "título",
        "bezeichnung",
        "titel",
        "naam",
        "название",
        "имя",
    ),
    *("名称", "名字", "名前", "名稱", "项目", "項目", "이름", "الاسم", "नाम"),
)
_LIST_FIELDS: Final = frozenset(
    {"items", "entries", "list", "examples", "members", "values", "attributes", "results", "names", "data", "children"}
    | {"elements", "subcategories", "answers", "entities"}
)
_ASIDE: Final = frozenset(
    {"id", "no", "nr", "number", "rank", "index", "category", "type", "group", "description", "desc", "details", "note"}
    | {"explanation", "year", "country", "summary", "reason", "url", "count", "total", "topic", "status", "#", "kind"}
)
_NUMBERED: Final = re.compile(r"(?:[a-z]+[ _-]?)?\d{1,4}", re.IGNORECASE)


def named(values: list[Value]) -> list[str]:
    """The items in `values`, in their order."""
    if len(values) == 1:
        return _of(values[0], top=True)
    return _of(values, top=False)


def _of(value: Value, *, top: bool = False) -> list[str]:
    if isinstance(value, Fields):
        return _of_fields(value, top=top)
    if isinstance(value, list):
        return _of_list(value)
    return [value] if isinstance(value, str) else []


def _of_list(values: list[Value]) -> list[str]:
    if values and all(isinstance(value, Number) for value in values):
        return [value.text for value in values if isinstance(value, Number)]
    rows = [value for value in values if isinstance(value, list)]
    if len(rows) == len(values) >= 2 and _are_pairs(rows):
        return [str(row[0]) for row in rows]
    name = _name_field([value for value in values if isinstance(value, Fields)])
    found: list[str] = []
    for value in values:
        if isinstance(value, Fields):
            found += _of_record(value, name)
        else:
            found += _of(value)
    return found


def _are_pairs(rows: list[list[Value]]) -> bool:
    """Whether each row is a name and what explains it."""
    if any(len(row) < 2 or not isinstance(row[0], str) for row in rows):
        return False
    return sum(1 for row in rows if not isinstance(row[1], str) or is_description(row[1])) * 2 > len(rows)


def _name_field(records: list[Fields]) -> str | None:
    """The field that holds the name, judged by the records that are whole."""
    whole = [record for record in records if record.whole] or records
    counts = Counter(
        key for record in whole for key, value in record.values.items() if isinstance(value, (str, Number))
    )
    if not counts:
        return None
    often = [key for key, count in counts.items() if count * 2 > len(whole)] or list(counts)
    for name in NAME_FIELDS:
        for key in often:
            if key.lower() == name:
                return key
    for key in often:
        if key.lower().endswith(("name", "title")):
            return key
    plain = [key for key in often if key.lower() not in _ASIDE and _holds_text(whole, key)]
    return (plain or often)[0]


def _holds_text(records: list[Fields], key: str) -> bool:
    return any(isinstance(record.values.get(key), str) for record in records)


def _of_record(record: Fields, name: str | None) -> list[str]:
    groups = [v for k, v in record.values.items() if isinstance(v, (list, Fields)) and k.lower() in _LIST_FIELDS]
    if groups:
        return [item for group in groups for item in _of(group)]
    if name is not None:
        value = record.values.get(name)
        if isinstance(value, Number):
            return [value.text]
        return [value] if isinstance(value, str) else []
    return _of_fields(record, top=True)


def _of_fields(fields: Fields, *, top: bool) -> list[str]:
    values = fields.values
    if any(isinstance(value, list) for value in values.values()):
        lists = [value for value in values.values() if isinstance(value, list)]
        named_lists = [
            value for key, value in values.items() if isinstance(value, list) and key.lower() in _LIST_FIELDS
        ]
        return [item for group in named_lists or lists for item in _of_list(group)]
    inner = [value for value in values.values() if isinstance(value, Fields)]
    if inner:
        return _of_tree(fields, inner, top=top)
    return _of_flat(fields)


def _of_tree(fields: Fields, inner: list[Fields], *, top: bool) -> list[str]:
    """{"Europe": {"France": [...]}} is a tree of lists, {"Paris": {"country": ...}} one of records."""
    if len(fields.values) == 1 and top:
        return _of_fields(inner[0], top=True)
    if any(isinstance(value, list) for child in inner for value in child.values.values()):
        return [item for child in inner for item in _of_fields(child, top=False)]
    name = _name_field(inner)
    if all(_NUMBERED.fullmatch(key) for key in fields.values) and name is not None:
        return [item for child in inner for item in _of_record(child, name)]
    return list(fields.values)


def _of_flat(fields: Fields) -> list[str]:
    texts = {key: _text(value) for key, value in fields.values.items()}
    if texts and all(_NUMBERED.fullmatch(key) for key in texts):
        return [text for text in texts.values() if text]
    name = next((key for key in texts if key.lower() in NAME_FIELDS), None)
    if name is not None:
        return [text] if (text := texts[name]) else []
    if len(texts) == 1 and "\n" in (only := next(iter(texts.values())) or ""):
        return [only]  # {"response": "1. …\n2. …"}: a list in a string
    if len(texts) == 1 and next(iter(texts)).lower() in _LIST_FIELDS | _ASIDE | {"response", "content", "output"}:
        return [text for text in texts.values() if text]
    return list(texts)


def _text(value: Value) -> str | None:
    if isinstance(value, Number):
        return value.text
    return value if isinstance(value, str) else None
