"""One line a topic: what `igentai topics`, the page and global_state.json show."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from igentai_orchestrator.shell.archive import documents, ledger
from igentai_orchestrator.shell.archive.history import connect_readonly
from igentai_orchestrator.shell.archive.topic_folders import read_meta, topic_folders

if TYPE_CHECKING:
    from pathlib import Path

_ENDED: Final = frozenset({"finished", "stopped"})


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """`status`: running, finished, stopped, or interrupted where its daemon ended without a word. `cost` in USD;
    `started` and `updated` ISO 8601 in UTC, None where unknown.
    """

    folder: str
    topic: str
    status: str
    unique: int
    cost: float
    started: str | None
    updated: str | None
    stop_reason: str | None = None


class Summaries:
    """Reads them, and reads a folder's state.json again only where it has changed."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self._known: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = {}

    def all(self, running: str | None) -> list[TopicSummary]:
        """Every topic by folder name. `running` is the folder that somebody works on right now."""
        return [self._one(folder, running) for folder in topic_folders(self._outputs)]

    def _one(self, folder: Path, running: str | None) -> TopicSummary:
        state = self._state(folder)
        status = str(state.get("status", "interrupted"))
        if status not in _ENDED and folder.name != running:
            status = "interrupted"
        return TopicSummary(
            folder=folder.name,
            topic=str(state.get("topic") or folder.name),
            status=status,
            unique=_number(state.get("unique_attributes")),
            cost=float(_number(state.get("cost_usd"))),
            started=_text(state.get("started")),
            updated=_text(state.get("updated")),
            stop_reason=_text(state.get("stop_reason")),
        )

    def _state(self, folder: Path) -> dict[str, Any]:
        path = folder / documents.STATE
        try:
            status = path.stat()
        except OSError:
            return from_ledger(folder)
        mark = (status.st_mtime_ns, status.st_ino)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            state = documents.read_document(path)
            known = self._known[path] = (mark, from_ledger(folder) if state is None else state)
        return known[1]


def from_ledger(folder: Path) -> dict[str, Any]:
    """What the ledger alone says of a topic, in the words of state.json; empty where it cannot be read."""
    meta = read_meta(folder)
    if meta is None:
        return {}
    query = "SELECT coalesce(sum(fresh_count), 0), coalesce(sum(cost_usd), 0.0), max(at) FROM answers"
    try:
        connection = connect_readonly(folder / ledger.FILE)
        try:
            unique, cost, updated = connection.execute(query).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return {}
    return {
        "topic": meta.get("topic"),
        "folder": folder.name,
        "status": "interrupted",
        "unique_attributes": unique,
        "cost_usd": cost,
        "started": meta.get("started"),
        "updated": updated or meta.get("started"),
    }


def global_state(topics: list[TopicSummary], running: str | None, waiting: tuple[str, ...], at: str) -> dict[str, Any]:
    """The content of global_state.json."""
    return {"updated": at, "running": running, "waiting": list(waiting), "topics": [asdict(topic) for topic in topics]}


def _number(value: Any) -> Any:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
