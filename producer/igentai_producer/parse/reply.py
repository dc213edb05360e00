"""A whole reply: which kind of list it is, and what of it is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from igentai.text import clean, key
from igentai_producer.parse.chatter import is_chatter, is_filler, is_stray, opens_list, says_none
from igentai_producer.parse.commas import category_lists, comma_names, inline_names
from igentai_producer.parse.descriptions import field_values, names_of
from igentai_producer.parse.envelope import unescaped, unwrapped
from igentai_producer.parse.listing import listed
from igentai_producer.parse.marks import Line, Mark, lines_of
from igentai_producer.parse.objects import objects
from igentai_producer.parse.records import named
from igentai_producer.parse.refusal import is_refusal
from igentai_producer.parse.tables import table_names
from igentai_producer.parse.words import is_sentence

ITEMS: Final = 1000  # RELIABILITY.md: at most so many in a batch
_CHARACTERS: Final = 4096  # of a line that are looked at: no name is longer
_LINES: Final = 20_000  # lines looked at: twenty times what can be kept

_LINK: Final = re.compile(r"!?\[([^\[\]\n]{1,300})\]\([^()\s]{0,500}(?:\([^()\s]{0,100}\)[^()\s]{0,100})?\)")
_CITATION: Final = re.compile(r"(?:\s?(?:【[^【】]{0,40}】|\[\d{1,3}\]|\[\^\w{1,8}\])){1,8}$")
_TRAILING: Final = re.compile(r"(?<=\S)\s*\([^()]{0,200}\)?$")
_ESCAPED: Final = re.compile(r"\\([_*#&~\[\]()>!])")
_EMOJI: Final = re.compile(
    "(?:[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff](?:[\ufe0f\u200d\u2640\u2642]|[\U0001f3fb-\U0001f3ff])*)+\\s+"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """`items` are clean, distinct by key and in reply order; `dropped` counts candidates that were not kept."""

    items: tuple[str, ...]
    refusal: bool
    dropped: int


def parse(reply_text: str, *, truncated: bool = False, small_model: bool = False) -> Parsed:
    """The items a reply lists.

    Args:
        reply_text: the reply as it came.
        truncated: the reply was cut off; what stands last in it is not whole.
        small_model: expect rambling; what reads as a sentence is never an item.
    """
    text = unwrapped(reply_text)
    contents = _contents(text, truncated=truncated, small_model=small_model)
    items, dropped = _kept(contents, small_model=small_model)
    if is_refusal(text, items):
        return Parsed((), refusal=True, dropped=dropped + len(items))
    return Parsed(tuple(items), refusal=False, dropped=dropped)


def _contents(text: str, *, truncated: bool, small_model: bool) -> list[str]:
    """The names in `text`, not yet cleaned."""
    if not text.strip() or says_none(text.strip()):
        return []
    if (found := _from_json(text)) is not None:
        return found
    raw = text.split("\n", _LINES)[:_LINES]
    if names := table_names(raw, truncated=truncated):
        return names_of(names)
    return _from_lines("\n".join(raw), truncated=truncated, small_model=small_model)


def _from_json(text: str) -> list[str] | None:
    """The items of a reply in JSON; None for one that is not."""
    stripped = text.strip()
    if stripped.startswith(('"', "“")) and stripped.endswith("]"):  # the prompt ended with the bracket
        text = f"[{stripped}"
    found = objects(text)
    names = named(found.values) if found.values else []
    if not names:
        return None
    share = found.characters / max(1, len(text.strip()))
    if share < 0.9 and all(name.isdigit() for name in names):
        return None  # [1], [2]: citations
    if share < 0.4 and len(names) < 3:
        return None
    if len(names) == 1 and names[0].count("\n") >= 1:
        return _from_lines(names[0], truncated=False)
    return names_of(names)


def _from_lines(text: str, *, truncated: bool, small_model: bool = False) -> list[str]:
    lines = lines_of(text)
    if not lines:
        return []
    if names := _from_commas(lines, truncated=truncated):
        return names
    if truncated and not text.endswith("\n"):
        lines.pop()
    contents = [_tidied(content) for content in listed(lines, small_model=small_model)] if lines else []
    contents = _without_emoji(contents)
    return category_lists(contents) or field_values(contents) or names_of(contents)


def _from_commas(lines: list[Line], *, truncated: bool) -> list[str]:
    """The parts of a reply without list markers that is one comma list, or one line with many markers in it."""
    said = [line for line in lines if line.mark in (Mark.PLAIN, Mark.HEADING) and not _is_around(line.text)]
    marked = [line for line in lines if line.mark in (Mark.NUMBER, Mark.BULLET)]
    if len(marked) <= 1:
        for line in lines:
            whole = f"{line.number}. {line.text}" if line.mark is Mark.NUMBER else line.text
            whole = f"• {whole}" if line.mark is Mark.BULLET else whole
            if names := inline_names(whole, truncated=truncated and line is lines[-1]):
                return names
    if marked or not said or (len(said) > 1 and not _is_wrapped(said)):
        return []
    text = "\n".join(line.text for line in said)
    announced = len(said) < len(lines)
    label, colon, tail = text.partition(":")
    if colon and "," not in label and "\n" not in label and tail.count(",") >= 2:
        text, announced = tail, True
    return comma_names(text, announced=announced, truncated=truncated)


def _is_around(text: str) -> bool:
    return opens_list(text) or (is_chatter(text) and text.count(",") < 3) or (is_sentence(text) and text.count(",") < 3)


def _is_wrapped(lines: list[Line]) -> bool:
    """Whether the lines are one list that was wrapped: all but the last end with a comma, or hold many."""
    if all(":" in line.text[:40] for line in lines):  # categories, a line each
        return False
    return all(line.text.endswith((",", "，", "、", ";")) and line.text.count(",") != 1 for line in lines[:-1]) or all(
        line.text.count(",") >= 3 for line in lines
    )


def _tidied(content: str) -> str:
    content = content[:_CHARACTERS]
    content = _LINK.sub(r"\1", content) if "](" in content else content
    if "\\" in content and "`" not in content:
        content = _ESCAPED.sub(r"\1", content)
    return _CITATION.sub("", unescaped(content))


def _without_emoji(contents: list[str]) -> list[str]:
    """Emoji that stand before most of the names are bullets."""
    bare = [_EMOJI.sub("", content, count=1) if _EMOJI.match(content) else content for content in contents]
    changed = sum(1 for one, other in zip(contents, bare, strict=True) if one != other)
    return bare if changed * 5 >= len(contents) * 3 and all(bare) else contents


def _rambled(content: str) -> str:
    """A small model's line without the bracket it trails off into; nothing of one that repeats itself."""
    words = content.lower().split()
    if len(words) >= 6 and len(set(words)) * 2 <= len(words):
        return ""
    return _TRAILING.sub("", content)


def _kept(contents: list[str], *, small_model: bool) -> tuple[list[str], int]:
    sentences = [is_sentence(content) for content in contents]
    # Where half the items are sentences, sentences were asked for: proverbs, questions.
    spare = not small_model and sum(is_sentence(content, 3) for content in contents) * 2 >= len(contents)
    kept: dict[str, str] = {}
    dropped = 0
    for content, sentence in zip(contents, sentences, strict=True):
        if small_model:
            content = _rambled(content)
        item = None if (sentence and not spare) or is_stray(content) else clean(content)
        if item is None or is_filler(item) or len(kept) >= ITEMS or (found := key(item)) in kept:
            dropped += 1
        else:
            kept[found] = item
    return list(kept.values()), dropped
