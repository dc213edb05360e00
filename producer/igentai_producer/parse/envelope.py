"""What a reply comes wrapped in: thoughts, tool calls, turn tokens, fences, HTML, escapes."""

from __future__ import annotations

import html
import re
from typing import Final

from igentai.lines import without_escapes

REPLY_CHARACTERS: Final = 2 * 1024 * 1024  # RELIABILITY.md: a body is at most 2 MiB

_SILENT: Final = re.compile(
    r"<(/?)(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|tool_call|tool_calls|tool_response|tool_use|"
    r"tool_result|function_call|function_calls|function_results|invoke|antml:\w+|search|planning)(?:\s[^<>]{0,200})?>",
    re.IGNORECASE,
)
_FINAL: Final = re.compile(r"<\|channel\|>\s*final\s*<\|message\|>")
_TURN_END: Final = re.compile(
    r"<\|(?:im_end|eot_id|endoftext|end|return|end_of_text)\|>|</s>|<end_of_turn>|<eos>|\[/INST\]"
)
_TOKENS: Final = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>(?:model|user)?|\[/?INST\]|<</?SYS>>"
)
_OTHER_TURN: Final = re.compile(
    r"\n[ \t]*(?:\*\*)?(?:user|human|#{2,4} ?(?:instruction|human|user|input|question|response))(?:\*\*)?:",
    re.IGNORECASE,
)
_PAGE: Final = re.compile(r"\s*(?:<!doctype|<html|<head\b|<body\b|<\?xml)", re.IGNORECASE)
_PAIRED: Final = re.compile(
    r"(?<!`)<(b|i|u|s|em|strong|span|mark|small|code|font|a|sup|sub|cite|q)(?:\s[^<>\n]{0,300})?>([^<>\n]*)</\1>",
    re.IGNORECASE,
)
_ELEMENT: Final = re.compile(r"[ \t]*<([A-Za-z][\w-]{0,40})(?:\s[^<>\n]{0,300})?>([^<>\n]+)</\1>[ \t]*")
_LONE_TAG: Final = re.compile(r"[ \t]*</?([A-Za-z][\w-]{0,40})(?:\s[^<>\n]{0,300})?/?>[ \t]*")
_FENCE: Final = re.compile(r"[ \t>]*(?:`{3,}|~{3,})[ \t]*[\w+.#-]*[ \t]*")
_BREAK: Final = re.compile(r"<br\s{0,4}/?>", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")


def unwrapped(reply: str) -> str:
    """The part of a reply that was meant as the answer; "" for an HTML page."""
    text = reply[:REPLY_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\u2028", "\n").replace("\u2029", "\n").lstrip("\ufeff")
    text = without_escapes(text)
    if "<" in text:
        text = _without_markup(text)
    text = _first_turn(text)
    if "\n" not in text and text.count("\\n") >= 2 and text.lstrip()[:1] not in "[{":  # escaped once too often
        text = text.replace("\\n", "\n").replace('\\"', '"')
    return _fenced(text)


def unescaped(text: str) -> str:
    """`AT&amp;T` as `AT&T`."""
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


def _without_markup(text: str) -> str:
    if final := list(_FINAL.finditer(text)):
        text = text[final[-1].end() :]
    text = _spoken(text)
    end = _TURN_END.search(text)
    if end and text[: end.start()].strip():
        text = text[: end.start()]
    text = _TOKENS.sub("", text)
    if _PAGE.match(text):
        return ""
    return _without_tags(text)


def _spoken(text: str) -> str:
    """`text` without its thoughts. A close without its opening ends thoughts that began in the prompt."""
    kept: list[str] = []
    at = depth = 0
    for tag in _SILENT.finditer(text):
        if tag[1]:
            if depth == 0:
                kept.clear()
            depth = max(depth - 1, 0)
            at = tag.end()
        else:
            if depth == 0:
                kept.append(text[at : tag.start()])
            depth += 1
    if depth == 0:
        kept.append(text[at:])
    return "".join(kept)


def _first_turn(text: str) -> str:
    """A small model goes on with a conversation of its own: only its first turn is the answer."""
    other = _OTHER_TURN.search(text)
    return text[: other.start()] if other and text[: other.start()].strip() else text


def _without_tags(text: str) -> str:
    text = re.sub(r"(?<!`)<li\b[^<>\n]{0,300}>", "\n- ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<!`)(?:</li>|</?(?:p|div)\b[^<>\n]{0,300}>)", "\n", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<!`)<h[1-6]\b[^<>\n]{0,300}>([^<>\n]*)</h[1-6]>", r"\n# \1\n", text, flags=re.IGNORECASE)
    text = _PAIRED.sub(r"\2", text)
    closed = {name.lower() for name in re.findall(r"</([A-Za-z][\w-]{0,40})>", text)}
    return "\n".join(_untagged(line, closed) for line in text.split("\n"))


def _untagged(line: str, closed: set[str]) -> str:
    if "<" not in line:
        return line
    if element := _ELEMENT.fullmatch(line):
        return f"- {element[2]}"
    if (lone := _LONE_TAG.fullmatch(line)) and lone[1].lower() in closed:
        return ""
    return _BREAK.sub(" " if "|" in line else "\n", line)


def _fenced(text: str) -> str:
    """The inside of the fences where the list is in there, else everything without the fences themselves."""
    if "```" not in text and "~~~" not in text:
        return text
    inside: list[str] = []
    outside: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.fullmatch(line):
            fenced = not fenced
            (inside if fenced else outside).append("")
        else:
            (inside if fenced else outside).append(line)
    if sum(1 for line in inside if line.strip()) >= 2 and not any(_is_listed(line) for line in outside):
        return "\n".join(inside)
    return "\n".join(
        line.replace("```json", "").replace("```", "") for line in text.split("\n") if not _FENCE.fullmatch(line)
    )


def _is_listed(line: str) -> bool:
    return re.match(r"\s*(?:[-*•+]|\d{1,4}[.)])\s", line) is not None
