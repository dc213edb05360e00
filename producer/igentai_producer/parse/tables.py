"""Tables: markdown, drawn with lines, tab separated, CSV. Which column is the name?"""

from __future__ import annotations

import csv
import re
from itertools import groupby
from typing import Final, TypeAlias

from igentai_producer.parse.records import NAME_FIELDS

Row: TypeAlias = list[str]

_BARS: Final = str.maketrans("│┃║｜", "||||")
_RULE: Final = re.compile(r"[\s|+:=\-─━═┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬]+")
_CELL: Final = re.compile(r"(?<!\\)\|")
_NUMERIC: Final = re.compile(r"[^\w]*(?:\d[\d.,:]*%?)?[^\w]*")
_NUMBER_HEADS: Final = frozenset(
    ["#", "no", "no.", "nr", "nr.", "n°", "nº", "id", "rank", "index", "s.no", "编号", "序号", "№"]
)
_ASIDE_HEADS: Final = frozenset(
    {"category", "type", "group", "kind", "region", "genre", "class", "letter", "description", "details", "notes"}
    | {"类别", "類別", "категория", "catégorie", "categoría", "kategorie"}
)


def table_names(lines: list[str], *, truncated: bool) -> list[str]:
    """The names of all tables in `lines`, in order; [] where there is no table."""
    names = _from_bars(lines, truncated=truncated)
    return names or _from_tabs(lines, truncated=truncated) or _from_csv(lines, truncated=truncated)


def _from_bars(lines: list[str], *, truncated: bool) -> list[str]:
    drawn = [line.strip().translate(_BARS) for line in lines]
    last = max((place for place, line in enumerate(drawn) if line), default=-1)
    names: list[str] = []
    for is_row, group in groupby(enumerate(drawn), key=lambda numbered: _is_row(numbered[1])):
        if is_row:
            block = list(group)
            cut = truncated and block[-1][0] == last and not block[-1][1].endswith("|")
            names += _of_block([line for _, line in (block[:-1] if cut else block)])
    return names


def _is_row(line: str) -> bool:
    return "|" in line or (len(line) > 2 and line[0] in "+┌├└╔╠╚" and _RULE.fullmatch(line) is not None)


def _of_block(block: list[str]) -> list[str]:
    """A block of lines with bars is a table if it has a rule or every line begins with a bar."""
    rules = [place for place, line in enumerate(block) if _RULE.fullmatch(line) and any(c not in " |+" for c in line)]
    if not rules and not (len(block) > 1 and all(line.startswith("|") for line in block)):
        return []
    rows = [_cells(line) for place, line in enumerate(block) if place not in set(rules)]
    heads = next((rule for rule in rules if rule > 0), 0)
    header = rows[0] if rows and heads and heads <= 2 else []
    return _column([row for row in rows if row != header], header)


def _cells(line: str) -> Row:
    inner = line.removeprefix("|")
    inner = inner.removesuffix("|") if not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(inner)]


def _from_tabs(lines: list[str], *, truncated: bool) -> list[str]:
    filled = [line.strip("\n ") for line in lines if line.strip()]
    rows = [[cell.strip() for cell in line.split("\t")] for line in filled if "\t" in line.strip()]
    if len(rows) < 3 or len(rows) * 10 < len(filled) * 8:
        return []
    if truncated and "\t" in filled[-1]:
        rows.pop()
    return _headed(rows)


def _from_csv(lines: list[str], *, truncated: bool) -> list[str]:
    """Comma separated only where the first line is a header: commas alone make no table."""
    filled = [line for line in lines if line.strip()]
    if len(filled) < 3 or "," not in filled[0]:
        return []
    heads = [head.strip().strip('"').lower() for head in filled[0].split(",")]
    if not any(head in NAME_FIELDS or head in _NUMBER_HEADS for head in heads) or any(len(h) > 30 for h in heads):
        return []
    rows = list(csv.reader(filled[:-1] if truncated else filled))
    return _headed([row for row in rows if len(row) >= len(heads)])


def _headed(rows: list[Row]) -> list[str]:
    first = [cell.lower().strip("*_ ") for cell in rows[0]]
    if any(cell in NAME_FIELDS or cell in _NUMBER_HEADS for cell in first):
        return _column(rows[1:], rows[0])
    return _column(rows, [])


def _column(rows: list[Row], header: Row) -> list[str]:
    rows = [row for row in rows if any(row)]
    if not rows:
        return []
    place = _name_column(rows, [cell.lower().strip("*_: ") for cell in header])
    return [row[place] for row in rows if place < len(row) and row[place]]


def _name_column(rows: list[Row], heads: Row) -> int:
    width = max(map(len, rows))
    for name in NAME_FIELDS:
        if name in heads and not _is_numeric(rows, heads.index(name)):
            return heads.index(name)
    wordy = [p for p in range(width) if not _is_numeric(rows, p) and (p >= len(heads) or heads[p] not in _NUMBER_HEADS)]
    own = [p for p in wordy if _variety(rows, p) >= 0.7]
    plain = [p for p in own if p >= len(heads) or heads[p] not in _ASIDE_HEADS]
    return (plain or own or wordy or [0])[0]


def _is_numeric(rows: list[Row], place: int) -> bool:
    cells = [row[place] for row in rows if place < len(row)]
    return sum(1 for cell in cells if _NUMERIC.fullmatch(cell)) * 10 >= len(cells) * 8


def _variety(rows: list[Row], place: int) -> float:
    cells = [row[place] for row in rows if place < len(row)]
    return len(set(cells)) / len(cells) if cells else 0.0
