"""Eight producers against providers that enforce real limits, in simulated time."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import FailureKind
from igentai.messages import Assign
from igentai_orchestrator.core.arrangement import ProviderTerms
from igentai_orchestrator.core.topic import Limits, ModelChoice
from tests.orchestrator.core.clockwork import Bucket, Clockwork, Said, most_in_a_window
from tests.orchestrator.core.floor import Floor, spec

ONE = (ModelChoice("openai", "cheap"),)
START = 100.0  # the floor's clock
MINUTES = 3


class Limited:
    """A provider with requests and tokens a minute, one second's worth of which may come at once, for each key."""

    def __init__(self, rpm: int | None, tpm: int | None, *, keys: int = 1, tells: bool = False, seed: int = 0) -> None:
        self.rpm, self.tpm, self.tells = rpm, tpm, tells
        self.rng = Random(seed)
        self.requests = [Bucket(rpm, max(1.0, rpm / 60)) for _ in range(keys)] if rpm else []
        self.tokens = [Bucket(tpm, tpm / 10) for _ in range(keys)] if tpm else []
        self.turned_away: list[float] = []
        self.used: list[list[tuple[float, float]]] = [[] for _ in range(keys)]

    def __call__(self, assign: Assign, at: float) -> Said:
        used = (120, int(assign.max_tokens * self.rng.uniform(0.15, 0.35)))
        wait = self.requests[assign.key].draw(at, 1) if self.requests else 0.0
        wait = wait or (self.tokens[assign.key].draw(at, sum(used)) if self.tokens else 0.0)
        seen = None
        if self.tells:
            requests_ms = 60_000 // self.rpm if self.rpm else None
            seen = (self.rpm, None, requests_ms, self.tpm, None, 1_000 if self.tpm else None)
        if wait:
            self.turned_away.append(at)
            return Said(0.05, fails=FailureKind.RATE_LIMITED, retry_after_s=wait, limits=seen)
        self.used[assign.key].append((at, sum(used)))
        latency = self.rng.uniform(0.4, 1.2)
        return Said(latency, [f"thing {self.rng.random()}"], tokens=used, limits=seen)

    def share_used(self, since: float, until: float) -> float:
        """Of the limit that binds, summed over the keys."""
        minutes = (until - since) / 60 * len(self.used)
        counted = [amount for key in self.used for at, amount in key if since <= at < until]
        of_requests = len(counted) / (self.rpm * minutes) if self.rpm else 0.0
        of_tokens = sum(counted) / (self.tpm * minutes) if self.tpm else 0.0
        return max(of_requests, of_tokens)


def at_work(provider: Limited, terms: ProviderTerms, *, producers: int = 8, free: int = 6) -> Clockwork:
    floor = Floor(terms=terms)
    floor.open(spec(models=ONE, producers=producers, request_size=40))
    work = Clockwork(floor, provider)
    work.begin(producers, free)
    return work


@pytest.mark.parametrize(
    ("rpm", "tpm", "keys"),
    [(60, None, 1), (600, None, 1), (1_000, None, 1), (None, 200_000, 1), (600, 150_000, 1), (300, None, 2)],
)
def test_nobody_is_turned_away_and_nine_tenths_of_the_limit_are_used(
    rpm: int | None, tpm: int | None, keys: int
) -> None:
    provider = Limited(rpm, tpm, keys=keys)
    names = tuple(f"K{n}" for n in range(keys))
    work = at_work(provider, ProviderTerms("openai", requests_per_minute=rpm, tokens_per_minute=tpm, keys=names))
    work.run(START + 60 * MINUTES)
    assert [at for at in provider.turned_away if at > START + 1] == []
    assert provider.share_used(START + 1, START + 60 * MINUTES) >= 0.9


@pytest.mark.parametrize(("rpm", "tpm"), [(600, None), (None, 200_000)])
def test_limits_that_replies_tell_are_kept_as_soon_as_they_are_told(rpm: int | None, tpm: int | None) -> None:
    """Nothing is configured: until the first replies are in, nobody can know."""
    provider = Limited(rpm, tpm, tells=True)
    work = at_work(provider, ProviderTerms("openai"))
    work.run(START + 60 * MINUTES)
    assert [at for at in provider.turned_away if at > START + 10] == []
    assert provider.share_used(START + 10, START + 60 * MINUTES) >= 0.9


def test_reserving_for_the_longest_reply_would_leave_much_of_the_limit_unused() -> None:
    """What `reply_tokens` is for: few in flight, each allowed five times what it uses."""
    provider = Limited(None, 20_000)
    work = at_work(provider, ProviderTerms("openai", tokens_per_minute=20_000), producers=8, free=2)
    work.run(START + 60 * MINUTES)
    assert [at for at in provider.turned_away if at > START + 1] == []
    assert provider.share_used(START + 60, START + 60 * MINUTES) >= 0.9


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rpm=st.sampled_from([20, 90, 400, None]),
    tpm=st.sampled_from([8_000, 60_000, None]),
    share=st.sampled_from([0.5, 0.95, 1.0]),
    faulty=st.floats(0, 0.5),
)
def test_no_window_of_a_minute_holds_more_than_the_limit(
    seed: int, rpm: int | None, tpm: int | None, share: float, faulty: float
) -> None:
    rng = Random(seed)
    sent: list[tuple[float, float]] = []

    def provider(assign: Assign, at: float) -> Said:
        used = (120, int(assign.max_tokens * rng.uniform(0.1, 0.3)))
        kinds = [FailureKind.SERVER, FailureKind.TIMEOUT, FailureKind.RATE_LIMITED, FailureKind.REFUSED]
        if rng.random() < faulty:
            sent.append((at, 0.0))
            return Said(rng.uniform(0.05, 3.0), fails=rng.choice(kinds), retry_after_s=rng.choice([None, 2.0]))
        sent.append((at, float(sum(used))))
        return Said(rng.uniform(0.1, 4.0), [f"thing {rng.random()}"], tokens=used)

    floor = Floor(seed=seed, terms=ProviderTerms("openai", requests_per_minute=rpm, tokens_per_minute=tpm), share=share)
    floor.open(spec(models=ONE, producers=4, request_size=20))
    work = Clockwork(floor, provider, seed=seed)
    work.begin(4, 8)
    work.run(START + 150)
    sent.sort()
    if rpm is not None:
        assert most_in_a_window([(call.sent, 1) for call in work.calls], 60.0) <= rpm
    if tpm is not None:
        assert most_in_a_window(sent, 60.0) <= tpm


def test_a_large_request_is_not_starved_by_small_ones() -> None:
    """Lists of 100 among splits and small retries: each goes within a minute or so of being chosen, in its turn."""
    provider = Limited(None, 12_000)
    floor = Floor(terms=ProviderTerms("openai", tokens_per_minute=12_000))
    both = (ModelChoice("openai", "cheap"), ModelChoice("openai", "dear"))
    floor.open(spec(models=both, producers=2, request_size=10, limits=Limits(saturation=False)))
    sizes = floor.desk.books.campaign.sizes  # type: ignore[union-attr]  # the topic is open
    sizes["openai:dear"]._fixed = sizes["openai:dear"].value = 350  # needs more than half of the minute's tokens
    work = Clockwork(floor, provider)
    work.begin(2, 4)
    work.run(START + 600)
    large = [call.sent for call in work.calls if call.assign.model == "dear"]
    small = [call.sent for call in work.calls if call.assign.model == "cheap"]
    assert len(large) >= 10
    assert len(small) >= 10
    assert max(later - earlier for earlier, later in pairwise(large)) <= 120
