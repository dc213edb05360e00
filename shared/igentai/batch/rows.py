"""The rows of an input file, one at a time: JSONL, CSV or text; and what each asks."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from igentai.batch.request import Query, Unasked
from igentai.batch.template import filled, names_a_field
from igentai.errors import UsageError

InputFormat: TypeAlias = Literal["jsonl", "csv", "text"]
_SUFFIXES: Final[Mapping[str, InputFormat]] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".txt": "text", ".text": "text", "": "text",
}  # fmt: skip
LONGEST_FIELD: Final = 16 * 1024 * 1024  # of a CSV file; the csv module allows 128 KiB
_SHOWN: Final = 12  # field names named in an error


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `fields` as they stood in the file; `asks` what is sent, or why nothing can be."""

    fields: Mapping[str, Any]
    asks: Query | Unasked


def format_of(path: Path) -> InputFormat:
    """The format that the name of a file says.

    Raises:
        UsageError: it says none.
    """
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(f"what {path} holds does not show in its name; call it .jsonl, .csv or .txt")
    return found


def format_of_line(line: str) -> InputFormat:
    """The format of a stream without a name, by its first line."""
    return "jsonl" if line.lstrip()[:1] in ("{", '"') else "text"


def read_rows(lines: Iterable[str], fmt: InputFormat, template: str | None = None) -> Iterator[Row]:
    """The rows of `lines`, as text with their line ends. Empty lines of JSONL and text are passed over.

    Args:
        template: the prompt, with `{field}` for the fields of a row and `{text}` for a line of text. Without one a row
            has a field `prompt`, or `text`.

    Raises:
        UsageError: the template names no field; or the first row has not what the template or the prompt needs: then
            no row will have it. A later row that cannot be asked becomes an `Unasked`.
    """
    if template is not None and not names_a_field(template):
        raise UsageError("the template names no field, so all rows would ask the same; say 'Summarise: {text}'")
    first = True
    for fields in _FIELDS[fmt](lines):
        try:
            asks: Query | Unasked = _asked(fields, template)
        except UsageError as error:
            if first:
                raise
            asks = Unasked(str(error), _id_of(fields))
        first = False
        yield Row(fields, asks)


def count_rows(path: Path, fmt: InputFormat) -> int:
    """How many rows a file has, for the progress. Flat in memory."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="" if fmt == "csv" else None) as file:
        if fmt == "csv":
            return sum(1 for _ in _csv_rows(file))
        return sum(1 for line in file if line.strip())


def _asked(fields: Mapping[str, Any], template: str | None) -> Query:
    if _PROBLEM in fields:
        raise UsageError(fields[_PROBLEM])
    if template is not None:
        prompt: Any = filled(template, fields)
    else:
        prompt = fields.get("prompt", fields.get("text"))
        if prompt is None:
            names = ", ".join(list(fields)[:_SHOWN]) or "none"
            raise UsageError(f"a row has no field `prompt` (it has: {names}); say --template 'Summarise: {{field}}'")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError("the prompt of a row is empty or no text")
    system = fields.get("system")
    return Query(prompt, id=_id_of(fields), system=system if isinstance(system, str) and system else None)


def _id_of(fields: Mapping[str, Any]) -> str | int | float | None:
    value = fields.get("id")
    return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


_PROBLEM: Final = "\0problem"  # a field that no file can have: why the row could not be read


def _json_rows(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            yield {_PROBLEM: f"line {number} is no JSON; each line must be one object", "line": line.rstrip("\r\n")}
            continue
        if isinstance(value, str):
            yield {"text": value}
        elif isinstance(value, dict):
            yield value
        else:
            yield {_PROBLEM: f"line {number} is neither an object nor a text", "line": line.rstrip("\r\n")}


def _text_rows(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        text = line.strip()
        if text:
            yield {"text": text}


def _csv_rows(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(lines)
    header = next(reader, None)
    if header is None:
        return
    names = [name.strip() for name in header]
    for values in reader:
        if not values:
            continue
        if len(values) > len(names):
            problem = f"line {reader.line_num} has {len(values)} fields and the header {len(names)}"
            yield {_PROBLEM: problem, "line": ",".join(values)}
            continue
        yield dict(zip(names, values, strict=False))


def shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row as they can be written to a file again."""
    return {name: value for name, value in fields.items() if name != _PROBLEM}


_FIELDS: Final = {"jsonl": _json_rows, "csv": _csv_rows, "text": _text_rows}
