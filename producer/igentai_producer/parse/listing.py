"""Lists by lines: numbered, bulleted, nested, under headings, or one name a line.

The marked lines form a tree. On each level of it either the lines below describe those above (`Located in Paris`,
`Year: 1889`), then the upper ones are the items, or they are the members of groups, then the lower ones are.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from igentai_producer.parse.chatter import is_chatter, opens_list
from igentai_producer.parse.marks import Line, Mark
from igentai_producer.parse.words import capitals, ends_as_sentence, is_caseless, is_sentence, is_unspaced

_FIELD: Final = re.compile(r"(?:\*\*|__)?([^:*_]{1,30}?)(?:\*\*|__)?\s*[:：](?:\*\*|__)?\s*\S")
_NAMED: Final = re.compile(r"(?:\*\*|__)[^*_]+(?:\*\*|__)|[^:–—]{1,60}(?::\s|\s[–—-]\s)")
_SENTENCE_END: Final = re.compile(r"[.!?]\s|[。！？].")
_PROSE_WORDS: Final = 14


@dataclass(slots=True)
class Node:
    """A marked line or a heading, and what is below it."""

    line: Line
    children: list[Node] = field(default_factory=list)
    has_prose: bool = False  # unmarked text follows it


def listed(lines: list[Line], *, small_model: bool = False) -> list[str]:
    """The contents of the list in `lines`, names and descriptions together; [] where there is none.

    From a small model sentences, one a line, are rambling; from any other they may be what was asked for.
    """
    marked = sum(1 for line in lines if line.mark in (Mark.NUMBER, Mark.BULLET))
    plain = [line for line in lines if line.mark is Mark.PLAIN and not _is_aside(line.text)]
    if marked >= 2 or (marked == 1 and not plain):
        if _continues_opening(lines):
            return [lines[0].text, *_from_tree(lines[1:])]
        return _from_tree(lines)
    rank = max((line.indent for line in lines if line.mark is Mark.HEADING), default=0)
    headings = [line for line in lines if line.mark is Mark.HEADING and line.indent == rank]
    if _are_items(headings, plain):
        return [line.text for line in headings]
    texts = [line.whole for line in lines if line in plain or line.mark is Mark.NUMBER]
    if not small_model and len(texts) >= 3 and all(map(_is_one_sentence, texts)):
        return texts
    return _one_a_line(texts)


def _is_aside(text: str) -> bool:
    return opens_list(text) or is_chatter(text)


def _continues_opening(lines: list[Line]) -> bool:
    """The prompt ended with `1.` and the model went on behind it: its first line is an item without marker."""
    if lines[0].mark is not Mark.PLAIN or _is_aside(lines[0].text) or is_sentence(lines[0].text):
        return False
    return lines[1].mark is Mark.NUMBER and lines[1].number == 2


def _are_items(headings: list[Line], plain: list[Line]) -> bool:
    """Whether the headings are the list and what is below them describes them."""
    if len(headings) < 2:
        return False
    if not plain:
        return True
    return sum(1 for line in plain if _is_prose(line.text)) * 2 > len(plain)


def _one_a_line(texts: list[str]) -> list[str]:
    names = [text for text in texts if not _is_prose(text)]
    return names if len(names) * 2 >= len(texts) else []


def _is_one_sentence(text: str) -> bool:
    """Whether the line is one short sentence, as proverbs and questions are."""
    return ends_as_sentence(text) and _SENTENCE_END.search(text) is None and len(text.split()) <= 2 * _PROSE_WORDS


def _is_prose(text: str) -> bool:
    if text.startswith("**") and "**" in text[2:]:
        return False  # **Name** is a long story
    if is_sentence(text, 5):
        return True
    if is_unspaced(text):
        return len(text) > 40
    return len(text.split()) > _PROSE_WORDS and not is_caseless(text) and capitals(text) < 0.6


def _from_tree(lines: list[Line]) -> list[str]:
    level = _forest(lines)
    while kids := [kid for node in level for kid in node.children]:
        parents = [node for node in level if node.children]
        if _describe(kids, parents, len(level)):
            break
        level = [node for parent in level for node in (parent.children or [parent])]
    headings = [node for node in level if node.line.mark is Mark.HEADING]
    if len(headings) < len(level):  # a heading with nothing below it names no item beside items
        level = [node for node in level if node.line.mark is not Mark.HEADING or node.children]
    return [node.line.text for node in level]


def _forest(lines: list[Line]) -> list[Node]:
    roots: list[Node] = []
    stack: list[Node] = []  # the path to the last marked line
    headings: list[Node] = []  # the path to the last heading
    for line in lines:
        if line.mark is Mark.PLAIN and not opens_list(line.text):
            if stack:
                stack[-1].has_prose = True
            continue
        node = Node(line)
        if line.mark in (Mark.HEADING, Mark.PLAIN):
            while headings and headings[-1].line.indent >= line.indent:
                headings.pop()
            if line.mark is Mark.HEADING:
                (headings[-1].children if headings else roots).append(node)
                headings.append(node)
            stack.clear()
            continue
        _unwind(stack, line)
        (stack[-1].children if stack else headings[-1].children if headings else roots).append(node)
        stack.append(node)
    return roots


def _unwind(stack: list[Node], line: Line) -> None:
    """Takes from the path what `line` does not belong below.

    Bullets behind a number are below it even where nobody indented them; the next number is beside the first.
    """
    while stack:
        top = stack[-1].line
        if top.indent < line.indent - 1:
            return
        if top.mark is line.mark and top.indent <= line.indent + 1 and not _has_other(stack, line):
            stack.pop()
            return
        if top.mark is not line.mark and abs(top.indent - line.indent) <= 1 and not _has_same(stack, line):
            return
        stack.pop()


def _has_same(stack: list[Node], line: Line) -> bool:
    return any(node.line.mark is line.mark and abs(node.line.indent - line.indent) <= 1 for node in stack)


def _has_other(stack: list[Node], line: Line) -> bool:
    """Whether a line of the same mark further up the path stands exactly as `line` does."""
    return any(node.line.mark is line.mark and node.line.indent == line.indent for node in stack[:-1])


def _describe(kids: list[Node], parents: list[Node], siblings: int) -> bool:
    """Whether `kids` describe their parents rather than being members of them."""
    texts = [kid.line.text for kid in kids]
    labels = Counter(match[1].strip().lower() for text in texts if (match := _FIELD.match(text)))
    labelled = sum(labels.values())
    if len(parents) >= 2 and labelled * 2 >= len(texts) and len(labels) * 2 <= labelled:
        return True
    if sum(1 for text in texts if _tells(text)) * 2 >= len(texts):
        return True
    return len(parents) >= 3 and len(kids) * 10 <= len(parents) * 13 and len(parents) * 2 > siblings


def _tells(text: str) -> bool:
    """Whether a line below an item tells something about it: prose, and not a name with its own description."""
    if _NAMED.match(text):
        return False
    if is_sentence(text, 3):
        return True
    if is_unspaced(text):
        return len(text) > 15
    words = len(text.split())
    return words >= 8 or (words >= 4 and not is_caseless(text) and capitals(text) < 0.6)
