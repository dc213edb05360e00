from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.providers.salvage import salvage

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT, st.booleans(), st.data())
def test_a_plain_reply_cut_anywhere_gives_the_beginning_of_its_text(
    text: str, ascii_only: bool, data: st.DataObject
) -> None:
    reply = {"id": "x", "choices": [{"message": {"role": "assistant", "content": text}}], "usage": {"n": 1}}
    body = json.dumps(reply, ensure_ascii=ascii_only).encode()
    cut = data.draw(st.integers(0, len(body)))
    found = salvage(body[:cut], "content")
    assert text.startswith(found)
    if cut == len(body):
        assert found == text


@given(TEXT)
def test_most_of_what_came_is_found(text: str) -> None:
    body = json.dumps({"content": text}, ensure_ascii=False).encode()
    found = salvage(body[: len(body) // 2], "content")
    # At most the last character is lost to the cut, with the escape it is written as.
    assert len(found.encode()) >= len(body) // 2 - len('{"content": "') - 12 or found == text


def test_the_parts_of_a_reply_are_joined() -> None:
    body = b'{"content": [{"type": "text", "text": "one\\n"}, {"type": "text", "text": "two\\nthr'
    assert salvage(body, "text") == "one\ntwo\nthr"


@pytest.mark.parametrize(
    "body", [b"", b'<html>"content": "no"', b"content", b"\xff\xfe", b"[", b"{}", b'{"content": null']
)
def test_what_is_no_reply_gives_nothing(body: bytes) -> None:
    assert salvage(body, "content") == ""
