"""The yes or no a model gives each item of a spot check."""

from __future__ import annotations

import re
from typing import Final

from igentai_producer.parse.envelope import unwrapped
from igentai_producer.parse.objects import Fields, Number, objects

_YES: Final = "yes|true|correct|real|valid|y|oui|sí|si|ja|да|是|はい|✓|✔|✅"
_NO: Final = "no|false|incorrect|not|fake|invalid|unreal|invented|n|non|nein|нет|否|不是|いいえ|✗|✘|❌"
_UNSURE: Final = "unsure|unknown|maybe|uncertain|unclear"
_WORD: Final = re.compile(rf"(?<!\w)(?:(?P<no>{_NO})|(?P<yes>{_YES})|(?P<unsure>{_UNSURE}))(?!\w)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\W*(\d{1,4})\W")
_PER_LINE: Final = 2000


def parse_verdicts(reply_text: str, n: int) -> tuple[bool | None, ...]:
    """`n` verdicts in the order asked: True real, False not, None not said.

    Numbered lines count by their number (`3. No`), JSON by key or place, plain yes and no in their order.
    """
    text = unwrapped(reply_text)
    found = objects(text)
    if found.values and (verdicts := _from_json(found.values, n)) is not None:
        return verdicts
    lines = [line[:_PER_LINE] for line in text.split("\n") if line.strip()]
    numbered = _numbered(lines, n)
    return numbered if any(v is not None for v in numbered) else _in_order(lines, n)
