"""What follows from a failed call: ask again, give up, or leave the provider out.

| kind                            | then                                                                     |
|---------------------------------|--------------------------------------------------------------------------|
| rate_limited                    | wait as told; never counted as a try; another provider may go at once    |
| server, timeout, reset, garbage | up to 3 tries, elsewhere at once, the same provider after full jitter    |
| quota, key, model               | out until the configuration changes                                      |
| refused, internal               | given up: the same request would fail the same way                       |
| cancelled                       | was never sent: again at once                                            |
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from igentai.errors import FailureKind
from igentai.limits import LONGEST_PAUSE_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

MOST_TRIES: Final = 3
FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0

# These may have been billed although nothing came back: what was reserved for them stays spent.
MAYBE_BILLED: Final = frozenset({FailureKind.TIMEOUT, FailureKind.RESET, FailureKind.GARBAGE, FailureKind.INTERNAL})

FAULTS: Final = frozenset({FailureKind.SERVER, FailureKind.TIMEOUT, FailureKind.RESET, FailureKind.GARBAGE})


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again: this provider after `after_s` at the earliest, another one at once where `elsewhere`."""

    after_s: float
    elsewhere: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This request is over. The provider is not to blame or has had its tries."""

    reason: str


@dataclass(frozen=True, slots=True)
class ProviderOut:
    """Nothing is asked of the provider (or only of this model) until its configuration changes.

    `reason` says what happened, `remedy` what mends it: one line for people.
    """

    scope: Literal["provider", "model"]
    reason: str
    remedy: str


Verdict: TypeAlias = Retry | GiveUp | ProviderOut


def decide(
    kind: FailureKind,
    attempt: int,
    retry_after_s: float | None,
    rng: Random,
    *,
    provider: str = "the provider",
    model: str = "",
    key_variable: str | None = None,
    most_tries: int = MOST_TRIES,
    first_delay_s: float = FIRST_DELAY_S,
) -> Verdict:
    """What to do after a call failed.

    Args:
        kind: how it failed.
        attempt: the tries this request has had, this one included, those that were rate limited left out. From 1.
        retry_after_s: what the provider asked to wait; never undercut, up to 600 s.
        provider, model, key_variable: names for the line that mends it.
        first_delay_s: the first of the delays that double.
    """
    if kind is FailureKind.RATE_LIMITED:
        return Retry(_wait(retry_after_s, _jittered(attempt, rng, first_delay_s)), elsewhere=True)
    if kind in FAULTS:
        if attempt >= most_tries:
            return GiveUp(f"{provider} failed {attempt} times ({kind.value}); the request is given up")
        return Retry(_wait(retry_after_s, _jittered(attempt, rng, first_delay_s)), elsewhere=True)
    if kind is FailureKind.CANCELLED:
        return Retry(0.0, elsewhere=True)
    if kind in (FailureKind.KEY, FailureKind.QUOTA, FailureKind.MODEL):
        return _out(kind, provider, model, key_variable)
    if kind is FailureKind.REFUSED:
        return GiveUp(f"{provider} refused the request as wrong; asking again would not help")
    return GiveUp("a fault of igentai's own; the log of the producer has its text")


def counts_for_breaker(kind: FailureKind) -> bool:
    """Whether this failure says that the provider is not working. A 429 or a refusal is an answer; it works."""
    return kind in FAULTS


def says_nothing(kind: FailureKind) -> bool:
    """Whether this failure says nothing about the provider at all: `Breaker.forget`."""
    return kind in (FailureKind.CANCELLED, FailureKind.INTERNAL)


def _wait(retry_after_s: float | None, jittered_s: float) -> float:
    if retry_after_s is None or not retry_after_s > 0:
        return jittered_s
    return min(retry_after_s, LONGEST_PAUSE_S)


def _jittered(attempt: int, rng: Random, first_delay_s: float) -> float:
    """Full jitter: anything from 0 to first·2ⁿ, at most 30 s (Brooker, "Exponential backoff and jitter", AWS, 2015)."""
    return rng.uniform(0.0, min(LONGEST_DELAY_S, first_delay_s * 2.0 ** min(max(attempt, 1) - 1, 16)))


def _out(kind: FailureKind, provider: str, model: str, key_variable: str | None) -> ProviderOut:
    again = "then reload the daemon (SIGHUP) or start again"
    key = f"set {key_variable} to one that works" if key_variable else "give it one that works"
    if kind is FailureKind.KEY:
        return ProviderOut("provider", f"{provider} does not accept the key", f"{key}, {again}")
    if kind is FailureKind.QUOTA:
        remedy = f"add credit to the account or wait for the quota to return, or {key}; {again}"
        return ProviderOut("provider", f"the account at {provider} has no quota or credit left", remedy)
    name = f"the model {model}" if model else "the model asked for"
    remedy = f"name one it has with --provider {provider}:MODEL, or mend the base address; {again}"
    return ProviderOut("model", f"{provider} does not know {name}", remedy)


_PARTS: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|us|µs|ns|d|h|m|s)", re.IGNORECASE)
_SECONDS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_EPOCH: Final = 1e9  # a number of seconds as large as this is a time (after 2001), not a wait of 30 years
_LONGEST_HEADER: Final = 64


def parse_retry_after(value: str, now_wall: float) -> float | None:
    """Seconds to wait as a header says them, 0 where the time has passed, None where it cannot be read.

    Read are seconds (`20`, `1.5`), durations (`20ms`, `6m0s`, `1h2m3.5s`), times since the epoch, and dates: HTTP's
    three forms (RFC 9110 section 5.6.7) and RFC 3339. `now_wall` is the wall clock in seconds since the epoch: a date
    cannot be read without.
    """
    text = value.strip()
    if not text or len(text) > _LONGEST_HEADER:
        return None
    for read in (_number, _duration):
        seconds = read(text, now_wall)
        if seconds is not None:
            return max(0.0, seconds) if math.isfinite(seconds) else None
    return _until_date(text, now_wall)


def retry_after(headers: Mapping[str, str], now_wall: float) -> float | None:
    """Seconds to wait from a reply's headers (names in lower case, or any case-blind mapping).

    `retry-after-ms`, where sent, is the exact form of `retry-after`.
    """
    exact = headers.get("retry-after-ms")
    if exact is not None:
        milliseconds = parse_retry_after(exact, now_wall)
        if milliseconds is not None:
            return milliseconds / 1000
    plain = headers.get("retry-after")
    return None if plain is None else parse_retry_after(plain, now_wall)


def _number(text: str, now_wall: float) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    if math.isnan(seconds):
        return math.inf
    return seconds - now_wall if _EPOCH <= seconds < math.inf else seconds


def _duration(text: str, now_wall: float) -> float | None:  # noqa: ARG001  the face of every reader
    parts = _PARTS.findall(text)
    if not parts or _PARTS.sub("", text).strip():
        return None
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)


def _until_date(text: str, now_wall: float) -> float | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, OverflowError, IndexError):
            return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    try:
        return max(0.0, at.timestamp() - now_wall)
    except (OverflowError, ValueError):
        return None
