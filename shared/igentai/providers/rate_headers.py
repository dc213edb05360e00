"""What the headers of a reply say of limits and waiting. Pure: the wall clock is an argument."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from igentai.limits import RateHeaders

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COUNT: Final = re.compile(r"\d{1,15}")
# "Please try again in 7m12.5s." (OpenAI and Groq), "Please retry in 13.2s." (Gemini)
_ADVICE: Final = re.compile(r"(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)")


def duration_s(text: str) -> float | None:
    """Seconds of `6m0s`, `20ms`, `1.5s`, `1h2m3s` or a bare number of seconds; None for anything else."""
    text = text.strip()
    if _DURATION.fullmatch(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return _number(text)


def rate_headers(headers: Mapping[str, str], now: float) -> RateHeaders:
    """The limits of the account as OpenAI's, Groq's and most compatible servers, or Anthropic, state them.

    Args:
        headers: of the reply, names in any case.
        now: Unix time in seconds; Anthropic says when a limit resets, not how long that is.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    return RateHeaders(
        requests_limit=_count(lower, "x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit"),
        requests_remaining=_count(lower, "x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining"),
        requests_reset_s=_reset(lower, "requests", now),
        tokens_limit=_count(lower, "x-ratelimit-limit-tokens", "anthropic-ratelimit-tokens-limit"),
        tokens_remaining=_count(lower, "x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining"),
        tokens_reset_s=_reset(lower, "tokens", now),
    )


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that `retry-after-ms` or `retry-after` (seconds or an HTTP date) ask to wait; never negative."""
    lower = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    said = lower.get("retry-after", "").strip()
    wait = duration_s(said)
    return wait if wait is not None else _until(said, now)


def advised_wait_s(message: str) -> float | None:
    """Seconds that the text of an error asks to wait, where no header does."""
    found = _ADVICE.search(message)
    return duration_s(found[1]) if found else None


def _count(headers: Mapping[str, str], *names: str) -> int | None:
    for name in names:
        value = headers.get(name, "").strip()
        if _COUNT.fullmatch(value):
            return int(value)
    return None


def _reset(headers: Mapping[str, str], what: str, now: float) -> float | None:
    wait = duration_s(headers.get(f"x-ratelimit-reset-{what}", ""))
    return wait if wait is not None else _until(headers.get(f"anthropic-ratelimit-{what}-reset", ""), now)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(text: str, now: float) -> float | None:
    """Seconds from `now` to an RFC 3339 or HTTP date, 0 where it has passed."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text.strip())
        except (ValueError, TypeError, OverflowError):
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    return None
