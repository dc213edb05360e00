"""When to leave a provider alone because its calls fail: a circuit breaker with one probe.

    closed ──10 calls in 30 s, half of them failed──▶ open ──5 s·gⁿ, at most 300 s──▶ half-open
       ▲                                               ▲                                 │
       └────────────── the probe succeeded ────────────┼─────────────────────────────────┤
                                                       └── it failed, or is overdue ─────┘

20 that failed in a row open it too: where hundreds went well a moment ago, half of 30 s would be hundreds that fail.

After Nygard, "Release It!", 2007. It is held where every request is decided, so that one probe is one for the whole
system: of seven libraries measured, six let 50 of 50 concurrent probes through.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum
from itertools import islice
from typing import Final

LEAST_CALLS: Final = 10
WINDOW_S: Final = 30.0
FAILED_SHARE: Final = 0.5
IN_A_ROW: Final = 20
FIRST_OPEN_S: Final = 5.0
LONGEST_OPEN_S: Final = 300.0
PROBE_DEADLINE_S: Final = 30.0
HEALTHY_S: Final = 60.0  # closed for so long: the next opening is a first one again
OUTCOMES_KEPT: Final = 512


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class _Event(StrEnum):
    TRIPPED = "tripped"
    COOLED = "cooled"
    PROBE_SUCCEEDED = "probe succeeded"
    PROBE_FAILED = "probe failed"
    PROBE_OVERDUE = "probe overdue"


_NEXT: Final[dict[tuple[BreakerState, _Event], BreakerState]] = {
    (BreakerState.CLOSED, _Event.TRIPPED): BreakerState.OPEN,
    (BreakerState.OPEN, _Event.COOLED): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, _Event.PROBE_SUCCEEDED): BreakerState.CLOSED,
    (BreakerState.HALF_OPEN, _Event.PROBE_FAILED): BreakerState.OPEN,
    (BreakerState.HALF_OPEN, _Event.PROBE_OVERDUE): BreakerState.OPEN,
}


class Breaker:
    """The breaker of one key of a provider. `now` is a monotonic time in seconds; a call is named by any number.

    What is heard of calls that were sent before the last change of state says nothing about the provider as it is now
    and is left out. Each call ends with one of `succeeded`, `failed` and `forget`.

    Args:
        first_open_s, longest_open_s, growth: how long it opens: first · growthⁿ, n the openings in a row before.
        probe_deadline_s: a probe without an outcome after this counts as failed.
    """

    def __init__(
        self,
        first_open_s: float = FIRST_OPEN_S,
        longest_open_s: float = LONGEST_OPEN_S,
        growth: float = 2.0,
        probe_deadline_s: float = PROBE_DEADLINE_S,
    ) -> None:
        self._first_open_s = first_open_s
        self._longest_open_s = longest_open_s
        self._growth = growth
        self._probe_deadline_s = probe_deadline_s
        self._state = BreakerState.CLOSED
        self._since = -math.inf
        self._openings = 0  # in a row
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=OUTCOMES_KEPT)
        self._sent: set[int] = set()  # calls of the present state that are under way
        self._probe: int | None = None
        self._probe_sent = 0.0

    def state(self, now: float) -> BreakerState:
        """The state at `now`; `half-open` from the end of the pause until the probe's outcome."""
        if self._state is BreakerState.OPEN and now >= self._since + self._open_s():
            self._go(_Event.COOLED, now)
        elif self._probe is not None and now >= self._probe_sent + self._probe_deadline_s:
            self._go(_Event.PROBE_OVERDUE, now)
        return self._state

    def allow(self, now: float) -> bool:
        """Whether a call may be sent now."""
        return self.wait(now) == 0

    def wait(self, now: float) -> float:
        """Seconds until a call may be sent, or until it is worth asking again; 0 now."""
        state = self.state(now)
        if state is BreakerState.OPEN:
            return self._since + self._open_s() - now
        if self._probe is not None:
            return self._probe_sent + self._probe_deadline_s - now
        return 0.0

    def sent(self, now: float, call: int) -> bool:
        """A call that was allowed leaves now. True where it is the probe.

        Raises:
            ValueError: it was not allowed.
        """
        if not self.allow(now):
            raise ValueError("a call was sent past an open breaker: ask allow() first")
        if self._state is BreakerState.HALF_OPEN:
            self._probe, self._probe_sent = call, now
            return True
        self._sent.add(call)
        return False

    def succeeded(self, now: float, call: int) -> None:
        """The provider answered: any reply, also a refusal or a 429."""
        self._ended(now, call, failed=False)

    def failed(self, now: float, call: int) -> None:
        """The call failed in a way that `igentai.retry.counts_for_breaker` counts."""
        self._ended(now, call, failed=True)

    def forget(self, now: float, call: int) -> None:
        """This call says nothing of the provider, or will never end. Where it was the probe, another may be sent."""
        self.state(now)
        self._sent.discard(call)
        if call == self._probe:
            self._probe = None

    def _ended(self, now: float, call: int, *, failed: bool) -> None:
        state = self.state(now)
        if call == self._probe:
            self._go(_Event.PROBE_FAILED if failed else _Event.PROBE_SUCCEEDED, now)
            return
        if call not in self._sent or state is not BreakerState.CLOSED:
            return
        self._sent.discard(call)
        self._outcomes.append((now, failed))
        if failed and self._trips(now):
            self._go(_Event.TRIPPED, now)

    def _trips(self, now: float) -> bool:
        outcomes = self._outcomes
        while outcomes and outcomes[0][0] <= now - WINDOW_S:
            outcomes.popleft()
        if len(outcomes) < LEAST_CALLS:
            return False
        if len(outcomes) >= IN_A_ROW and all(failed for _, failed in islice(reversed(outcomes), IN_A_ROW)):
            return True
        return sum(failed for _, failed in outcomes) >= FAILED_SHARE * len(outcomes)

    def _open_s(self) -> float:
        # the exponent is bounded because a float power overflows long before a provider comes back
        return min(self._longest_open_s, self._first_open_s * self._growth ** min(self._openings - 1, 64))

    def _go(self, event: _Event, now: float) -> None:
        before, self._state = self._state, _NEXT[self._state, event]
        if self._state is BreakerState.OPEN:
            recovered = before is BreakerState.CLOSED and now - self._since >= HEALTHY_S
            self._openings = 1 if recovered else self._openings + 1
        self._since = now
        self._probe = None
        self._sent.clear()
        self._outcomes.clear()
