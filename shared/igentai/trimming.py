"""What stands around a name in a reply and is not part of it: list markers, quotes, markdown, closing punctuation."""

from __future__ import annotations

import re
from typing import Final

# Signs nobody begins a name with need no space behind them; a dash, a star or a plus does (`-1`, `*NSYNC`, `+44`).
_BULLETS: Final = "•・･◦‣⁃∙●○◆◇■□▪▫►▸▶➤➢➔✓✔✗✘☐☑☒✅❖✦✧·"
_MARKER: Final = re.compile(
    rf"(?:[{_BULLETS}]\ufe0f?\s*"
    r"|(?:[-*+–—−―→>※★☆]|->|=>)\ufe0f?\s+"
    r"|#{1,6}\s+"
    r"|\[[ xX✓]\]\s+"
    r"|\d{1,4}(?:\\?\.|[)\]])\s+"  # 1. 1) 1] and 1\. as markdown escapes it
    r"|[(\[]\d{1,2}[)\]]\s+"  # (1) [1]; three digits may be a title: (500) Days of Summer
    r"|[（(]\d{1,3}）\s*|\d{1,3}[、．]\s*"
    r"|[0-9]\ufe0f?\u20e3\s*|[①-⓿❶-➓]\s*"
    r"|[a-zA-Z]\)\s+)"
)
_ITALIC: Final = re.compile(r"(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])")
_UNDERSCORED: Final = re.compile(r"_([^\s_](?:[^_]*[^\s_])?)_")
_PYTHON_STARS: Final = re.compile(r"\*{1,2}[a-z_][a-z0-9_]*")  # *args, **kwargs
_PAIRS: Final = {
    '"': '"',
    "'": "'",
    "“": "”",
    "”": "”",
    "„": "“”",
    "‘": "’",
    "‚": "‘’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    "【": "】",
    "＂": "＂",
}
_INNER_APOSTROPHE: Final = re.compile(r"(?<=\w)['’](?=\w)")
_CLOSING: Final = ",;:，；：、،؛"
_OPENING: Final = ",;，；、،؛。 "  # not the colon: :hover
_STOPS: Final = ".。．…।"
_DOTTED: Final = re.compile(r"(?:^|[\s(])(?:[^\W\d_]\.){2,}$")  # U.S.A., S.p.A. has its own entry below
_ABBREVIATIONS: Final = re.compile(
    "inc|ltd|co|corp|bros|jr|sr|st|mt|ft|dr|mr|mrs|ms|prof|no|vol|ed|al|ave|blvd|rd|esq|gen|col|capt|sgt|rev|hon|"
    r"dept|univ|assn|intl|pty|llc|plc|s\.p\.a|ph\.d|m\.d|spp?|var|subsp|cf|vs"
)
_SIGNS: Final = "&%@/\\§¶†‡"  # punctuation to Unicode, and names all the same


def trimmed_once(text: str) -> str:
    """`text`, one legal line, without its outermost layer of what is not the name."""
    text = _MARKER.sub("", text, count=1) if _MARKER.match(text) else text
    text = _without_emphasis(text)
    text = _unquoted(text)
    return _closed(text)


def says_nothing(text: str) -> bool:
    """Whether no letter, digit or symbol is left: a rule (`---`), a lone bullet, an ellipsis."""
    return not any(char.isalnum() or char in _SIGNS or _is_symbol(char) for char in text)


def _is_symbol(char: str) -> bool:
    return char in "+=<>|^~$`" or (not char.isascii() and not char.isspace() and char not in _NOTHING)


_NOTHING: Final = frozenset(_BULLETS + _CLOSING + _STOPS + "–—−―‐‑‒→※★☆“”„‘’‚«»‹›「」『』《》〈〉【】·・！？‥＊")


def _without_emphasis(text: str) -> str:
    if "`" in text and text.count("`") % 2 == 0:
        text = text.replace("`", "")
    if "*" in text:
        text = _without_stars(text)
    if "~~" in text and text.count("~~") % 2 == 0:
        text = text.replace("~~", "")
    if text.startswith("_") and (match := _UNDERSCORED.fullmatch(text)):
        text = match[1]
    return text


def _without_stars(text: str) -> str:
    bold = text.count("**")
    if bold and bold % 2 == 0 and _opens_bold(text):
        text = text.replace("**", "")
    elif bold == 1 and text.endswith("**"):
        text = text[:-2]
    elif bold == 1 and text.startswith("**") and not _PYTHON_STARS.fullmatch(text):
        text = text[2:]
    return _ITALIC.sub(r"\1", text)


def _opens_bold(text: str) -> bool:
    """`**` opens where a word could begin; `2**3` is arithmetic."""
    at = text.index("**")
    return not (at and text[at - 1].isalnum()) or text.endswith("**")


def _unquoted(text: str) -> str:
    closers = _PAIRS.get(text[:1])
    if closers and len(text) > 1 and text[-1] in closers:
        inner = text[1:-1]
        if not _has_quote(inner, text[0], text[-1]):
            return inner
    if text.count('"') == 1:  # the other one was lost; behind a digit it means inches
        if text[0] == '"':
            return text[1:]
        if text[-1] == '"' and not text[-2].isdigit():
            return text[:-1]
    return text


def _has_quote(inner: str, opener: str, closer: str) -> bool:
    """Whether the quotes inside make it likely that the outer two are no pair: `"Weird Al" and "Eat It"`."""
    if closer in "'’":
        inner = _INNER_APOSTROPHE.sub("", inner)
    return opener in inner or closer in inner


def _closed(text: str) -> str:
    text = text.rstrip(_CLOSING + " ").lstrip(_OPENING)
    if text.startswith((". ", ": ", ") ")):
        text = text[2:]
    bare = text.rstrip(_STOPS)
    if bare == text or (text.endswith(".") and len(text) - len(bare) == 1 and _is_abbreviated(text)):
        return text
    return bare


def _is_abbreviated(text: str) -> bool:
    """Whether the last full stop belongs to the name: Jr., Inc., U.S.A."""
    word = text[:-1].rsplit(None, 1)[-1].lower() if text[:-1].strip() else ""
    return _ABBREVIATIONS.fullmatch(word.lstrip("(")) is not None or _DOTTED.search(text) is not None
