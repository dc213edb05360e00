"""What the page is told, in sections, each encoded once for all who watch.

A snapshot is sent up to four times a second to every open page. Its parts differ in size and in how fast they move,
so each section is sent to a page only when it has changed since that page last got it, and the big ones are made at
most once in two seconds. Every section is bounded, whatever the daemon's documents hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from igentai_orchestrator.shell.web.face import DaemonFace, Document
from igentai_orchestrator.shell.web.replies import json_bytes

SectionName: TypeAlias = Literal["status", "numbers", "providers", "topics", "series", "partitions"]

QUICK_S: Final = 0.2
SLOW_S: Final = 2.0
MAX_POINTS: Final = 400
MAX_PARTITIONS: Final = 300
MAX_TOPICS: Final = 200
_MAX_ROWS: Final = 64
_MAX_VIEWS: Final = 80
_MERGES_TOLD: Final = 12  # the newest: a page hears of them four times a second
_RECENT: Final = "5m"
_BIG: Final = ("series", "partitions", "windows")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a snapshot as JSON; `made_at` in the caller's monotonic seconds."""

    body: bytes
    made_at: float


class Sections:
    """The current sections of each topic that is watched, remade only when asked for and no longer young."""

    def __init__(self, face: DaemonFace, insecure: bool) -> None:
        self._face = face
        self._insecure = insecure
        self._made: dict[tuple[str | None, SectionName], Section] = {}
        self._agenda: Any = None

    def status(self, now: float) -> Section:
        return self._section(None, "status", QUICK_S, now, self._status)

    def topics(self, now: float) -> Section:
        """The rows; old at once where another topic runs or waits than when they were made."""
        status = self._face.status()
        agenda = (status.get("topic"), list(status.get("queue") or []))
        age = SLOW_S if agenda == self._agenda else 0.0
        self._agenda = agenda
        return self._section(None, "topics", age, now, lambda: newest(self._face.topics(), MAX_TOPICS))

    def providers(self, now: float) -> Section:
        return self._section(None, "providers", QUICK_S, now, lambda: self._face.providers()[:_MAX_ROWS])

    def of_topic(self, topic_id: str, now: float) -> dict[SectionName, Section]:
        """numbers, series and partitions of one topic."""
        views: tuple[tuple[SectionName, float, Callable[[Document], Any]], ...] = (
            ("numbers", QUICK_S, numbers),
            ("series", SLOW_S, lambda metrics: thin(metrics.get("series") or [], MAX_POINTS)),
            ("partitions", SLOW_S, lambda metrics: prune(metrics.get("partitions") or [], MAX_PARTITIONS)),
        )
        found = {name: self._made[topic_id, name] for name, age, _ in views if self._young(topic_id, name, age, now)}
        if len(found) < len(views):
            metrics = self._face.metrics(topic_id)
            for name, _, view in views:
                if name not in found:
                    found[name] = self._keep(topic_id, name, None if metrics is None else view(metrics), now)
        return found

    def _status(self) -> Document:
        status = dict(self._face.status())
        status["producers"] = (status.get("producers") or [])[:_MAX_ROWS]
        status["queue"] = (status.get("queue") or [])[:_MAX_ROWS]
        status["alerts"] = list(status.get("alerts") or [])[:_MAX_ROWS]
        if self._insecure:
            text = "Served without TLS: the token and the results can be read on the way."
            status["alerts"].append({"level": "warning", "text": text})
        return status

    def _section(
        self, topic_id: str | None, name: SectionName, age: float, now: float, make: Callable[[], Any]
    ) -> Section:
        if self._young(topic_id, name, age, now):
            return self._made[topic_id, name]
        return self._keep(topic_id, name, make(), now)

    def _young(self, topic_id: str | None, name: SectionName, age: float, now: float) -> bool:
        made = self._made.get((topic_id, name))
        return made is not None and now - made.made_at < age

    def _keep(self, topic_id: str | None, name: SectionName, content: Any, now: float) -> Section:
        section = Section(json_bytes(content), now)
        self._made[topic_id, name] = section
        while len(self._made) > _MAX_VIEWS:
            oldest = min(self._made, key=lambda key: self._made[key].made_at)
            del self._made[oldest]
        return section


def numbers(metrics: Document) -> Document:
    """The metrics without their long parts, rows bounded."""
    small = {key: value for key, value in metrics.items() if key not in _BIG}
    if pace := recent(metrics):
        small["recent"] = pace
    small["producers"] = (metrics.get("producers") or [])[:_MAX_ROWS]
    small["alerts"] = (metrics.get("alerts") or [])[:_MAX_ROWS]
    providers = metrics.get("providers") or {}
    small["providers"] = {key: providers[key] for key in list(providers)[:_MAX_ROWS]}
    if isinstance(near := metrics.get("near_duplicates"), dict):
        small["near_duplicates"] = near | {"latest": (near.get("latest") or [])[:_MERGES_TOLD]}
    return small


def recent(metrics: Document) -> Document | None:
    """The pace of the last minutes: what a page says of now, the run's average being for the end."""
    window = (metrics.get("windows") or {}).get(_RECENT)
    if not isinstance(window, dict):
        return None
    return {name: window.get(name) for name in ("seconds", "unique_per_minute")}


def thin(series: list[Any], most: int) -> list[Any]:
    """At most `most` points, evenly taken; the first and the last are always among them."""
    if len(series) <= most:
        return series
    step = (len(series) - 1) / (most - 1)
    return [series[round(i * step)] for i in range(most)]


def prune(partitions: list[Document], most: int) -> Document:
    """`{rows, omitted}`: the partitions with the most left, each with all its ancestors, in the order given."""
    if len(partitions) <= most:
        return {"rows": partitions, "omitted": 0}
    by_id = {row.get("id"): row for row in partitions}
    kept: set[Any] = set()
    for row in sorted(partitions, key=_worth, reverse=True):
        line = list(_line(row, by_id))
        if len(kept.union(line)) > most:
            break
        kept.update(line)
    rows = [row for row in partitions if row.get("id") in kept]
    return {"rows": rows, "omitted": len(partitions) - len(rows)}


def newest(topics: list[Document], most: int) -> list[Document]:
    """The topics that were touched last; those that run or wait always among them."""
    live = [row for row in topics if row.get("status") in {"running", "queued"}]
    rest = [row for row in topics if row.get("status") not in {"running", "queued"}]
    rest.sort(key=lambda row: str(row.get("updated") or ""), reverse=True)
    return [*live, *rest][:most]


def _worth(row: Document) -> tuple[float, float]:
    return float(row.get("left") or 0), float(row.get("unique_attributes") or 0)


def _line(row: Document, by_id: dict[Any, Document]) -> Iterable[Any]:
    """The id of a partition and of its ancestors; a loop in the parents ends it."""
    seen: set[Any] = set()
    current: Document | None = row
    while current is not None and current.get("id") not in seen:
        seen.add(current.get("id"))
        current = by_id.get(current.get("parent"))
    return seen
