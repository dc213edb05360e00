"""The archive: the one writer of outputs/, except for the spools, which their producers write."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from igentai.errors import ConfigurationError, LedgerDamaged, StorageError, StorageFull, TopicError
from igentai.folders import distinct
from igentai_orchestrator.shell.archive import documents, ledger, opening, topic_folders
from igentai_orchestrator.shell.archive.disk import Disk, SystemDisk, replace_whole, sweep_unfinished
from igentai_orchestrator.shell.archive.ledger import Ledger
from igentai_orchestrator.shell.archive.lines import OutputLines
from igentai_orchestrator.shell.archive.lock import OutputsLock, holder
from igentai_orchestrator.shell.archive.opening import SPOOL, OpenedTopic, OpenMode
from igentai_orchestrator.shell.archive.specification import spec_from_json
from igentai_orchestrator.shell.archive.summaries import Summaries, TopicSummary, global_state
from igentai_orchestrator.shell.archive.trouble import passing_trouble
from igentai_orchestrator.shell.archive.writer import ArchiveListener, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from igentai_orchestrator.core.records import EventRecord, Record
    from igentai_orchestrator.core.topic import TopicSpec


@dataclass(slots=True)
class _Open:
    spec: TopicSpec
    folder: Path
    started: str
    writer: Writer


class Archive:
    """All methods are for one thread, that of the event loop.

    Args:
        outputs: the folder; made at `claim` where it is missing.
        now_wall: seconds since 1970, for display.
        now: seconds that only grow, for working time.
        disk: the file system.
        retry_s: seconds between two tries while storage is in trouble.
    """

    def __init__(
        self,
        outputs: Path,
        *,
        now_wall: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
        disk: Disk | None = None,
        retry_s: float = 5.0,
    ) -> None:
        self._outputs = outputs
        self._now_wall = now_wall
        self._now = now
        self._disk = disk or SystemDisk()
        self._retry_s = retry_s
        self._lock = OutputsLock(outputs)
        self._summaries = Summaries(outputs)
        self._topic: _Open | None = None

    def claim(self) -> None:
        """Make sure that this daemon alone works in the folder, that it can be written, and that it is tidy.

        Raises:
            OutputsBusy: another daemon is at work; the message names its pid.
            ConfigurationError: the folder cannot be made or written.
            StorageFull: no space, which may pass.
        """
        try:
            self._outputs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot make the outputs folder {self._outputs} ({error.strerror}); make it, or name another one"
            ) from error
        self._lock.claim()
        try:
            self._tidy()
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Let another daemon have the folder."""
        self._lock.release()

    def topics(self) -> list[TopicSummary]:
        """Every topic there is, by folder name. Works without a claim, too."""
        return self._summaries.all(self._running())

    def existing(self, topic: str) -> str | None:
        """The folder of this very topic, None where there is none yet."""
        taken = topic_folders.taken(self._outputs)
        folder = distinct(topic, taken)
        return folder if folder in taken else None

    def folder_for(self, topic: str) -> str:
        """The name of this topic's folder, existing or to be made.

        Raises:
            TopicError: no name can be made of the topic.
        """
        return distinct(topic, topic_folders.taken(self._outputs))

    def load_spec(self, folder: str) -> TopicSpec:
        """The spec with which a topic was last started.

        Raises:
            TopicError: there is no such topic, or its ledger does not say.
        """
        meta = topic_folders.read_meta(topic_folders.path_of(self._outputs, folder))
        if meta is None:
            raise TopicError(f"{self._outputs / folder} holds no ledger that can be read; see `igentai topics`")
        try:
            return spec_from_json(meta["spec"])
        except (KeyError, TypeError, ValueError) as error:
            raise TopicError(f"the ledger of {folder} does not say how it was started; start it with flags") from error

    def open(self, spec: TopicSpec, mode: OpenMode, *, listener: ArchiveListener) -> OpenedTopic:
        """Make, overwrite or recover a topic, and start its writer.

        Raises:
            TopicError: it is there (`new`), it is not (`resume`), or it is another topic's folder.
            ConfigurationError: written by a newer igentai.
            StorageFull: no space, or not writable, right now.
            LedgerDamaged: the ledger cannot be read, or a sync failed.
        """
        assert self._lock.held, "claim the outputs folder first"
        assert self._topic is None, "close the open topic first"
        path = topic_folders.path_of(self._outputs, spec.folder)
        with _storage_errors(path):
            if mode != "resume":
                wall = self._now_wall()
                opening.make(spec, self._outputs, path, self._disk, wall, overwrite=mode == "overwrite")
            elif not path.is_dir():
                raise TopicError(f"there is no {path} to resume; start the topic without --resume")
            return self._take_up(spec, path, listener, resumed=mode == "resume")

    def submit(self, ticket: int, record: Record) -> None:
        """Have `record` committed; the listener hears of `ticket`, or a higher one. Never blocks."""
        self._open_topic.writer.submit(ticket, record)

    def backlog(self) -> int:
        """Records that were submitted and are not yet durable."""
        return self._topic.writer.backlog() if self._topic else 0

    def amend(self, folder: str, event: EventRecord, metrics: Mapping[str, Any] | None = None) -> None:
        """Record what a person decided of a topic that is not open; `metrics` replaces its metrics.json.

        Raises:
            TopicError: there is no such topic.
            ConfigurationError: written by a newer igentai.
            StorageFull: no space, or not writable, right now.
            LedgerDamaged: the ledger cannot be read, or a sync failed.
        """
        assert self._lock.held, "claim the outputs folder first"
        assert folder != self._running(), "what belongs to the open topic is submitted"
        path = topic_folders.path_of(self._outputs, folder)
        with _storage_errors(path):
            book = Ledger.open(path / ledger.FILE)
            try:
                book.commit([event], at=self._stamp(), elapsed_s=float(book.meta()["elapsed_s"]))
            finally:
                book.close()
            if metrics is not None:
                replace_whole(self._disk, path / documents.METRICS, (documents.metrics_bytes(metrics),))

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Replace metrics.json soon; only the latest is written."""
        topic = self._open_topic
        data = documents.metrics_bytes(metrics)
        topic.writer.put(topic.folder / documents.METRICS, lambda: data)

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace state.json soon. Its topic, folder, start and time of writing are added.

        `topics` shows its `status`, `unique_attributes`, `cost_usd` and `stop_reason`.
        """
        topic = self._open_topic
        data = documents.state_bytes(topic.spec, {"started": topic.started, **state}, self._stamp())
        topic.writer.put(topic.folder / documents.STATE, lambda: data)

    def write_global(self, waiting: Sequence[str] = ()) -> None:
        """Replace global_state.json: every topic there is, the one running, and the `waiting` ones in their order.

        While a topic is open this is queued behind what was written before; otherwise it happens at once.

        Raises:
            StorageFull: at once, and there is no space.
        """
        queue, path = tuple(waiting), self._outputs / documents.GLOBAL_STATE
        running = self._running()

        def render() -> bytes:
            return documents.global_bytes(global_state(self._summaries.all(running), running, queue, self._stamp()))

        if self._topic is not None:
            self._topic.writer.put(path, render)
            return
        with _storage_errors(self._outputs):
            replace_whole(self._disk, path, (render(),))

    async def close(self) -> None:
        """Make everything queued durable and close the topic's files. Without an open topic: nothing.

        Raises:
            StorageFull: storage is in trouble and the last try failed; what is missing was never acknowledged.
            LedgerDamaged: the writer broke.
        """
        topic, self._topic = self._topic, None
        if topic is not None:
            await asyncio.to_thread(topic.writer.finish)

    @property
    def _open_topic(self) -> _Open:
        assert self._topic is not None, "open a topic first"
        return self._topic

    def _running(self) -> str | None:
        """The folder that is being worked on, by us or, without a claim, by the daemon that has it."""
        if self._topic is not None:
            return self._topic.spec.folder
        if self._lock.held or holder(self._outputs) is None:
            return None
        state = documents.read_document(self._outputs / documents.GLOBAL_STATE) or {}
        running = state.get("running")
        return running if isinstance(running, str) else None

    def _stamp(self) -> str:
        return documents.iso_time(self._now_wall())

    def _tidy(self) -> None:
        probe = self._outputs / ".writable"
        try:
            replace_whole(self._disk, probe, (b"yes\n",))
            probe.unlink()
            topic_folders.sweep(self._outputs)
            sweep_unfinished(self._outputs)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"no space left for {self._outputs}; make room, then start again") from error
            raise ConfigurationError(
                f"cannot write in {self._outputs} ({error.strerror}); make it writable, or name another outputs folder"
            ) from error

    def _take_up(self, spec: TopicSpec, path: Path, listener: ArchiveListener, *, resumed: bool) -> OpenedTopic:
        files = opening.take_up(spec, path, self._disk, resumed=resumed)
        try:
            meta, elapsed_s = files.meta, float(files.meta["elapsed_s"])
            history = files.book.history()
            writer = self._writer(files.book, files.lines, listener, elapsed_s)
        except BaseException:
            files.book.close()
            raise
        self._topic = _Open(spec, path, meta["started"], writer)
        writer.start()
        return OpenedTopic(meta["ledger"], path, path / SPOOL, history, elapsed_s, resumed, files.repairs)

    def _writer(self, book: Ledger, lines: OutputLines, listener: ArchiveListener, before_s: float) -> Writer:
        began = self._now()
        return Writer(
            book, lines, self._disk, listener,
            stamp=self._stamp, elapsed_s=lambda: before_s + self._now() - began, retry_s=self._retry_s,
        )  # fmt: skip


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Failures outside the writer thread, in the words of `igentai.errors`."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        detail = passing_trouble(error)
        if detail is not None:
            raise StorageFull(f"{path}: {detail}, then try again") from error
        if isinstance(error, sqlite3.Error):
            raise LedgerDamaged(f"{path}: {error}; run `igentai fsck`, or put back a copy") from error
        raise StorageError(f"{path}: {error.strerror}; check the folder and the disk, then try again") from error
