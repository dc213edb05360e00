"""The daemon's numbers for Prometheus, made when asked for.

Names follow its conventions: one prefix, base units (seconds, bytes, dollars), `_total` for what only grows, no unit
hidden in a label. What belongs to a topic carries its folder as the label `topic`, and only the running topic is
there: past ones would be series that never move again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from igentai_orchestrator.shell.web.face import DaemonFace, Document

PROMETHEUS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PRODUCER_STATES: Final = ("starting", "idle", "busy", "silent", "dead", "failed")

# (name, help, key in the numbers of a model)
_BY_MODEL: Final = (
    ("igentai_model_attributes_unique", "Attributes that this model was the first to name.", "unique_attributes"),
    ("igentai_model_candidates", "Attributes received from this model, repeats included.", "candidates"),
    ("igentai_model_cost_dollars", "Money spent on this model, in US dollars.", "cost_usd"),
)


def exposition(face: DaemonFace) -> bytes:
    """The text format, one reading of the daemon."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Daemon(face))
    return generate_latest(registry)


class _Daemon(Collector):
    def __init__(self, face: DaemonFace) -> None:
        self._face = face

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        status = self._face.status()
        yield from _of_daemon(status, self._face)
        topic = status.get("topic")
        topic_id = topic.get("id") if isinstance(topic, dict) else topic
        metrics = self._face.metrics(topic_id) if isinstance(topic_id, str) else None
        yield from _of_producers((metrics or {}).get("producers") or status.get("producers") or [])
        if metrics is not None:
            yield from _of_topic(str(topic_id), metrics)
            yield from _of_models(str(topic_id), metrics.get("providers") or {})


def _of_daemon(status: Document, face: DaemonFace) -> Iterator[Metric]:
    yield InfoMetricFamily("igentai_build", "The daemon.", value={"version": str(status.get("version") or "unknown")})
    uptime = _number(status.get("uptime_s"))
    yield _gauge("igentai_start_time_seconds", "When the daemon started, in Unix time.", time.time() - uptime)
    well, _ = face.healthy()
    yield _gauge("igentai_storage_healthy", "1 while results can be kept, 0 while they cannot.", float(well))
    yield _gauge("igentai_topics_queued", "Topics that wait for the running one.", len(status.get("queue") or []))
    counts = Counter(str(row.get("status")) for row in face.topics())
    topics = GaugeMetricFamily(
        "igentai_topics", "Topics in the outputs folder by what they are doing.", labels=["status"]
    )
    for state in sorted(counts):
        topics.add_metric([state], counts[state])
    yield topics


def _of_producers(rows: list[Document]) -> Iterator[Metric]:
    states = Counter(str(row.get("state")) for row in rows)
    family = GaugeMetricFamily("igentai_producers", "Producers by state.", labels=["state"])
    for state in sorted({*states, *_PRODUCER_STATES}):
        family.add_metric([state], states[state])
    yield family
    memory = GaugeMetricFamily(
        "igentai_producer_resident_memory_bytes", "Resident memory of a producer.", labels=["producer"]
    )
    restarts = CounterMetricFamily("igentai_producer_restarts", "Times a producer was restarted.", labels=["producer"])
    flight = GaugeMetricFamily(
        "igentai_producer_requests_in_flight", "Requests a producer is making.", labels=["producer"]
    )
    for row in rows:
        name = [str(row.get("id") or row.get("slot"))]
        memory.add_metric(name, _number(row.get("rss")))
        restarts.add_metric(name, _number(row.get("restarts")))
        flight.add_metric(name, _number(row.get("in_flight")))
    yield from (memory, restarts, flight)


def _of_topic(topic: str, metrics: Document) -> Iterator[Metric]:
    label = {"topic": topic}
    yield _counter("igentai_attributes_unique", "Attributes found.", metrics.get("unique_attributes"), label)
    yield _counter("igentai_candidates", "Attributes received, repeats included.", metrics.get("candidates"), label)
    yield _counter("igentai_duplicates", "Attributes received that were known.", metrics.get("duplicates"), label)
    yield _counter("igentai_cost_dollars", "Money spent, in US dollars.", metrics.get("cost_usd"), label)
    if metrics.get("budget_usd") is not None:
        yield _gauge("igentai_budget_dollars", "Money that may be spent.", metrics["budget_usd"], label)
    yield _gauge("igentai_elapsed_seconds", "Time worked on the topic.", metrics.get("elapsed_s"), label)
    tokens = CounterMetricFamily("igentai_tokens", "Tokens sent and received.", labels=["topic", "direction"])
    for direction in ("input", "output"):
        tokens.add_metric([topic, direction], _number((metrics.get("tokens") or {}).get(direction)))
    yield tokens
    coverage = metrics.get("coverage") or {}
    if coverage.get("at_least") is not None:
        text = "Attributes that exist at least, found or not."
        yield _gauge("igentai_attributes_at_least", text, coverage["at_least"], label)
    if coverage.get("estimated_total") is not None:
        text = "Estimated number of attributes, found or not."
        yield _gauge("igentai_attributes_estimated", text, coverage["estimated_total"], label)


def _of_models(topic: str, models: Mapping[str, Document]) -> Iterator[Metric]:
    labels = ["topic", "model"]
    requests = CounterMetricFamily("igentai_requests", "Requests that ended.", labels=[*labels, "outcome"])
    weight = GaugeMetricFamily("igentai_model_weight_ratio", "Share of the requests, 0 to 1.", labels=labels)
    usable = GaugeMetricFamily("igentai_model_usable", "1 while the model may be asked.", labels=labels)
    latency = GaugeMetricFamily(
        "igentai_model_latency_seconds", "Time to an answer over the last window.", labels=[*labels, "statistic"]
    )
    for key, row in models.items():
        failed = _number(row.get("failed"))
        requests.add_metric([topic, key, "ok"], max(0.0, _number(row.get("requests")) - failed))
        requests.add_metric([topic, key, "failed"], failed)
        weight.add_metric([topic, key], _number(row.get("weight")))
        usable.add_metric([topic, key], float(row.get("state") not in {"open", "out"}))
        latency.add_metric([topic, key, "mean"], _number(row.get("latency_ms")) / 1000)
        latency.add_metric([topic, key, "p95"], _number(row.get("latency_p95_ms")) / 1000)
    yield from (requests, weight, usable, latency)
    for name, text, source in _BY_MODEL:
        family = CounterMetricFamily(name, text, labels=labels)
        for key, row in models.items():
            family.add_metric([topic, key], _number(row.get(source)))
        yield family


def _gauge(name: str, text: str, value: Any, labels: Mapping[str, str] | None = None) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels or {}))
    family.add_metric(list((labels or {}).values()), _number(value))
    return family


def _counter(name: str, text: str, value: Any, labels: Mapping[str, str]) -> Metric:
    family = CounterMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), _number(value))
    return family


def _number(value: Any) -> float:
    """Anything a document may hold as a number; what is missing is 0."""
    return float(value) if isinstance(value, int | float) else 0.0
