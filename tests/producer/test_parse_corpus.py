"""Replies as models of many makers write them, and what has to be made of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from igentai.text import clean, key
from igentai_producer.parse import parse

REPLIES = sorted((Path(__file__).parent / "replies").glob("*.txt"))


@pytest.mark.parametrize("reply", REPLIES, ids=lambda path: path.stem)
def test_reply_gives_its_items(reply: Path) -> None:
    want = json.loads(reply.with_suffix(".json").read_text(encoding="utf-8"))
    text = reply.read_bytes().decode("utf-8")
    parsed = parse(text, truncated=want.get("truncated", False), small_model=want.get("small_model", False))
    if "items" in want:
        assert list(parsed.items) == want["items"]
    assert set(want.get("must_have", [])) <= set(parsed.items)
    assert not set(want.get("must_not_have", [])) & set(parsed.items)
    assert parsed.refusal is want.get("refusal", False)
    assert [clean(item) for item in parsed.items] == list(parsed.items)
    assert len(set(map(key, parsed.items))) == len(parsed.items)


def test_the_corpus_is_broad() -> None:
    assert len(REPLIES) >= 70
    assert all(reply.with_suffix(".json").exists() for reply in REPLIES)
