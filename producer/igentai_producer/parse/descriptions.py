"""Where a name ends and its description begins: `**Name**: text`, `Name – text`, `Name: text`.

A colon or a dash may be part of a name (`The Lord of the Rings: The Fellowship of the Ring`). What most lines of a
reply do decides: where most have the same separator with a description behind it, all are cut there; else a line is
cut only where what follows is plainly prose.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from igentai_producer.parse.records import NAME_FIELDS
from igentai_producer.parse.words import is_caseless, is_description

_SEPARATORS: Final = {
    "dash": re.compile(r"\s+(?:[–—―−]|--?|——)\s+|(?<=\w)(?:——|[–—―])\s+|(?<=[\w)])(?:——|—)(?=\w)"),
    "colon": re.compile(r":\s+|\s*：\s*|\s:(?=\w)"),
    "arrow": re.compile(r"\s*(?:→|->|=>|⇒)\s*|\s=\s|\s\|\s"),
}
_FIELD: Final = re.compile(r"(?:\*\*)?(\w[\w ]{0,20}?)(?:\*\*)?\s*[:：](?:\*\*)?\s*(\S.*)")
_HEAD_WORDS: Final = 12
_HEAD_CHARACTERS: Final = 120
_LED: Final = re.compile(r"(\*\*|__|`|\*)(?=\S)")
_AFTER_NAME: Final = re.compile(r"\s*(?:[:–—―：,]|--?\s|→|->|=)")
_LONG_ASIDE: Final = 9
_ASIDE_WORDS: Final = 6  # a parenthesis longer than this explains, a shorter one may be part of the name


def names_of(contents: list[str]) -> list[str]:
    """Each content's name. As many as there are contents, in their order."""
    led = [_led_name(content) for content in contents]
    labels = [name for name in led if name is not None]
    if _are_labels(contents, led):
        led = [None] * len(contents)
    elif len(labels) * 5 >= len(contents) * 4:
        return [
            name if name is not None else _cut_if_prose(content) for name, content in zip(led, contents, strict=True)
        ]
    bare = [content for name, content in zip(led, contents, strict=True) if name is None]
    cuts = iter(_cut_alike(bare))
    return [name if name is not None else next(cuts) for name in led]


def field_values(contents: list[str]) -> list[str]:
    """The names in blocks of fields (`Name: Nile` / `Length: 6,650 km`); [] where the contents are no such blocks."""
    fields = [(match[1].lower(), match[2]) for content in contents if (match := _FIELD.match(content))]
    labels = {label for label, _ in fields}
    if len(fields) * 5 < len(contents) * 4 or len(labels) * 2 > len(fields):
        return []
    name = next((label for label in NAME_FIELDS if label in labels), None)
    return [value for label, value in fields if label == name]


def _are_labels(contents: list[str], led: list[str | None]) -> bool:
    """`**Name:** Paris`, `**Name:** Rome`: what is bold is the field, not the value."""
    labels = Counter(name for name in led if name is not None)
    return sum(labels.values()) >= 3 and len(labels) * 2 <= sum(labels.values()) and len(set(contents)) > len(labels)


def _led_name(content: str) -> str | None:
    """The name of a content that begins with an emphasised or quoted part, None for any other."""
    match = _LED.match(content)
    if match is None:
        return None
    sign = match[1]
    end = content.find(sign, match.end())
    if end < 0:
        return None
    inner, rest = content[match.end() : end].strip(), content[end + len(sign) :]
    if sign == "*" and (content.startswith("**") or rest[:1].isalnum()):
        return None
    if inner.endswith((":", "：", " -", " –", "—")):
        return inner.rstrip(":：-–— ") or None
    if not rest.strip():
        return f"{sign}{inner}{sign}" if sign == "`" else inner
    return _with_rest(inner, rest)


def _with_rest(inner: str, rest: str) -> str | None:
    aside = ""
    if rest.lstrip().startswith("("):
        close = _closing(rest)
        if close > 0 and len(rest[:close].split()) <= _ASIDE_WORDS:
            aside, rest = " " + rest[: close + 1].strip(), rest[close + 1 :]
        elif close > 0:
            rest = rest[close + 1 :]
    if not rest.strip(" .") or _AFTER_NAME.match(rest):
        return inner + aside
    return inner + aside if is_description(rest) and len(rest.split()) >= 3 else None


def _closing(text: str) -> int:
    """Where the first parenthesis of `text` closes, -1 if nowhere."""
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == ")" and depth == 0:
            return place
    return -1


def _cut_alike(contents: list[str]) -> list[str]:
    for kind in ("dash", "colon", "arrow"):
        splits = [_split(content, kind) for content in contents]
        tails = [split for split in splits if split is not None]
        if len(tails) >= 2 and len(tails) * 5 >= len(contents) * 3 and _explain(tails, len(contents)):
            return [split[0] if split else _cut_if_prose(c) for split, c in zip(splits, contents, strict=True)]
    return [_cut_if_prose(content) for content in contents]


def _explain(splits: list[tuple[str, str]], contents: int) -> bool:
    """Whether the tails explain the heads, by what they say or because few of them serve all heads."""
    described = sum(1 for _, tail in splits if is_description(tail))
    if described * 2 >= len(splits):
        return True
    heads, tails = {head for head, _ in splits}, {tail for _, tail in splits}
    return (
        len(splits) >= 5
        and len(splits) * 10 >= contents * 9
        and len(heads) == len(splits)
        and len(tails) * 10 <= len(splits) * 7
        and not is_caseless("".join(heads))
    )


def _split(content: str, kind: str) -> tuple[str, str] | None:
    """Head and tail at the first separator of `kind` with a description behind it, else at the first."""
    first = None
    for match in _SEPARATORS[kind].finditer(content[:1000]):
        head, tail = content[: match.start()].strip(), content[match.end() :].strip()
        if not head or not tail or len(head) > _HEAD_CHARACTERS or len(head.split()) > _HEAD_WORDS:
            continue
        if head.count("(") > head.count(")"):
            continue
        first = first or (head, tail)
        if is_description(_SEPARATORS[kind].split(tail, maxsplit=1)[0]):
            return head, tail
    return first


def _cut_if_prose(content: str) -> str:
    """The head of a line on its own, where plain prose follows its separator or fills its parenthesis."""
    if (name := _led_name(content)) is not None:
        return name
    for kind in ("dash", "colon"):
        split = _split(content, kind)
        if split and is_description(split[1]) and (len(split[1].split()) >= 5 or len(split[1]) >= 30):
            return split[0]
    if content.endswith(")") and (opening := content.find(" (")) > 0 and len(content[opening:].split()) > _LONG_ASIDE:
        return content[:opening]
    return content
