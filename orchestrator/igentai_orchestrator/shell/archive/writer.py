"""The one thread that writes a topic: group commits, then output.txt, then the word that it is durable.

    submit ──▶ queue ──▶ ledger (COMMIT, synced) ──▶ output.txt ──▶ is the ledger still in its place? ──▶ committed

A group is whatever was submitted while the last one was written; where that was much, more is waited for a moment. In
trouble that may pass (no space, read-only, the
folder is gone) the group is kept as far as it got, and tried again every `retry_s`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from igentai.errors import LedgerDamaged, StorageError, StorageFull
from igentai_orchestrator.shell.archive.disk import Disk, replace_whole
from igentai_orchestrator.shell.archive.trouble import passing_trouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from igentai_orchestrator.core.records import Record
    from igentai_orchestrator.shell.archive.ledger import Ledger
    from igentai_orchestrator.shell.archive.lines import OutputLines

_log = structlog.get_logger(__name__)

# Producers stop at their credit long before; more than this means that somebody submits without waiting for commits.
MAX_BACKLOG: Final = 1 << 17

# A group commits at once; this bounds the memory and the latency of one after a long trouble.
_MAX_GROUP: Final = 4096

# A commit costs half a millisecond of processor time, whatever is in it, and each sends an Ack to everybody who was
# in it. Under load a moment's patience halves that; a single answer is never kept waiting.
_MUCH: Final = 4
_PATIENCE_S: Final = 0.004


class ArchiveListener(Protocol):
    """Hears what became of submitted records. Called from the writer thread; must not block."""

    def committed(self, ticket: int) -> None:
        """Every record up to `ticket` is durable, in the ledger and in output.txt."""
        ...

    def troubled(self, detail: str) -> None:
        """Writing does not work, for a reason that may pass. Everything is kept and tried again."""
        ...

    def mended(self) -> None:
        """Writing works again."""
        ...

    def broken(self, error: BaseException) -> None:
        """The writer has stopped for good; the process must exit, and the next one recovers."""
        ...


@dataclass(slots=True)
class _Group:
    """Records on their way. `text` is None until the ledger has them, empty once output.txt has it too."""

    ticket: int
    records: list[Record]
    text: bytes | None = None


class Writer:
    """Owns an open ledger and output.txt from `start` to `finish`."""

    def __init__(
        self,
        ledger: Ledger,
        lines: OutputLines,
        disk: Disk,
        listener: ArchiveListener,
        *,
        stamp: Callable[[], str],
        elapsed_s: Callable[[], float],
        retry_s: float,
    ) -> None:
        self._ledger = ledger
        self._lines = lines
        self._disk = disk
        self._listener = listener
        self._stamp = stamp
        self._elapsed_s = elapsed_s
        self._retry_s = retry_s
        self._inode = ledger.path.stat().st_ino
        self._changed = threading.Condition()
        self._queue: list[tuple[int, Record]] = []
        self._documents: dict[Path, Callable[[], bytes]] = {}
        self._last_document: Path | None = None
        self._closing = False
        self._group: _Group | None = None
        self._last_size = 0  # records of the last group
        self._trouble: str | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="igentai-archive", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, ticket: int, record: Record) -> None:
        """Queue a record. Tickets must grow."""
        with self._changed:
            assert len(self._queue) < MAX_BACKLOG, "records are submitted without regard to what is committed"
            self._queue.append((ticket, record))
            self._changed.notify()

    def put(self, path: Path, render: Callable[[], bytes]) -> None:
        """Queue a document; `render` is called in the writer thread. Only the latest one of a path is written."""
        with self._changed:
            self._documents.pop(path, None)  # so that it goes to the end: documents are written in the order asked
            self._documents[path] = render
            self._changed.notify()

    def backlog(self) -> int:
        group = self._group
        return len(self._queue) + (len(group.records) if group else 0)

    def finish(self) -> None:
        """Write what is queued, close the files, end the thread. In trouble, one more try is made.

        Raises:
            StorageFull: it is not all written; what was not committed was not acknowledged either.
            LedgerDamaged: the writer broke, now or earlier.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._work()
            self._settle()
        except BaseException as error:
            self._failure = error
            if not isinstance(error, StorageFull):
                self._listener.broken(error)
        finally:
            self._lines.close()
            self._ledger.close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                last = self._closing
            if self._attempt():
                if last and not self._pending():
                    return
            elif last:
                raise StorageFull(
                    f"{self._ledger.path.parent}: {self._trouble}; {self.backlog()} records were not written and will "
                    "be taken in from the producers' spools when the topic is resumed"
                )
            else:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, self._retry_s)

    def _has_work(self) -> bool:
        return self._closing or self._pending()

    def _pending(self) -> bool:
        return bool(self._queue or self._documents or self._group)

    def _attempt(self) -> bool:
        """Write one group and one of the documents that wait; False in trouble."""
        try:
            self._write_group()
            self._write_document()
        except (OSError, sqlite3.Error) as error:
            detail = passing_trouble(error)
            if detail is None:
                raise self._broken(error) from error
            self._tell_trouble(detail)
            return False
        if self._trouble is not None:
            self._trouble = None
            self._listener.mended()
        return True

    def _write_group(self) -> None:
        group = self._group = self._group or self._take()
        if group is None:
            return
        if group.text is None:
            written = self._ledger.commit(group.records, at=self._stamp(), elapsed_s=self._elapsed_s())
            for producer_run, seq in written.ignored:
                _log.warning("archive.answer_ignored", producer_run=producer_run, seq=seq, reason="recorded before")
            group.text = written.text
        if self._lines.touched():
            _log.warning("archive.output_mended", repair=self._lines.open())
        elif group.text:
            self._lines.append(group.text)
        group.text = b""
        self._stand_in_place()
        self._group = None
        self._listener.committed(group.ticket)
        self._ledger.checkpoint_if_due()

    def _take(self) -> _Group | None:
        if self._last_size >= _MUCH and self._queue:
            time.sleep(_PATIENCE_S)  # not a wait: every record that comes would end it
        with self._changed:
            if not self._queue:
                return None
            taken, self._queue = self._queue[:_MAX_GROUP], self._queue[_MAX_GROUP:]
        self._last_size = len(taken)
        return _Group(taken[-1][0], [record for _, record in taken])

    def _stand_in_place(self) -> None:
        """Nothing is acknowledged that is only in a file without a name.

        Raises:
            FileNotFoundError: the whole folder is gone; it may come back.
            LedgerDamaged: the ledger was removed or replaced.
        """
        try:
            if self._ledger.path.stat().st_ino == self._inode:
                return
        except FileNotFoundError:
            self._ledger.path.parent.stat()
        raise LedgerDamaged(
            f"{self._ledger.path} was removed or replaced while in use; start again to go on from what is there now"
        )

    def _write_document(self) -> None:
        """One at a time, so that on a slow disk answers do not wait for all of them; no two turns for the same one."""
        with self._changed:
            if not self._documents:
                return
            path = next((path for path in self._documents if path != self._last_document), self._last_document)
            assert path is not None
            render = self._documents[path]
        replace_whole(self._disk, path, (render(),))
        self._last_document = path
        with self._changed:
            if self._documents.get(path) is render:
                del self._documents[path]

    def _settle(self) -> None:
        """The last word of an orderly end."""
        try:
            self._lines.sync()
            self._ledger.set_meta({"elapsed_s": repr(self._elapsed_s())})
            self._ledger.checkpoint()
        except (OSError, sqlite3.Error) as error:
            if passing_trouble(error) is None:
                raise self._broken(error) from error

    def _tell_trouble(self, detail: str) -> None:
        if detail != self._trouble:
            self._trouble = detail
            self._listener.troubled(f"{self._ledger.path.parent}: {detail}")

    def _broken(self, error: Exception) -> StorageError:
        return LedgerDamaged(
            f"{self._ledger.path.parent} cannot be written any more ({error}); start again: what was acknowledged is "
            "recovered from the ledger"
        )
