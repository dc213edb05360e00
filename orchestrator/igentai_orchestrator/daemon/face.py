"""The daemon as the page and the API see it (`shell.web.face.DaemonFace`)."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import orjson

import igentai
from igentai.errors import ConfigurationError, NoUsableProvider, TopicError
from igentai_orchestrator.choice import choose
from igentai_orchestrator.commission import Commission
from igentai_orchestrator.core import facts, outlook
from igentai_orchestrator.core.groups import separation
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.daemon import documents
from igentai_orchestrator.shell.archive import Reader, export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from igentai_orchestrator.daemon.commissions import Commissions
    from igentai_orchestrator.daemon.state import State
    from igentai_orchestrator.shell.archive import ExportFormat, TopicSummary
    from igentai_orchestrator.shell.web.schemas import TopicRequest

READERS_KEPT: Final = 8
OFFER_KEPT_S: Final = 10.0


class Face:
    """Answers from memory where it can, from the ledger in a thread where it must."""

    def __init__(self, state: State, commissions: Commissions, dispatch: Callable[[facts.Fact], None]) -> None:
        self._state = state
        self._commissions = commissions
        self._dispatch = dispatch
        self._readers: dict[str, Reader] = {}
        self._offered: tuple[float, list[dict[str, Any]]] | None = None  # and when

    def status(self) -> dict[str, Any]:
        state = self._state
        books, now = state.desk.books, time.monotonic()
        trouble = state.desk.storage_trouble
        spec = state.spec
        models = spec.models if spec else ()
        return {
            "version": igentai.__version__,
            "pid": os.getpid(),
            "uptime_s": round(now - state.started_at, 1),
            "outputs": str(state.settings.outputs),
            "topic": {"id": spec.folder, "topic": spec.topic, "status": "running"} if spec else None,
            "queue": state.agenda.folders,
            "storage": {"ok": trouble is None, "detail": trouble or "results are kept"},
            "producers": outlook.producers(books, now),
            "alerts": self._alerts(now),
            "simulated": any(m.provider == "simulated" for m in models),
            "embedded": any(m.provider == "embedded" for m in models),
        }

    def topics(self) -> list[dict[str, Any]]:
        state = self._state
        rows = [self._row(summary) for summary in state.archive.topics()]
        listed = {row["id"] for row in rows}
        waiting = [entry.spec for entry in state.agenda.entries if entry.spec.folder not in listed]
        return rows + [{"id": spec.folder, "topic": spec.topic, "status": "queued"} for spec in waiting]

    async def start_topic(self, request: TopicRequest) -> dict[str, Any]:
        fields = request.model_dump(exclude_none=True)
        fields["providers"] = tuple(fields.get("providers", ()))
        fields["categories"] = tuple(dict.fromkeys(fields.get("categories", ())))
        # Probing for a local server may take a moment, and only where no provider was named.
        spec = self._commissions.take(Commission(**fields))
        return self._one(spec.folder)

    async def stop_topic(self, topic_id: str) -> dict[str, Any]:
        state = self._state
        before = self._one(topic_id)
        if state.agenda.remove(topic_id):
            state.tell_watchers()
            # One that never began leaves nothing behind, not even a row.
            gone = before | {"status": "stopped", "stop_reason": "taken out of the queue before it began"}
            return next((row for row in self.topics() if row["id"] == topic_id), gone)
        if state.spec is None or state.spec.folder != topic_id:
            raise TopicError(f"the topic {topic_id!r} neither runs nor waits")
        self._dispatch(facts.TopicStopRequested("stopped by a person"))
        return self._one(topic_id)

    async def resume_topic(self, topic_id: str) -> dict[str, Any]:
        self._known(topic_id)
        return self._one(self._commissions.resume(topic_id).folder)

    def metrics(self, topic_id: str) -> dict[str, Any] | None:
        state = self._state
        if state.spec is not None and state.spec.folder == topic_id and state.desk.phase is not Phase.IDLE:
            document = documents.metrics(state, "running", None)
            trouble = state.desk.storage_trouble
            if trouble:
                document["alerts"] = [{"level": "error", "text": trouble}, *document["alerts"]]
            return document
        if self._only_waits(topic_id):
            return {"topic": self._one(topic_id)["topic"], "status": "queued"}
        if topic_id not in {summary.folder for summary in state.archive.topics()}:
            return None
        try:
            kept: dict[str, Any] = orjson.loads((state.settings.outputs / topic_id / "metrics.json").read_bytes())
        except (OSError, ValueError):
            return {"topic": topic_id, "status": "interrupted"}
        return kept

    async def attributes(
        self, topic_id: str, after: int, limit: int, search: str | None, partition: str | None, provider: str | None
    ) -> list[dict[str, Any]]:
        if self._only_waits(topic_id):
            return []
        reader = self._reader(topic_id)
        if self._runs(topic_id):
            limit = min(limit, max(0, self._state.latest - after)) if not (search or partition or provider) else limit
        if limit <= 0:
            return []
        found = await asyncio.to_thread(reader.attributes, after, limit, search, partition, provider)
        return [asdict(row) for row in found]

    async def attribute(self, topic_id: str, number: int) -> dict[str, Any] | None:
        if self._only_waits(topic_id) or (self._runs(topic_id) and number > self._state.latest):
            return None
        origin = await asyncio.to_thread(self._reader(topic_id).one, number)
        if origin is None:
            return None
        document = asdict(origin)
        attribute: dict[str, Any] = document.pop("attribute")
        return attribute | document

    async def separate(self, topic_id: str, number: int) -> dict[str, Any]:
        state = self._state
        rows = await self.attributes(topic_id, number - 1, 1, None, None, None)
        if not rows or rows[0]["number"] != number:
            raise LookupError(number)
        # From here on nothing is awaited: the topic cannot be opened or closed in between.
        if self._runs(topic_id):
            campaign = state.desk.books.campaign
            if campaign is None or state.desk.phase is Phase.CLOSING:
                raise TopicError("the topic is just being closed; try again in a moment")
            if campaign.groups.merge_of(number) is None:
                raise _in_no_group(number)
            self._dispatch(facts.MergeUndone(number))
            state.tell_watchers()
        else:
            if rows[0]["merged_into"] is None:
                raise _in_no_group(number)
            state.archive.amend(topic_id, separation(number), _without_merge(self.metrics(topic_id), number))
        return rows[0] | {"merged_into": None}

    async def export(self, topic_id: str, fmt: ExportFormat) -> AsyncIterator[bytes]:
        if self._only_waits(topic_id):
            raise TopicError(f"the topic {topic_id!r} waits for its turn and has nothing so far")
        pieces = export(self._reader(topic_id), fmt)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    def providers(self) -> list[dict[str, Any]]:
        books, terms, now = self._state.desk.books, self._state.terms, time.monotonic()
        campaign = books.campaign
        if campaign is None:
            return self._next_asked(now)
        shares = campaign.policy.shares()
        rows = []
        for model in campaign.spec.models:
            state, detail = books.gates[model.provider].state(now, model.model)
            row = {"key": model.key, "provider": model.provider, "model": model.model, "state": state}
            row |= {"kind": terms[model.provider].kind, "detail": detail}
            rows.append(row | {"weight": shares.get(model.key), "set_weight": campaign.weights_set.get(model.key)})
        return rows

    async def set_weights(self, weights: dict[str, float | None]) -> list[dict[str, Any]]:
        campaign = self._state.desk.books.campaign
        if campaign is None:
            raise TopicError("no topic runs, so there are no weights to set; start one first")
        known = {model.key for model in campaign.spec.models}
        unknown = sorted(set(weights) - known)
        if unknown:
            raise ConfigurationError(f"{unknown[0]!r} is not asked in this topic; it has {', '.join(sorted(known))}")
        self._dispatch(facts.WeightsSet(weights, "a person"))
        return self.providers()

    def latest(self) -> tuple[int, ...]:
        return (self._state.latest,) if self._state.spec is not None else ()

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._state.watchers.add(changed)
        try:
            yield changed
        finally:
            self._state.watchers.discard(changed)

    def healthy(self) -> tuple[bool, str]:
        trouble = self._state.desk.storage_trouble
        return (trouble is None, trouble or "results are kept")

    # -- parts --------------------------------------------------------------------------------------------------

    def _alerts(self, now: float) -> list[dict[str, str]]:
        trouble = self._state.desk.storage_trouble
        storage = [{"level": "error", "text": trouble}] if trouble else []
        return storage + outlook.alerts(self._state.desk.books, now)

    def _row(self, summary: TopicSummary) -> dict[str, Any]:
        status = summary.status
        if summary.folder in self._state.agenda.folders:
            status = "queued"
        return {
            "id": summary.folder,
            "topic": summary.topic,
            "status": "running" if self._runs(summary.folder) else status,
            "stop_reason": summary.stop_reason,
            "unique_attributes": self._state.latest if self._runs(summary.folder) else summary.unique,
            "cost_usd": summary.cost,
            "started": summary.started,
            "updated": summary.updated,
        }

    def _one(self, topic_id: str) -> dict[str, Any]:
        return next((row for row in self.topics() if row["id"] == topic_id), {"id": topic_id, "topic": topic_id})

    def _runs(self, topic_id: str) -> bool:
        return self._state.spec is not None and self._state.spec.folder == topic_id

    def _next_asked(self, now: float) -> list[dict[str, Any]]:
        """The models that a topic without any of its own would ask, as far as that is known without a request."""
        if self._offered is None or now - self._offered[0] > OFFER_KEPT_S:
            try:
                models = choose((), self._state.settings, probe=lambda _: None).models
            except (ConfigurationError, NoUsableProvider):
                models = ()
            plain = {"state": "ok", "detail": "", "weight": None, "set_weight": None}
            rows = [{"key": m.key, "provider": m.provider, "model": m.model, **plain} for m in models]
            self._offered = (now, rows)
        return self._offered[1]

    def _only_waits(self, topic_id: str) -> bool:
        """Whether it waits to be worked on for the first time: there is nothing of it on disk."""
        state = self._state
        if topic_id not in state.agenda.folders:
            return False
        return topic_id not in {summary.folder for summary in state.archive.topics()}

    def _known(self, topic_id: str) -> None:
        if topic_id not in {summary.folder for summary in self._state.archive.topics()}:
            raise TopicError(f"there is no topic {topic_id!r}; `igentai topics` lists them")

    def _reader(self, topic_id: str) -> Reader:
        if topic_id not in self._readers:
            self._known(topic_id)
            while len(self._readers) >= READERS_KEPT:
                self._readers.pop(next(iter(self._readers))).close()
            self._readers[topic_id] = Reader(self._state.settings.outputs / topic_id)
        return self._readers[topic_id]


def _in_no_group(number: int) -> TopicError:
    return TopicError(f"attribute {number} is in no group of near-duplicates")


def _without_merge(metrics: dict[str, Any] | None, number: int) -> dict[str, Any] | None:
    """The numbers of a topic that ended, after one of its merges was undone; None where they do not tell of merges."""
    near = (metrics or {}).get("near_duplicates")
    if not metrics or not near:
        return None
    latest = [merge for merge in near["latest"] if merge["number"] != number]
    counts = {"merged": near["merged"] - 1, "distinct": near["distinct"] + 1}
    return metrics | {"near_duplicates": counts | {"latest": latest}}
