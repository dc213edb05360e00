"""A disk that fails where it is told to, a listener that remembers, and records to write."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING

from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.core.topic import Limits, ModelChoice, TopicSpec
from igentai_orchestrator.shell.archive.disk import SystemDisk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_S = 20.0


class FaultyDisk(SystemDisk):
    """The real disk, but calls named in `failures` raise those errnos, one a call, then work again; 0 lets one through.

    `short` makes every write at most that many bytes long. `calls` counts by name.
    """

    def __init__(self) -> None:
        self.failures: dict[str, list[int]] = {}
        self.short: int | None = None
        self.calls: dict[str, int] = {}
        self.written_before_failing = 0

    def fail(self, call: str, code: int = errno.ENOSPC, times: int = 1) -> None:
        self.failures.setdefault(call, []).extend([code] * times)

    def heal(self) -> None:
        self.failures.clear()

    def _enter(self, call: str) -> int | None:
        self.calls[call] = self.calls.get(call, 0) + 1
        waiting = self.failures.get(call)
        return (waiting.pop(0) or None) if waiting else None

    def _raise(self, call: str) -> None:
        if (code := self._enter(call)) is not None:
            raise OSError(code, errno.errorcode[code])

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        self._raise("open")
        return super().open(path, flags, mode)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        code = self._enter("write")
        if code is not None:
            super().write(fd, data[: self.written_before_failing])
            raise OSError(code, errno.errorcode[code])
        return super().write(fd, data[: self.short] if self.short else data)

    def fsync(self, fd: int) -> None:
        self._raise("fsync")
        super().fsync(fd)

    def truncate(self, fd: int, length: int) -> None:
        self._raise("truncate")
        super().truncate(fd, length)

    def replace(self, source: Path, target: Path) -> None:
        self._raise("replace")
        super().replace(source, target)


class Listener:
    """Remembers what the archive says; `until` waits for it. `on_commit` runs at each commit, in the writer thread."""

    def __init__(self, on_commit: Callable[[int], None] | None = None) -> None:
        self.tickets: list[int] = []
        self.troubles: list[str] = []
        self.mends = 0
        self.errors: list[BaseException] = []
        self._changed = threading.Condition()
        self._on_commit = on_commit

    @property
    def ticket(self) -> int:
        return self.tickets[-1] if self.tickets else 0

    def committed(self, ticket: int) -> None:
        if self._on_commit is not None:
            self._on_commit(ticket)
        with self._changed:
            self.tickets.append(ticket)
            self._changed.notify_all()

    def troubled(self, detail: str) -> None:
        with self._changed:
            self.troubles.append(detail)
            self._changed.notify_all()

    def mended(self) -> None:
        with self._changed:
            self.mends += 1
            self._changed.notify_all()

    def broken(self, error: BaseException) -> None:
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    def until(self, holds: Callable[[Listener], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self), PATIENCE_S), (self.tickets, self.troubles, self.errors)


def answer(
    seq: int, first_number: int, fresh: list[str], repeats: list[int] | None = None, **fields: object
) -> AnswerRecord:
    """An answer as the desk records it, with something in every field."""
    values: dict[str, object] = {
        "assignment_id": seq, "producer_run": "ab" * 16, "seq": seq, "producer": "p1", "provider": "openai",
        "model": "gpt-4o-mini", "partition": "root", "purpose": "list", "prompt_hash": "c0ffee", "status": "ok",
        "tokens_in": 120, "tokens_out": 340, "tokens_cached": 20, "cost_usd": 0.00125, "latency_ms": 1830,
        "candidates": len(fresh) + len(repeats or []), "first_number": first_number, "fresh": fresh,
        "repeats": repeats or [], "elapsed_s": 2.5 * seq, "notes": [],
    }  # fmt: skip
    return AnswerRecord(**{**values, **fields})  # type: ignore[arg-type]  # the names above are its fields


def answers(count: int, *, each: int = 3, run: str = "ab" * 16) -> list[AnswerRecord]:
    """`count` answers of `each` fresh attributes that repeat the first one of the answer before."""
    return [
        answer(
            seq,
            (seq - 1) * each + 1,
            [f"attribute {seq}.{place}" for place in range(each)],
            [(seq - 2) * each + 1] if seq > 1 else [],
            producer_run=run,
        )
        for seq in range(1, count + 1)
    ]


def spec(topic: str = "Paris attractions", folder: str = "paris_attractions") -> TopicSpec:
    return TopicSpec(
        topic, folder, (ModelChoice("openai", "gpt-4o-mini", 0.5), ModelChoice("simulated", "small")),
        prompt="List them", limits=Limits(budget_usd=2.5), categories=("museums", "parks"),
    )  # fmt: skip
