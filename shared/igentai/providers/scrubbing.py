"""One line for people out of what a provider said: no key, no prompt, no control characters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DETAIL_LIMIT: Final = 200
_READ_LIMIT: Final = 800
_ECHO: Final = 24
"""So many characters in a row that are also in the prompt are taken for an echo of it."""

_INVISIBLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]+"
)
_KEYLIKE: Final = re.compile(
    r"""
    \b(?:sk|pk|rk|gsk|xai|csk|hf|key|AIza|ya29|fw|tgp|nvapi|pplx)[-_.]?[A-Za-z0-9*._-]{8,}
    | \bBearer\s+\S+
    | \b(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_]{28,}  # long and random-looking
    """,
    re.VERBOSE,
)


def scrub(text: str, secrets: Iterable[str] = (), prompt: str = "") -> str:
    """`text` on one line of at most `DETAIL_LIMIT` characters, with keys and echoes of the prompt masked.

    Args:
        text: as the provider sent it.
        secrets: values that must never show.
        prompt: all that was sent; a stretch of `text` that repeats it is replaced by an ellipsis.
    """
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = " ".join(_INVISIBLE.sub(" ", text[:_READ_LIMIT]).split())
    text = _KEYLIKE.sub("***", text)
    if prompt:
        text = _without_echo(text, " ".join(prompt.split()))
    return text if len(text) <= DETAIL_LIMIT else text[: DETAIL_LIMIT - 1] + "…"


def _without_echo(text: str, prompt: str) -> str:
    kept: list[str] = []
    start = 0
    while start < len(text):
        end = start + _ECHO
        if end > len(text) or text[start:end] not in prompt:
            kept.append(text[start])
            start += 1
            continue
        while end < len(text) and text[start : end + 1] in prompt:
            end += 1
        kept.append("…")
        start = end
    return "".join(kept)
