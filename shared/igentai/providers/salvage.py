"""The text of a plain JSON reply that broke off: what came was paid for."""

from __future__ import annotations

import json
import re


def salvage(body: bytes, key: str) -> str:
    """All string values of `key` in `body`, joined; the last one may lack its end.

    Args:
        body: the beginning of a JSON document. Anything that does not begin as one gives an empty text.
        key: the member that holds the reply's text: `content` (OpenAI) or `text` (Anthropic, Gemini).
    """
    text = body.decode("utf-8", "ignore").lstrip()
    if not text.startswith(("{", "[")):
        return ""
    strings = re.findall(rf'"{re.escape(key)}"\s*:\s*"((?:[^"\\]|\\.)*)', text, re.DOTALL)
    return "".join(_decoded(raw) for raw in strings)


def _decoded(raw: str) -> str:
    """A JSON string without its quotes, as far as it can be read: an escape cut in the middle is dropped."""
    raw = re.sub(r"\\(?:u[0-9a-fA-F]{0,3})?$", "", raw) if not raw.endswith("\\\\") else raw
    try:
        value = json.loads(f'"{raw}"', strict=False)
    except ValueError:
        return ""
    return str(value).encode("utf-8", "ignore").decode("utf-8")  # half of a surrogate pair at the cut
