"""One line of a reply: how far it is indented, which list marker it carries, what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final


class Mark(StrEnum):
    NUMBER = "number"
    BULLET = "bullet"
    HEADING = "heading"  # `# …`, or a line that is bold as a whole
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """`indent` in columns (of a heading: its rank), `number` of a numbered line, `text` without its marker.

    `whole` is the line with its marker, which may turn out to be part of a name: (500) Days of Summer.
    """

    indent: int
    mark: Mark
    text: str
    number: int = 0
    whole: str = ""


_CIRCLED: Final = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
_STRONG: Final = re.compile(
    r"(?P<bold>\*\*|__)?"
    r"(?:[(\[（【]?(?P<n>\d{1,4})(?:\\?\.(?=\s|\*\*|$)|[)\]）】](?=\s|\*\*|$)|[、．](?!\d))|(?P<c>[①-⑳])|"
    r"(?P<k>\d)\ufe0f?\u20e3|"
    r"#(?P<h>\d{1,4})[:.)]?(?=\s))"
    r"(?P<end>\*\*|__)?[ \t]*"
)
# Marks that open a name as often as they number a line: they count only where they count up.
_WEAK: Final = re.compile(
    r"(?P<bold>\*\*)?"
    r"(?:(?:item|step|part|category|group|option|tip|idea|day|question|example|number|nr|no|entry|rank)\.?[ ]?"
    r"|[№第]|n°[ ]?)?"
    r"(?P<n>\d{1,4})(?:[.)](?=\S)|\s?[:–—：-]\s|\s-\s?|\s?[-–—]\s|位[:：]?|\.)"
    r"(?P<end>\*\*)?[ \t]*",
    re.IGNORECASE,
)
_LETTER: Final = re.compile(r"\(?(?P<l>[a-zA-Zа-я])[.)][ \t]+")
_ROMAN: Final = re.compile(r"\(?(?P<r>[IVXLC]{1,7}|[ivxlc]{1,7})[.)][ \t]+")
_BULLET: Final = re.compile(
    r"(?:[•◦・･‣⁃∙●○◆◇■□▪▫►▸▶➤➢➔✓✔✗✘☐☑☒✅❖✦✧·]\ufe0f?[ \t]*|(?:[-*+–—−―→›»>※★☆~o]|->|"
    r"=>)\ufe0f?[ \t]+)(?:\[[ xX✓]?\][ \t]+)?"
)
_TIGHT: Final = re.compile(r"[-–—•*](?=[^\s\-–—*])")  # a bullet without its space, where most lines have one
_HASHES: Final = re.compile(r"#{1,6}[ \t]+")
_QUOTED: Final = re.compile(r"(?:>[ \t]?)+")
_BOLD: Final = re.compile(r"(?:\*\*|__)(?=\S)([^*\n]+)(?:\*\*|__)[:：]?")
_BOLD_RANK: Final = 7  # below every `#`
_ROMANS: Final = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


def lines_of(text: str) -> list[Line]:
    """The lines of `text` that say something, with their markers read."""
    rows = [(_indent(raw), _bare(raw)) for raw in text.split("\n")]
    rows = [(indent, bare) for indent, bare in rows if _says_something(bare)]
    bares = [bare for _, bare in rows]
    counting = _counts_up([_weak_number(bare) for bare in bares])
    lettered = _counts_up([_letter_number(bare) for bare in bares], least=3)
    roman = _counts_up([_roman_number(bare) for bare in bares])
    tight = sum(1 for bare in bares if _TIGHT.match(bare) and not bare.startswith("**")) * 5 >= len(bares) * 3
    patterns = [_STRONG]
    patterns += [_WEAK] if counting else []
    patterns += [_ROMAN] if roman else []
    patterns += [_LETTER] if lettered else []
    return [replace(_read(indent, bare, patterns, tight=tight), whole=bare) for indent, bare in rows]


def _indent(raw: str) -> int:
    quoted = _QUOTED.match(raw)
    raw = raw[quoted.end() :] if quoted else raw
    expanded = raw.replace("\t", "    ").replace("\u3000", "  ").replace("\xa0", " ")
    return len(expanded) - len(expanded.lstrip())


def _bare(raw: str) -> str:
    stripped = raw.strip().strip("\u200b\u200e\u200f\ufeff")
    quoted = _QUOTED.match(stripped)
    return stripped[quoted.end() :].strip() if quoted else stripped


def _says_something(bare: str) -> bool:
    if bare.startswith("|") and bare.count("|") > 1:
        return False  # a row of a table that was cut off before it had any
    return any(char.isalnum() for char in bare) or _is_sign(bare)


def _is_sign(bare: str) -> bool:
    """A marker with a name of signs behind it: `- &&`, `3. !=`."""
    return _BULLET.match(bare) is not None and len(bare.split()) == 2


def _read(indent: int, bare: str, patterns: list[re.Pattern[str]], *, tight: bool) -> Line:
    hashes = _HASHES.match(bare)
    rest = bare[hashes.end() :].rstrip("# ") if hashes else bare
    bullet = None if hashes else _BULLET.match(rest)
    if bullet:
        line = _numbered(indent, rest[bullet.end() :], patterns)  # `- 1. Paris`
        return replace(line, mark=Mark.BULLET) if line else Line(indent, Mark.BULLET, rest[bullet.end() :].strip())
    line = _numbered(indent, rest, patterns)
    if line:
        inner = _BULLET.match(line.text)
        line = replace(line, text=line.text[inner.end() :]) if inner else line
        return replace(line, mark=Mark.HEADING, indent=_rank(hashes)) if hashes else line
    if hashes:
        return Line(_rank(hashes), Mark.HEADING, rest.strip())
    if tight and (dash := _TIGHT.match(rest)) and not rest.startswith("**"):
        return Line(indent, Mark.BULLET, rest[dash.end() :])
    if _BOLD.fullmatch(rest):
        return Line(_BOLD_RANK, Mark.HEADING, rest)
    return Line(indent, Mark.PLAIN, rest)


def _rank(hashes: re.Match[str]) -> int:
    return len(hashes[0].rstrip())


def _numbered(indent: int, text: str, patterns: list[re.Pattern[str]]) -> Line | None:
    for pattern in patterns:
        match = pattern.match(text)
        if match is None:
            continue
        rest = text[match.end() :]
        groups = match.groupdict()
        if groups.get("bold") and not groups.get("end"):
            rest = groups["bold"] + rest  # `**1. Paris**` is `**Paris**`
        return Line(indent, Mark.NUMBER, rest.strip(), _number_of(groups))
    return None


def _number_of(groups: dict[str, str | None]) -> int:
    if digits := groups.get("n") or groups.get("h") or groups.get("k"):
        return int(digits)
    if circled := groups.get("c"):
        return _CIRCLED.index(circled) + 1
    if roman := groups.get("r"):
        return _roman(roman)
    letter = (groups.get("l") or "a").lower()
    return ord(letter) - ord("a" if letter.isascii() else "а") + 1


def _weak_number(bare: str) -> int | None:
    match = _WEAK.match(bare)
    return int(match["n"]) if match else None


def _letter_number(bare: str) -> int | None:
    match = _LETTER.match(bare)
    return _number_of(match.groupdict()) if match else None


def _roman_number(bare: str) -> int | None:
    match = _ROMAN.match(bare)
    return _roman(match["r"]) if match else None


def _roman(numeral: str) -> int:
    values = [_ROMANS[char] for char in numeral.lower()]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _counts_up(numbers: list[int | None], least: int = 2) -> bool:
    """Whether most of the numbers follow on the one before: 1, 2, 3; restarts are allowed."""
    known = [number for number in numbers if number is not None]
    steps = sum(1 for one, two in pairwise(known) if two == one + 1)
    return len(known) >= least and steps >= 1 and steps * 10 >= (len(known) - 1) * 8 and known[0] <= 30
