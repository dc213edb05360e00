"""The archive while a topic is open: what is told when, and what trouble does."""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import structlog

from igentai.errors import LedgerDamaged, StorageError, StorageFull
from igentai_orchestrator.core.records import EventRecord, Record
from igentai_orchestrator.shell.archive import Archive, OpenedTopic, OpenMode
from igentai_orchestrator.shell.archive.ledger import Ledger, Written
from tests.doubles.storage import FaultyDisk, Listener, answer, answers, spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def disk() -> FaultyDisk:
    return FaultyDisk()


@pytest.fixture
def archive(tmp_path: Path, disk: FaultyDisk) -> Iterator[Archive]:
    archive = Archive(tmp_path / "outputs", disk=disk, retry_s=0.01)
    archive.claim()
    yield archive
    archive.release()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def opened(archive: Archive, listener: Listener) -> OpenedTopic:
    return archive.open(spec(), "new", listener=listener)


def _submit(archive: Archive, records: list[Record], first: int = 1) -> int:
    for ticket, record in enumerate(records, first):
        archive.submit(ticket, record)
    return first + len(records) - 1


def _output(opened: OpenedTopic) -> bytes:
    return (opened.folder / "output.txt").read_bytes()


def _expected(records: list[Record]) -> bytes:
    return "".join(f"{text}\n" for record in records for text in getattr(record, "fresh", ())).encode()


def _recorded(opened: OpenedTopic) -> list[Record]:
    book = Ledger.open(opened.folder / "ledger.db")
    try:
        return list(book.history())
    finally:
        book.close()


async def test_a_ticket_is_told_only_when_ledger_and_output_hold_it(archive: Archive, tmp_path: Path) -> None:
    records = answers(200)
    late: list[int] = []
    folder = tmp_path / "outputs" / spec().folder

    def look(ticket: int) -> None:
        lines = (folder / "output.txt").read_bytes().count(b"\n")
        connection = sqlite3.connect(folder / "ledger.db")
        (held,) = connection.execute("SELECT count(*) FROM answers").fetchone()
        connection.close()
        if held < ticket or lines < 3 * ticket:
            late.append(ticket)

    listener = Listener(look)
    opened = archive.open(spec(), "new", listener=listener)
    last = _submit(archive, list(records))
    listener.until(lambda heard: heard.ticket == last)
    assert archive.backlog() == 0
    await archive.close()
    assert late == []
    assert listener.tickets == sorted(set(listener.tickets))
    assert _output(opened) == _expected(list(records))
    assert _recorded(opened) == records


async def test_what_arrives_during_a_commit_goes_into_the_next_one_together(
    archive: Archive, opened: OpenedTopic, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    commit = Ledger.commit
    rest = answers(50)

    def slow(self: Ledger, records: list[Record], *, at: str, elapsed_s: float) -> Written:
        if not sizes:
            _submit(archive, list(rest[1:]), 2)
        sizes.append(len(records))
        return commit(self, records, at=at, elapsed_s=elapsed_s)

    monkeypatch.setattr(Ledger, "commit", slow)
    _submit(archive, [rest[0]])
    listener.until(lambda heard: heard.ticket == 50)
    await archive.close()
    assert sizes == [1, 49]
    assert listener.tickets == [1, 50]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
async def test_a_failing_append_is_tried_again_until_it_works(
    archive: Archive, opened: OpenedTopic, listener: Listener, disk: FaultyDisk, code: int
) -> None:
    records = answers(6)
    last = _submit(archive, list(records[:3]))
    listener.until(lambda heard: heard.ticket == last)
    disk.written_before_failing = 4
    disk.fail("write", code, times=3)
    last = _submit(archive, list(records[3:]), last + 1)
    listener.until(lambda heard: heard.mends == 1)
    listener.until(lambda heard: heard.ticket == last)
    await archive.close()
    assert len(listener.troubles) == 1, "said once, not at every try"
    assert listener.errors == []
    assert _output(opened) == _expected(list(records))
    assert _recorded(opened) == records


async def test_nothing_is_told_while_in_trouble(
    archive: Archive, opened: OpenedTopic, listener: Listener, disk: FaultyDisk
) -> None:
    disk.fail("write", times=10_000)
    _submit(archive, list(answers(2)))
    listener.until(lambda heard: bool(heard.troubles))
    assert "make room" in listener.troubles[0]
    assert listener.tickets == []
    assert archive.backlog() == 2
    disk.heal()
    listener.until(lambda heard: heard.ticket == 2)
    assert archive.backlog() == 0
    await archive.close()


async def test_a_full_ledger_is_tried_again_until_it_works(
    archive: Archive, opened: OpenedTopic, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, failures = Ledger.commit, [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_WRITE]

    def failing(self: Ledger, records: list[Record], *, at: str, elapsed_s: float) -> Written:
        if failures:
            raise _sqlite_error(failures.pop(0))
        return commit(self, records, at=at, elapsed_s=elapsed_s)

    monkeypatch.setattr(Ledger, "commit", failing)
    records = answers(3)
    last = _submit(archive, list(records))
    listener.until(lambda heard: heard.ticket == last)
    await archive.close()
    assert len(listener.troubles) == 3
    assert _recorded(opened) == records
    assert _output(opened) == _expected(list(records))


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_READONLY_DBMOVED, sqlite3.SQLITE_NOTADB]
)
async def test_a_ledger_that_cannot_be_trusted_ends_it_at_once(
    archive: Archive, opened: OpenedTopic, listener: Listener, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    tries: list[int] = []

    def failing(self: Ledger, records: list[Record], *, at: str, elapsed_s: float) -> Written:
        tries.append(len(records))
        raise _sqlite_error(code)

    monkeypatch.setattr(Ledger, "commit", failing)
    _submit(archive, list(answers(1)))
    listener.until(lambda heard: bool(heard.errors))
    assert isinstance(listener.errors[0], LedgerDamaged)
    with pytest.raises(LedgerDamaged):
        await archive.close()
    assert tries == [1]
    assert listener.tickets == []


def _sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("made up by the test")
    error.sqlite_errorcode = code
    return error


async def test_a_failed_sync_of_a_document_is_never_tried_again(
    archive: Archive, opened: OpenedTopic, listener: Listener, disk: FaultyDisk
) -> None:
    disk.calls.clear()
    disk.fail("fsync", errno.ENOSPC)
    archive.write_state({"status": "running"})
    listener.until(lambda heard: bool(heard.errors))
    with pytest.raises(LedgerDamaged, match="fsync"):
        await archive.close()
    assert disk.calls["fsync"] == 1


async def test_a_removed_ledger_ends_it(archive: Archive, opened: OpenedTopic, listener: Listener) -> None:
    (opened.folder / "ledger.db").unlink()
    _submit(archive, list(answers(1)))
    listener.until(lambda heard: bool(heard.errors))
    with pytest.raises(LedgerDamaged, match="removed or replaced"):
        await archive.close()
    assert listener.tickets == []


async def test_a_folder_that_is_moved_away_is_waited_for(
    archive: Archive, opened: OpenedTopic, listener: Listener, tmp_path: Path
) -> None:
    records = answers(4)
    _submit(archive, list(records[:1]))
    listener.until(lambda heard: heard.ticket == 1)
    opened.folder.rename(tmp_path / "away")
    last = _submit(archive, list(records[1:]), 2)
    listener.until(lambda heard: bool(heard.troubles))
    assert "the folder is gone" in listener.troubles[0]
    assert listener.ticket == 1
    (tmp_path / "away").rename(opened.folder)
    listener.until(lambda heard: heard.ticket == last)
    await archive.close()
    assert _output(opened) == _expected(list(records))
    assert _recorded(opened) == records


async def test_output_changed_while_running_is_kept_as_a_copy_and_written_again(
    archive: Archive, opened: OpenedTopic, listener: Listener
) -> None:
    records = answers(4)
    _submit(archive, list(records[:2]))
    listener.until(lambda heard: heard.ticket == 2)
    foreign = _output(opened).replace(b"attribute", b"ATTRIBUTE")
    (opened.folder / "output.txt").write_bytes(foreign + b"mine\n")
    with structlog.testing.capture_logs() as logs:
        last = _submit(archive, list(records[2:]), 3)
        listener.until(lambda heard: heard.ticket == last)
    await archive.close()
    assert _output(opened) == _expected(list(records))
    assert (opened.folder / "output.txt.foreign-1").read_bytes() == foreign + b"mine\n"
    assert [line["event"] for line in logs] == ["archive.output_mended"]


async def test_an_answer_submitted_twice_is_written_once(
    archive: Archive, opened: OpenedTopic, listener: Listener
) -> None:
    with structlog.testing.capture_logs() as logs:
        _submit(archive, [answer(1, 1, ["Louvre"]), answer(1, 2, [], [1])])
        listener.until(lambda heard: heard.ticket == 2)
    await archive.close()
    assert _output(opened) == b"Louvre\n"
    assert [(line["event"], line["seq"]) for line in logs] == [("archive.answer_ignored", 1)]


async def test_close_writes_everything_that_is_queued(
    archive: Archive, opened: OpenedTopic, listener: Listener
) -> None:
    records: list[Record] = [*answers(300), EventRecord("stopped", "done", "{}")]
    _submit(archive, records)
    archive.write_metrics({"unique_attributes": 900})
    archive.write_state({"status": "finished"})
    await archive.close()
    assert listener.ticket == 301
    assert _recorded(opened) == records
    assert orjson.loads((opened.folder / "metrics.json").read_bytes()) == {"unique_attributes": 900}
    assert orjson.loads((opened.folder / "state.json").read_bytes())["status"] == "finished"
    assert not list(opened.folder.glob("*-wal"))


async def test_close_in_trouble_says_what_is_missing_and_can_be_recovered(
    archive: Archive, opened: OpenedTopic, listener: Listener, disk: FaultyDisk
) -> None:
    disk.fail("write", times=10_000)
    records = answers(2)
    _submit(archive, list(records))
    listener.until(lambda heard: bool(heard.troubles))
    with pytest.raises(StorageFull, match="2 records"):
        await archive.close()
    assert listener.tickets == []
    disk.heal()
    again = archive.open(spec(), "resume", listener=Listener())
    kept = list(again.history)
    assert _output(again) == _expected(kept)
    await archive.close()


async def test_only_the_latest_of_a_document_is_written(
    archive: Archive, opened: OpenedTopic, listener: Listener, disk: FaultyDisk
) -> None:
    disk.fail("open", times=2)
    archive.write_metrics({"n": 0})
    listener.until(lambda heard: bool(heard.troubles))
    for n in range(1, 100):
        archive.write_metrics({"n": n})
    listener.until(lambda heard: heard.mends == 1)
    disk.calls.clear()
    await archive.close()
    assert orjson.loads((opened.folder / "metrics.json").read_bytes()) == {"n": 99}
    assert disk.calls.get("replace", 0) <= 1


@pytest.mark.parametrize("call", ["open", "write", "replace"])
async def test_a_document_that_cannot_be_written_leaves_the_old_one_whole(
    archive: Archive, opened: OpenedTopic, listener: Listener, disk: FaultyDisk, call: str
) -> None:
    archive.write_metrics({"n": 1})
    _wait_for_documents(listener, archive)
    disk.written_before_failing = 3
    disk.fail(call, times=10_000)
    archive.write_metrics({"n": 2})
    listener.until(lambda heard: bool(heard.troubles))
    assert orjson.loads((opened.folder / "metrics.json").read_bytes()) == {"n": 1}
    assert not list(opened.folder.glob(".unfinished-*"))
    disk.heal()
    await archive.close()
    assert orjson.loads((opened.folder / "metrics.json").read_bytes()) == {"n": 2}


def _wait_for_documents(listener: Listener, archive: Archive) -> None:
    """Records behind the documents: when the second is told, they are written."""
    archive.submit(1, EventRecord("mark", "", "{}"))
    listener.until(lambda heard: heard.ticket == 1)
    archive.submit(2, EventRecord("mark", "", "{}"))
    listener.until(lambda heard: heard.ticket == 2)


async def test_working_time_adds_up_over_daemons(tmp_path: Path) -> None:
    clock = [100.0]
    archive = Archive(tmp_path, now=lambda: clock[0])
    archive.claim()
    runs: list[tuple[OpenMode, float]] = [("new", 0.0), ("resume", 7.5), ("resume", 15.0)]
    for mode, before in runs:
        opened = archive.open(spec(), mode, listener=Listener())
        assert opened.elapsed_s == before
        clock[0] += 7.5
        await archive.close()
        clock[0] += 1000.0  # between two daemons nobody works
    archive.release()


async def test_a_fault_of_ours_ends_it_too(
    archive: Archive, opened: OpenedTopic, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(*_: object, **__: object) -> Written:
        raise ValueError("a fault in the archive")

    monkeypatch.setattr(Ledger, "commit", bad)
    _submit(archive, list(answers(1)))
    listener.until(lambda heard: bool(heard.errors))
    with pytest.raises(ValueError, match="a fault"):
        await archive.close()


async def test_global_state_lists_every_topic(archive: Archive, tmp_path: Path) -> None:
    def read() -> dict[str, Any]:
        content: dict[str, Any] = orjson.loads((tmp_path / "outputs" / "global_state.json").read_bytes())
        return content

    archive.open(spec(), "new", listener=Listener())
    archive.write_state({"status": "running", "unique_attributes": 3, "cost_usd": 0.5})
    archive.write_global(waiting=["rivers"])
    await archive.close()
    state = read()
    assert state["running"] == "paris_attractions"
    assert state["waiting"] == ["rivers"]
    archive.write_global()
    state = read()
    assert state["running"] is None
    (topic,) = state["topics"]
    assert (topic["folder"], topic["status"], topic["unique"], topic["cost"]) == (
        "paris_attractions", "interrupted", 3, 0.5,
    )  # fmt: skip


def test_global_state_at_once_says_when_there_is_no_space(archive: Archive, disk: FaultyDisk) -> None:
    disk.fail("write")
    with pytest.raises(StorageFull, match="make room"):
        archive.write_global()
    disk.fail("write", errno.EIO)
    with pytest.raises(StorageError):
        archive.write_global()
