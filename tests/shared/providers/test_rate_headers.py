from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.providers.rate_headers import advised_wait_s, duration_s, rate_headers, retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1.5s", 1.5),
        ("1h2m3s", 3723),
        ("1d", 86400),
        ("7", 7),
        (" 0.25 ", 0.25),
        ("0s", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-3", "nan", "inf", "1e999", "5 parsecs", "1s later", "s"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration_s(text) is None


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59_999))
def test_durations_as_openai_writes_them(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{milliseconds / 1000:g}s"
    assert duration_s(text) == pytest.approx(hours * 3600 + minutes * 60 + milliseconds / 1000, rel=1e-4)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "12"}, 12),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After-Ms": "350", "Retry-After": "9"}, 0.35),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "13s"}, 13),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "never"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == (None if seconds is None else pytest.approx(seconds))


@given(st.integers(-(10**6), 10**6))
def test_a_date_is_a_wait_from_now_and_never_negative(offset: int) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + offset, tz=UTC), usegmt=True)
    assert retry_after_s({"retry-after": date}, NOW) == pytest.approx(max(0, offset))


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]), st.text()))
def test_no_header_is_trusted(headers: dict[str, str]) -> None:
    wait = retry_after_s(headers, NOW)
    assert wait is None or 0 <= wait < float("inf")
    reset = rate_headers(headers, NOW).tokens_reset_s
    assert reset is None or 0 <= reset < float("inf")


def test_limits_of_openai() -> None:
    found = rate_headers(
        {
            "X-RateLimit-Limit-Requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1m0s",
            "x-ratelimit-limit-tokens": "nonsense",
            "x-ratelimit-remaining-tokens": "-1",
        },
        NOW,
    )
    assert (found.requests_limit, found.requests_remaining, found.requests_reset_s) == (60, 59, 60)
    assert (found.tokens_limit, found.tokens_remaining, found.tokens_reset_s) == (None, None, None)


def test_limits_of_anthropic_reset_at_a_moment() -> None:
    headers = {"anthropic-ratelimit-tokens-remaining": "7", "anthropic-ratelimit-tokens-reset": "2026-03-01T12:01:05Z"}
    found = rate_headers(headers, NOW)
    assert (found.tokens_remaining, found.tokens_reset_s) == (7, 65)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Limit 3, Used 3. Please try again in 7m12.5s. Visit …", 432.5),
        ("Please retry in 13.2s.", 13.2),
        ("Please try again in 350ms.", 0.35),
        ("Please try again later.", None),
    ],
)
def test_waits_that_are_only_in_words(message: str, seconds: float | None) -> None:
    assert advised_wait_s(message) == (None if seconds is None else pytest.approx(seconds))
