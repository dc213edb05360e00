"""The categories a model splits a topic into."""

from __future__ import annotations

import re
from typing import Final

from igentai_producer.parse.reply import parse

LABELS: Final = 64  # more than a partition is ever split into
_LABEL: Final = re.compile(
    r"(?:category|group|class|kategorie|catégorie|categoría)\s*(?:\d{1,3}|[A-Z])?\s*[:.–-]\s*", re.IGNORECASE
)


def parse_labels(reply_text: str) -> tuple[str, ...]:
    """The labels of a split, in reply order, from JSON or a list; () where the reply holds none."""
    items = parse(reply_text).items
    return tuple(bare for item in items if (bare := _LABEL.sub("", item, count=1) if _LABEL.match(item) else item))[
        :LABELS
    ]
