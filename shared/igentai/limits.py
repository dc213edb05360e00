"""What a provider allows: requests and tokens in a window, and the waits it asks for.

Pure: `now` is a monotonic time in seconds. Nothing here sleeps; whoever waits comes back at the time said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Final

from igentai.pace import NEARLY_S, Pace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

LONGEST_PAUSE_S: Final = 600.0  # a provider that asks for more is asked again after this
FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 60.0
LEAST_SHARE_EXPECTED: Final = 0.05
PER_MINUTE_RESET_S: Final = 90.0  # a limit that takes longer than this to come back is not a limit a minute
LOOK_AHEAD: Final = 64  # requests in front that are added up for the wait of one further back
LONGEST_LOOK_S: Final = 1.0  # one further back looks again after this: those in front may use less than they reserved


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """What the reply's headers said of the account's limits; None where they said nothing. Resets in seconds."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset_s: float | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A request that was let through `at`, counted with `tokens` until it is settled."""

    number: int
    at: float
    tokens: int
    expected: float


class RateLimit:
    """Requests and tokens a minute (and requests a second) of one key of a provider.

    Promise: in no window of 60 s (1 s) is more taken than the limit, tokens counted at the time they were reserved and
    with what was used once that is known. Aimed at is `share` of the limit. First come, first served: a large request
    keeps its place in the line, and smaller ones behind it wait.

    Args:
        requests_per_minute, tokens_per_minute, requests_per_second: None where there is no such limit.
        burst_s: lateness that may be caught up on, seconds.
        share: part of each limit that is aimed at; the rest is for the clocks and the way between.
        burst: requests that may go at once after a rest, where a person has said so: `burst_s` is for tokens then.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        requests_per_second: int | None = None,
        burst_s: float = 0.25,
        share: float = 0.95,
        burst: int | None = None,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must be over 0 and at most 1, not {share}")
        self._set_requests = requests_per_minute
        self._set_tokens = tokens_per_minute
        self._requests = Pace(requests_per_minute, 60.0, share, burst_s, burst)
        self._requests_second = Pace(requests_per_second, 1.0, share, burst_s, burst)
        self._tokens = Pace(tokens_per_minute, 60.0, share, burst_s)
        self._paused_until = -math.inf
        self._strikes = 0
        self._struck_at = -math.inf
        self._numbers = count(1)
        self._line: dict[int, int] = {}  # ticket -> tokens, in order of arrival
        self._open: dict[int, Reservation] = {}
        self._used_share = 1.0  # of what is reserved, how much is used: a moving average

    @property
    def requests_per_minute(self) -> int | None:
        """The limit in force: what was configured or what the provider said, whichever is less."""
        return self._requests.limit

    @property
    def tokens_per_minute(self) -> int | None:
        return self._tokens.limit

    def used(self, now: float) -> tuple[int, int]:
        """Requests and tokens that count against the minute that ends `now`."""
        return self._requests.taken(now), self._tokens.taken(now)

    def paused_s(self, now: float) -> float:
        """Seconds that the provider still wants to be left alone."""
        return max(0.0, self._paused_until - now)

    def join(self, tokens: int) -> int:
        """A ticket: a place in the line for a request of `tokens`. Use it up with `take` or give it up with `leave`."""
        ticket = next(self._numbers)
        self._line[ticket] = tokens
        return ticket

    def leave(self, ticket: int) -> None:
        """Give up a place in the line; without effect where it is gone."""
        self._line.pop(ticket, None)

    def wait(self, now: float, tokens: int, ticket: int | None = None) -> float:
        """Seconds until a request of `tokens` may go: 0 now; inf never, for it is larger than the limit itself.

        Without a ticket it stands behind everybody. One that is not in front is told when to ask again.
        """
        reserve = self._tokens.wait(now, tokens)
        if reserve == math.inf:
            return math.inf
        ahead = list(islice(self._before(ticket), LOOK_AHEAD))
        if not ahead:
            return max(reserve, self._requests.wait(now, 1), self._requests_second.wait(now, 1), self.paused_s(now))
        before = sum(ahead)
        turn = max(
            self._tokens.wait(now, tokens, before * self._used_share, before),
            self._requests.wait(now, 1, len(ahead), len(ahead)),
            self._requests_second.wait(now, 1, len(ahead)),
        )
        return max(min(turn, LONGEST_LOOK_S), self.paused_s(now), NEARLY_S)

    def in_front(self, ticket: int | None) -> bool:
        """Whether nobody came before."""
        return next(self._before(ticket), None) is None

    def too_large(self, tokens: int) -> str | None:
        """What to say of a request that can never go, or None where it can."""
        limit = self._tokens.limit
        if limit is None or tokens <= limit:
            return None
        return (
            f"a request of up to {tokens} tokens is more than the {limit} a minute this provider allows; "
            "ask for fewer items at once, or raise tokens_per_minute if the account allows more"
        )

    def take(self, now: float, tokens: int, ticket: int | None = None) -> Reservation:
        """Let a request through.

        Raises:
            ValueError: it is not its turn: `wait` is not 0.
        """
        if self.wait(now, tokens, ticket) > 0:
            raise ValueError("taken before its turn: ask wait() first")
        if ticket is not None:
            self._line.pop(ticket, None)
        reservation = Reservation(next(self._numbers), now, tokens, tokens * self._used_share)
        self._requests.take(now, 1, 1)
        self._requests_second.take(now, 1, 1)
        self._tokens.take(now, tokens, reservation.expected)
        self._open[reservation.number] = reservation
        return reservation

    def settle(self, reservation: Reservation, tokens_used: int) -> bool:
        """Count what was really used. False, and no change, where it was settled or given back before."""
        if self._open.pop(reservation.number, None) is None:
            return False
        self._tokens.settle(reservation.at, reservation.tokens, reservation.expected, tokens_used)
        if reservation.at >= self._struck_at:
            self._strikes = 0
        if tokens_used and reservation.tokens:
            share = min(1.0, max(LEAST_SHARE_EXPECTED, tokens_used / reservation.tokens))
            self._used_share += 0.2 * (share - self._used_share)
        return True

    def give_back(self, reservation: Reservation) -> bool:
        """It was never sent: neither the request nor its tokens count. False where it was settled before."""
        if self._open.pop(reservation.number, None) is None:
            return False
        self._tokens.settle(reservation.at, reservation.tokens, reservation.expected, 0)
        self._requests.settle(reservation.at, 1, 1, 0)
        self._requests_second.settle(reservation.at, 1, 1, 0)
        return True

    def is_open(self, reservation: Reservation) -> bool:
        """Whether it is neither settled nor given back."""
        return reservation.number in self._open

    def pause(self, now: float, until: float) -> None:
        """Let nothing through before `until`, at most 600 s away. A later pause already set stands."""
        self._paused_until = max(self._paused_until, min(until, now + LONGEST_PAUSE_S))

    def resume(self) -> None:
        """End a pause before its time: the pause was not meant for everybody."""
        self._paused_until = -math.inf
        self._strikes = 0

    def configure(self, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        """A person set other limits. What was learned is learned again from the next reply."""
        self._set_requests, self._set_tokens = requests_per_minute, tokens_per_minute
        self._requests.limit, self._tokens.limit = requests_per_minute, tokens_per_minute

    def throttled(self, reservation: Reservation, now: float, retry_after_s: float | None, rng: Random) -> float:
        """A 429. Pauses as long as asked, else 1 s·2ⁿ up to 60 s, the upper half of it by chance.

        The request still counts (providers count refused ones too), its tokens do not. A 429 to a request that was
        under way at the last pause does not make the next one longer.

        Returns:
            The time until which nothing goes.
        """
        if self._open.pop(reservation.number, None) is None:
            return self._paused_until
        self._tokens.settle(reservation.at, reservation.tokens, reservation.expected, 0)
        if reservation.at >= self._struck_at:
            self._strikes += 1
            self._struck_at = now
        backoff = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(self._strikes - 1, 16)) * rng.uniform(0.5, 1.0)
        self.pause(now, now + (retry_after_s if retry_after_s is not None and retry_after_s > 0 else backoff))
        return self._paused_until

    def learn(self, now: float, headers: RateHeaders) -> None:
        """Take over what a reply's headers say. A configured limit that is lower stays.

        A limit whose reset lies more than a minute and a half off is one a day (Groq's for requests is), not a minute.
        """
        h = headers
        _learn(self._requests, self._set_requests, now, h.requests_limit, h.requests_remaining, h.requests_reset_s)
        _learn(self._tokens, self._set_tokens, now, h.tokens_limit, h.tokens_remaining, h.tokens_reset_s)
        for remaining, reset_s in (
            (h.requests_remaining, h.requests_reset_s),
            (h.tokens_remaining, h.tokens_reset_s),
        ):
            if remaining == 0 and reset_s is not None and reset_s > PER_MINUTE_RESET_S:
                self.pause(now, now + reset_s)

    def _before(self, ticket: int | None) -> Iterator[int]:
        """Tokens of those in front, nearest the exit first. A ticket that is gone stands behind everybody."""
        for other, tokens in self._line.items():
            if other == ticket:
                return
            yield tokens


def _learn(
    pace: Pace, configured: int | None, now: float, limit: int | None, remaining: int | None, reset_s: float | None
) -> None:
    if limit is None or limit <= 0:
        return
    if reset_s is not None and reset_s > PER_MINUTE_RESET_S:
        pace.limit = configured
        return
    pace.limit = limit if configured is None else min(limit, configured)
    if remaining is not None and pace.limit == limit:
        pace.slow(now, remaining)
