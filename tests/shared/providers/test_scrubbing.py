from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.providers.scrubbing import DETAIL_LIMIT, scrub

SECRET = "q7Zp-canary_0001"


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcDEF123456ghij",
        "sk-ant-api03-AAAA_bbbb-cccc",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "gsk_abcdefgh12345678",
        "sk-abc1************wxyz",
        "Bearer abc.def.ghi",
        "0123456789abcdef0123456789abcdef",
    ],
)
def test_what_looks_like_a_key_is_masked(key: str) -> None:
    shown = scrub(f"Incorrect API key provided: {key}. You can find yours in the dashboard")
    assert key not in shown
    assert shown.startswith("Incorrect API key provided: ***")
    assert shown.endswith("dashboard")


@pytest.mark.parametrize(
    "text",
    [
        "The model gemini-2.5-flash-lite-preview-09-2025 does not exist",
        "Rate limit reached for gpt-4o-mini on requests per min (RPM): Limit 3, Used 3",
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo-Free is not available",
    ],
)
def test_what_people_need_to_read_stays(text: str) -> None:
    assert scrub(text) == text


@given(st.text(), st.text())
def test_the_secret_never_shows(before: str, after: str) -> None:
    assert SECRET not in scrub(before + SECRET + after, [SECRET])


@given(st.text())
def test_one_short_line_without_control_characters(text: str) -> None:
    shown = scrub(text)
    assert len(shown) <= DETAIL_LIMIT
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in shown)


@given(st.text(min_size=24, max_size=200), st.text(max_size=60))
def test_no_long_stretch_of_the_prompt_shows(prompt: str, around: str) -> None:
    shown = scrub(f"{around}: {prompt} is not allowed", (), prompt)
    flat = " ".join(prompt.split())
    assert not any(flat[i : i + 24] in shown for i in range(len(flat) - 23))
