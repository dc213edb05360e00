"""One topic runs at a time; the others wait here, in the order they were asked for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from igentai.errors import TopicError
from igentai_orchestrator.core.topic import TopicSpec

Mode: TypeAlias = Literal["new", "overwrite", "resume"]
LONGEST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    spec: TopicSpec
    mode: Mode


class Agenda:
    """The queue of topics."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def folders(self) -> list[str]:
        return [entry.spec.folder for entry in self._entries]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def add(self, entry: Entry, running: str | None) -> int:
        """Queue a topic. Returns how many go before it.

        Raises:
            TopicError: it is running or queued already, or the queue is full.
        """
        folder = entry.spec.folder
        if folder == running:
            raise TopicError(f"the topic {entry.spec.topic!r} is running already; stop it first")
        if folder in self.folders:
            raise TopicError(f"the topic {entry.spec.topic!r} is queued already")
        if len(self._entries) >= LONGEST:
            raise TopicError(f"{LONGEST} topics are queued; wait until some are done")
        self._entries.append(entry)
        return len(self._entries) - 1

    def remove(self, folder: str) -> bool:
        """Take a topic out of the queue; False where it is not in it."""
        kept = [entry for entry in self._entries if entry.spec.folder != folder]
        removed = len(kept) < len(self._entries)
        self._entries = deque(kept)
        return removed

    def next(self) -> Entry | None:
        return self._entries.popleft() if self._entries else None
