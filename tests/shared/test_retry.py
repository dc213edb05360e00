"""What follows from each kind of failure, and how waits are read."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.errors import FailureKind
from igentai.retry import (
    GiveUp,
    ProviderOut,
    Retry,
    counts_for_breaker,
    decide,
    parse_retry_after,
    retry_after,
    says_nothing,
)

K = FailureKind
NOW = 1_792_152_000.0  # Fri, 16 Oct 2026 12:00:00 UTC

# kind -> verdict after the 1st, 2nd and 3rd try, does the breaker count it, does it say nothing at all
TABLE = {
    K.RATE_LIMITED: (Retry, Retry, Retry, False, False),
    K.SERVER: (Retry, Retry, GiveUp, True, False),
    K.TIMEOUT: (Retry, Retry, GiveUp, True, False),
    K.RESET: (Retry, Retry, GiveUp, True, False),
    K.GARBAGE: (Retry, Retry, GiveUp, True, False),
    K.QUOTA: (ProviderOut, ProviderOut, ProviderOut, False, False),
    K.KEY: (ProviderOut, ProviderOut, ProviderOut, False, False),
    K.MODEL: (ProviderOut, ProviderOut, ProviderOut, False, False),
    K.REFUSED: (GiveUp, GiveUp, GiveUp, False, False),
    K.CANCELLED: (Retry, Retry, Retry, False, True),
    K.INTERNAL: (GiveUp, GiveUp, GiveUp, False, True),
}


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_kind_follows_the_table(kind: FailureKind) -> None:
    *verdicts, counts, silent = TABLE[kind]
    for attempt, expected in enumerate(verdicts, 1):
        assert type(decide(kind, attempt, None, Random(0))) is expected
    assert counts_for_breaker(kind) is counts
    assert says_nothing(kind) is silent


@given(
    kind=st.sampled_from([K.RATE_LIMITED, K.SERVER]),
    attempt=st.integers(1, 2),
    asked=st.floats(1e-6, 600.0),
    seed=st.integers(0, 2**32),
)
def test_what_the_provider_asks_for_is_never_undercut(kind: FailureKind, attempt: int, asked: float, seed: int) -> None:
    verdict = decide(kind, attempt, asked, Random(seed))
    assert verdict == Retry(asked, elsewhere=True)


def test_a_wait_is_clamped_at_ten_minutes() -> None:
    assert decide(K.RATE_LIMITED, 1, 86_400.0, Random(0)) == Retry(600.0, elsewhere=True)


@pytest.mark.parametrize(("attempt", "most"), [(1, 0.5), (2, 1.0), (3, 2.0), (9, 30.0), (5_000, 30.0)])
@pytest.mark.parametrize("asked", [None, 0.0, -3.0, float("nan")])
def test_without_a_wish_the_jitter_is_full(attempt: int, most: float, asked: float | None) -> None:
    verdicts = [decide(K.RATE_LIMITED, attempt, asked, Random(seed)) for seed in range(300)]
    waits = [verdict.after_s for verdict in verdicts if isinstance(verdict, Retry)]
    assert len(waits) == 300
    assert all(0 <= wait <= most for wait in waits)
    assert min(waits) < 0.05 * most
    assert max(waits) > 0.95 * most


def test_who_is_out_is_told_what_mends_it() -> None:
    said: dict[FailureKind, ProviderOut] = {}
    for kind in (K.KEY, K.QUOTA, K.MODEL):
        verdict = decide(kind, 1, None, Random(0), provider="openai", model="gpt-9", key_variable="OPENAI_API_KEY")
        assert isinstance(verdict, ProviderOut)
        said[kind] = verdict
    assert [v.scope for v in said.values()] == ["provider", "provider", "model"]
    assert "set OPENAI_API_KEY" in said[K.KEY].remedy
    assert "credit" in said[K.QUOTA].remedy
    assert "gpt-9" in said[K.MODEL].reason
    assert "--provider openai:MODEL" in said[K.MODEL].remedy
    assert all("SIGHUP" in v.remedy for v in said.values())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("20", 20.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-7", 0.0),
        ("20ms", 0.02),
        ("1500 ms", 1.5),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("1d", 86_400.0),
        ("2S", 2.0),
        (".5s", 0.5),
        (f"{NOW + 42:.0f}", 42.0),
        ("Fri, 16 Oct 2026 12:00:30 GMT", 30.0),
        ("Friday, 16-Oct-26 12:00:30 GMT", 30.0),
        ("Fri Oct 16 12:00:30 2026", 30.0),
        ("2026-10-16T12:01:00Z", 60.0),
        ("2026-10-16T14:01:00+02:00", 60.0),
        ("Fri, 16 Oct 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("12 parsecs", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("s", None),
        ("Fri, 99 Oct 2026 12:00:00 GMT", None),
        ("9" * 500, None),
    ],
)
def test_waits_are_read_in_every_form(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


@given(st.text(max_size=80))
def test_no_header_breaks_the_reader(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0.0 <= seconds < float("inf")


def test_the_exact_header_goes_before_the_rounded_one() -> None:
    assert retry_after({"retry-after-ms": "1250", "retry-after": "2"}, NOW) == 1.25
    assert retry_after({"retry-after-ms": "?", "retry-after": "2"}, NOW) == 2.0
    assert retry_after({}, NOW) is None
