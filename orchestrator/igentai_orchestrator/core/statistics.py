"""What a run has brought, by model, producer and partition: the numbers of metrics.json.

A fold over outcomes: the same calls in the same order give the same state, live or read back from the ledger.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from igentai_orchestrator.core.overlap import Overlap
from igentai_orchestrator.core.series import Point, Series
from igentai_orchestrator.core.windows import LONGEST_WINDOW_S, Counts, Tally, slice_of, window

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORT_S: Final = 300.0
WINDOWS: Final = {"5m": SHORT_S, "30m": LONGEST_WINDOW_S}
MOST_KEYS: Final = 4096  # producers, partitions: what comes after is counted together
OTHERS: Final = "(others)"


class Answered(NamedTuple):
    """An answer. `model` is `provider:model`; fresh attributes are numbered from `first_number` without gaps.

    `repeats` are the numbers of the attributes named again; `candidates` counts all that was named.
    """

    model: str
    producer: str
    partition: str
    first_number: int
    fresh: int
    repeats: Sequence[int]
    candidates: int
    tokens_in: int
    tokens_out: int
    cost_usd: float
    latency_ms: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that came to nothing; `kind` is an `igentai.errors.FailureKind`."""

    model: str
    producer: str
    partition: str
    kind: str


class Statistics:
    """Everything counted of one topic. `started` and `now` are monotonic seconds."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._windows_from = 0  # slice
        self._all = Tally()
        self._models: dict[str, Tally] = {}
        self._producers: dict[str, Tally] = {}
        self._partitions: dict[str, Tally] = {}
        self._failures: dict[str, Counter[str]] = {}
        self._overlap = Overlap()
        self._series = Series()

    @property
    def totals(self) -> Counts:
        """The whole run."""
        return self._all.counts()

    @property
    def support_2(self) -> int:
        """Attributes named by two models or more."""
        return self._overlap.support_2

    def failures(self, model: str) -> dict[str, int]:
        """Failed requests of a model by kind."""
        return dict(self._failures.get(model, {}))

    def recent(self, now: float, model: str | None = None, span_s: float = SHORT_S) -> tuple[Counts, float]:
        """Counts of the last `span_s` seconds, of one model or of all, and the seconds they cover."""
        tally = self._all if model is None else self._models.get(model, Tally())
        return self._window(tally, now - self._started, span_s)

    def record(self, now: float, answer: Answered) -> None:
        """Take in an answer."""
        elapsed = now - self._started
        number = slice_of(elapsed)
        model = _tally(self._models, answer.model)
        fresh, candidates = answer.fresh, answer.candidates
        tokens_in, tokens_out, cost = answer.tokens_in, answer.tokens_out, answer.cost_usd
        for tally in (
            self._all,
            model,
            _tally(self._producers, answer.producer),
            _tally(self._partitions, answer.partition),
        ):
            if number != tally.slice:
                tally.enter(number)
            tally.ok += 1
            tally.candidates += candidates
            tally.fresh += fresh
            tally.tokens_in += tokens_in
            tally.tokens_out += tokens_out
            tally.cost += cost
            tally.latencies.append(answer.latency_ms)
        self._overlap.record(answer.model, answer.first_number, fresh, answer.repeats)
        if self._series.wants(elapsed):
            self._series.record(self._point(elapsed))

    def record_failure(self, now: float, failure: Failed) -> None:
        """Take in a request that came to nothing."""
        elapsed = now - self._started
        number = slice_of(elapsed)
        for tally in (
            self._all,
            _tally(self._models, failure.model),
            _tally(self._producers, failure.producer),
            _tally(self._partitions, failure.partition),
        ):
            tally.enter(number)
            tally.failed += 1
        self._failures.setdefault(failure.model, Counter())[failure.kind] += 1
        self._series.record(self._point(elapsed))

    def restored(self, now: float) -> None:
        """All that was recorded is the past, at times unknown: windows begin here."""
        self._windows_from = slice_of(now - self._started)
        for tally in self._tallies():
            tally.leave_behind(self._windows_from)

    def snapshot(self, now: float) -> dict[str, Any]:
        """The numbers now, in plain types. Rates are of the whole run but for those in `windows`.

        A share or a rate that has nothing to be measured by yet (no request, no money) is None. `trend` is by how much
        a model's unique attributes a minute of the last 5 minutes differ from those of the last 30 (-0.4: 40 % less),
        `weight` its share of the requests of the last 5 minutes.
        """
        elapsed = max(0.0, now - self._started)
        run = self._all.counts()
        return {
            "unique_attributes": run.fresh,
            "candidates": run.candidates,
            "duplicates": run.candidates - run.fresh,
            "requests": {"ok": run.ok, "failed": run.failed},
            "tokens": {"input": run.tokens_in, "output": run.tokens_out},
            "cost_usd": run.cost,
            "unique_per_minute": run.per_minute(elapsed),
            "unique_per_dollar": run.per_dollar,
            "repeats_share": run.repeats_share,
            "elapsed_s": elapsed,
            "windows": self._windows(elapsed, run),
            "providers": self._providers(elapsed),
            "producers": [{"id": key, **_row(tally, elapsed)} for key, tally in self._producers.items()],
            "partitions": {key: _row(tally, elapsed) for key, tally in self._partitions.items()},
            "overlap": self._overlap.shared(),
            "series": self._series.until(self._point(elapsed)),
        }

    def _windows(self, elapsed: float, run: Counts) -> dict[str, Any]:
        found = {}
        for name, span in WINDOWS.items():
            counts, seconds = self._window(self._all, elapsed, span)
            found[name] = counts.document(seconds)
        return {**found, "run": run.document(elapsed)}

    def _providers(self, elapsed: float) -> dict[str, Any]:
        every, _ = self._window(self._all, elapsed, SHORT_S)
        found = {}
        for key, tally in self._models.items():
            short, short_s = self._window(tally, elapsed, SHORT_S)
            long, long_s = self._window(tally, elapsed, LONGEST_WINDOW_S)
            before = long.per_minute(long_s)
            found[key] = {
                **_row(tally, elapsed),
                "trend": short.per_minute(short_s) / before - 1 if before else 0.0,
                "weight": short.requests / every.requests if every.requests else 0.0,
            }
        return found

    def _window(self, tally: Tally, elapsed: float, span_s: float) -> tuple[Counts, float]:
        return window(tally, elapsed, span_s, self._windows_from)

    def _point(self, elapsed: float) -> Point:
        total = self._all
        return elapsed, total.fresh, total.ok + total.failed, total.cost

    def _tallies(self) -> list[Tally]:
        return [self._all, *self._models.values(), *self._producers.values(), *self._partitions.values()]


def _tally(tallies: dict[str, Tally], key: str) -> Tally:
    found = tallies.get(key)
    if found is None:
        if len(tallies) >= MOST_KEYS:
            key = OTHERS
        found = tallies.setdefault(key, Tally())
    return found


def _row(tally: Tally, elapsed: float) -> dict[str, Any]:
    counts = tally.counts()
    median, high = tally.latency()
    return {
        "requests": counts.requests,
        "failed": counts.failed,
        "candidates": counts.candidates,
        "unique_attributes": counts.fresh,
        "cost_usd": counts.cost,
        "latency_ms": median,
        "latency_p95_ms": high,
        "unique_per_minute": counts.per_minute(elapsed),
        "unique_per_dollar": counts.per_dollar,
        "repeats_share": counts.repeats_share,
        "success": counts.success,
    }
