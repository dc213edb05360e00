"""Claiming the outputs folder; making, overwriting and recovering topics."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from igentai.errors import ConfigurationError, LedgerDamaged, OutputsBusy, StorageFull, TopicError
from igentai_orchestrator.shell.archive import Archive, OpenedTopic, OpenMode
from igentai_orchestrator.shell.archive.topic_folders import path_of
from tests.doubles.storage import FaultyDisk, Listener, answers, spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODES: tuple[OpenMode, ...] = ("new", "overwrite", "resume")
WALL = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "outputs"


@pytest.fixture
def archive(outputs: Path) -> Iterator[Archive]:
    archive = Archive(outputs, now_wall=lambda: WALL)
    archive.claim()
    yield archive
    archive.release()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def _made(archive: Archive, count: int = 5) -> OpenedTopic:
    listener = Listener()
    opened = archive.open(spec(), "new", listener=listener)
    for ticket, record in enumerate(answers(count), 1):
        archive.submit(ticket, record)
    archive.write_state({"status": "running"})
    await archive.close()
    return opened


def test_a_second_daemon_is_refused_with_the_first_ones_pid(archive: Archive, outputs: Path) -> None:
    with pytest.raises(OutputsBusy, match=rf"pid {os.getpid()}\b"):
        Archive(outputs).claim()
    archive.release()
    second = Archive(outputs)
    second.claim()
    second.release()


def test_the_lock_goes_with_the_process_that_held_it(outputs: Path) -> None:
    code = (
        "import os, pathlib, sys; from igentai_orchestrator.shell.archive import Archive\n"
        "Archive(pathlib.Path(sys.argv[1])).claim(); print('claimed', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(outputs)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdin is not None
    with other, other.stdout, other.stdin:
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(OutputsBusy, match=rf"pid {other.pid}\b"):
            Archive(outputs).claim()
        other.kill()
    archive = Archive(outputs)
    archive.claim()
    archive.release()


def test_the_lock_file_is_private(archive: Archive, outputs: Path) -> None:
    assert (outputs / ".lock").stat().st_mode & 0o777 == 0o600
    assert (outputs / ".lock").read_text() == f"{os.getpid()}\n"


def test_an_outputs_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    with pytest.raises(ConfigurationError, match="outputs"):
        Archive(tmp_path / "outputs").claim()


@pytest.mark.parametrize(
    ("call", "code", "error", "says"),
    [
        ("open", errno.EROFS, ConfigurationError, "make it writable"),
        ("write", errno.ENOSPC, StorageFull, "make room"),
        ("fsync", errno.EIO, LedgerDamaged, "check the disk"),
    ],
)
def test_an_outputs_folder_that_cannot_be_written_is_refused_and_let_go(
    outputs: Path, call: str, code: int, error: type[Exception], says: str
) -> None:
    disk = FaultyDisk()
    disk.fail(call, code)
    with pytest.raises(error, match=says):
        Archive(outputs, disk=disk).claim()
    archive = Archive(outputs)
    archive.claim()
    archive.release()
    assert [path.name for path in outputs.iterdir()] == [".lock"]


async def test_a_new_topic_has_everything_a_reader_looks_for(archive: Archive) -> None:
    opened = archive.open(spec(), "new", listener=Listener())
    await archive.close()
    folder = opened.folder
    assert _names(folder) == [
        "ledger.db", "output.txt", "spool", "state.json", "topic.txt",
    ]  # fmt: skip
    assert (folder / "topic.txt").read_text() == (
        "Topic: Paris attractions\n"
        "Start Time: 2023-11-14 22:13:20 UTC\n"
        "Producer Count: 4\n"
        "Prompt: List them\n"
        'Provider Weights: {"openai:gpt-4o-mini":0.5,"simulated:small":null}\n'
    )
    assert folder.stat().st_mode & 0o777 == 0o700
    assert opened.spool.stat().st_mode & 0o777 == 0o700
    assert (list(opened.history), opened.resumed, opened.repairs, opened.elapsed_s) == ([], False, [], 0.0)
    assert len(opened.ledger) == 32


async def test_a_topic_that_is_there_is_not_made_anew(archive: Archive) -> None:
    await _made(archive)
    with pytest.raises(TopicError, match=r"--resume.*--overwrite"):
        archive.open(spec(), "new", listener=Listener())


def test_a_topic_that_is_not_there_is_not_resumed(archive: Archive) -> None:
    with pytest.raises(TopicError, match="without --resume"):
        archive.open(spec(), "resume", listener=Listener())


async def test_resuming_brings_back_every_record_and_the_same_ledger(archive: Archive) -> None:
    made = await _made(archive)
    changed = replace(spec(), producers=9)
    again = archive.open(changed, "resume", listener=Listener())
    assert list(again.history) == answers(5)
    assert list(again.history) == answers(5), "it may be iterated more than once"
    assert (again.ledger, again.resumed, again.repairs) == (made.ledger, True, [])
    await archive.close()
    assert archive.load_spec("paris_attractions") == changed


async def test_after_a_kill_everything_committed_is_there_and_output_is_mended(
    archive: Archive, outputs: Path, tmp_path: Path
) -> None:
    listener = Listener()
    archive.open(spec(), "new", listener=listener)
    for ticket, record in enumerate(answers(5), 1):
        archive.submit(ticket, record)
    listener.until(lambda heard: heard.ticket == 5)
    # What a kill leaves: the log not moved into the file, the last append torn, a document half written. Copied by
    # another process, for closing a descriptor of the ledger here would drop SQLite's locks.
    await asyncio.to_thread(subprocess.check_call, ["cp", "-r", str(outputs), str(tmp_path / "killed")])
    await archive.close()
    folder = tmp_path / "killed" / "paris_attractions"
    assert (folder / "ledger.db-wal").stat().st_size > 0
    whole = (folder / "output.txt").read_bytes()
    (folder / "output.txt").write_bytes(whole[:-20])
    (folder / ".unfinished-state.json-00").write_bytes(b'{"stat')

    second = Archive(tmp_path / "killed")
    second.claim()
    opened = second.open(spec(), "resume", listener=Listener())
    assert list(opened.history) == answers(5)
    assert (folder / "output.txt").read_bytes() == whole
    assert len(opened.repairs) == 2
    assert not list(folder.glob(".unfinished-*"))
    await second.close()
    second.release()


async def test_overwriting_starts_from_nothing_with_a_ledger_of_its_own(archive: Archive, outputs: Path) -> None:
    made = await _made(archive)
    (made.spool / "left.spool").write_bytes(b"old")
    again = archive.open(spec(), "overwrite", listener=Listener())
    assert (list(again.history), again.resumed) == ([], False)
    assert again.ledger != made.ledger
    assert (again.folder / "output.txt").read_bytes() == b""
    assert _names(again.spool) == []
    await archive.close()
    assert _names(outputs) == [".lock", "paris_attractions"]


async def test_overwriting_what_is_not_there_makes_it(archive: Archive) -> None:
    opened = archive.open(spec(), "overwrite", listener=Listener())
    assert not opened.resumed
    await archive.close()


async def test_a_link_is_never_overwritten_or_resumed(archive: Archive, outputs: Path, tmp_path: Path) -> None:
    made = await _made(archive)
    elsewhere = tmp_path / "elsewhere"
    made.folder.rename(elsewhere)
    made.folder.symlink_to(elsewhere)
    for mode in MODES:
        with pytest.raises(TopicError, match="symbolic link"):
            archive.open(spec(), mode, listener=Listener())
    assert (elsewhere / "ledger.db").exists()


async def test_links_inside_an_overwritten_topic_are_not_followed(archive: Archive, tmp_path: Path) -> None:
    made = await _made(archive)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    (made.spool / "link").symlink_to(precious)
    archive.open(spec(), "overwrite", listener=Listener())
    await archive.close()
    assert (precious / "file").read_text() == "keep"


async def test_another_topics_folder_is_left_alone(archive: Archive) -> None:
    made = await _made(archive)
    other = spec(topic="Paris, Texas")
    for mode in MODES[1:]:
        with pytest.raises(TopicError, match="Paris attractions"):
            archive.open(other, mode, listener=Listener())
    assert (made.folder / "output.txt").read_bytes().count(b"\n") == 15


def test_a_strangers_folder_is_left_alone(archive: Archive, outputs: Path) -> None:
    (outputs / "paris_attractions").mkdir()
    (outputs / "paris_attractions" / "thesis.txt").write_text("years of work")
    with pytest.raises(TopicError, match="does not say which topic"):
        archive.open(spec(), "overwrite", listener=Listener())
    assert (outputs / "paris_attractions" / "thesis.txt").exists()


async def test_a_damaged_topic_is_refused_on_resume_and_can_be_overwritten(archive: Archive) -> None:
    made = await _made(archive)
    (made.folder / "ledger.db").write_bytes(b"\0" * 5000)
    with pytest.raises(LedgerDamaged):
        archive.open(spec(), "resume", listener=Listener())
    opened = archive.open(spec(), "overwrite", listener=Listener())
    assert list(opened.history) == []
    await archive.close()


@pytest.mark.parametrize("name", ["", ".", "..", ".trash-1", "a/b", "../up", "/etc", "a\0b"])
def test_names_that_are_no_plain_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TopicError):
        path_of(tmp_path, name)


async def test_a_claim_sweeps_what_a_killed_daemon_left(archive: Archive, outputs: Path, tmp_path: Path) -> None:
    await _made(archive)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    (outputs / ".trash-00").mkdir()
    (outputs / ".trash-00" / "link").symlink_to(precious)
    (outputs / ".new-00").mkdir()
    (outputs / ".unfinished-global_state.json-00").write_text("{")
    archive.release()
    archive.claim()
    assert _names(outputs) == [".lock", "paris_attractions"]
    assert (precious / "file").exists()


@pytest.mark.parametrize("call", ["replace", "fsync", "open", "write"])
async def test_a_failure_while_overwriting_leaves_the_old_topic_or_a_new_one_or_none(outputs: Path, call: str) -> None:
    for successes in range(3):
        shutil.rmtree(outputs, ignore_errors=True)
        archive = Archive(outputs)
        archive.claim()
        await _made(archive)
        archive.release()
        disk = FaultyDisk()
        faulty = Archive(outputs, disk=disk)
        faulty.claim()
        disk.failures[call] = [0] * successes + [errno.ENOSPC]
        try:
            faulty.open(spec(), "overwrite", listener=Listener())
        except (StorageFull, LedgerDamaged):
            pass
        await faulty.close()
        faulty.release()
        third = Archive(outputs)
        third.claim()
        opened = third.open(spec(), "resume" if third.existing(spec().topic) else "new", listener=Listener())
        assert len(list(opened.history)) in (0, 5)
        await third.close()
        third.release()


async def test_topics_of_one_name_have_folders_of_their_own(archive: Archive) -> None:
    folders = []
    for topic in ("C", "C++", "C#"):
        assert archive.existing(topic) is None
        folder = archive.folder_for(topic)
        archive.open(spec(topic=topic, folder=folder), "new", listener=Listener())
        await archive.close()
        folders.append(folder)
    assert len(set(folders)) == 3
    assert [archive.existing(topic) for topic in ("C", "C++", "C#")] == folders
    assert [archive.folder_for(topic) for topic in ("C", "C++", "C#")] == folders


async def test_summaries_come_from_state_and_without_it_from_the_ledger(archive: Archive, outputs: Path) -> None:
    made = await _made(archive)
    archive.open(spec(), "resume", listener=Listener())
    archive.write_state({"status": "stopped", "unique_attributes": 15, "cost_usd": 0.1, "stop_reason": "asked"})
    assert archive.topics()[0].status in ("running", "stopped"), "whatever state.json says while it is open"
    await archive.close()
    (topic,) = archive.topics()
    assert (topic.folder, topic.topic, topic.status, topic.unique, topic.cost, topic.stop_reason) == (
        "paris_attractions", "Paris attractions", "stopped", 15, 0.1, "asked",
    )  # fmt: skip
    assert topic.started == topic.updated == "2023-11-14T22:13:20.000Z"

    (made.folder / "state.json").write_bytes(b"")
    (topic,) = archive.topics()
    assert (topic.topic, topic.status, topic.unique) == ("Paris attractions", "interrupted", 15)
    assert topic.cost == pytest.approx(5 * 0.00125)


async def test_the_state_names_its_topic_whatever_is_written(archive: Archive) -> None:
    opened = archive.open(spec(), "new", listener=Listener())
    archive.write_state({"status": "finished", "share": float("nan")})
    await archive.close()
    assert orjson.loads((opened.folder / "state.json").read_bytes()) == {
        "topic": "Paris attractions",
        "folder": "paris_attractions",
        "updated": "2023-11-14T22:13:20.000Z",
        "started": "2023-11-14T22:13:20.000Z",
        "status": "finished",
        "share": None,
    }


def test_a_spec_that_is_not_there_is_told(archive: Archive, outputs: Path) -> None:
    with pytest.raises(TopicError, match="holds no ledger"):
        archive.load_spec("nothing")


async def test_a_ledger_without_a_readable_spec_is_told(archive: Archive) -> None:
    made = await _made(archive)
    with sqlite3.connect(made.folder / "ledger.db") as connection:
        connection.execute("UPDATE meta SET value = '[]' WHERE key = 'spec'")
    connection.close()
    with pytest.raises(TopicError, match="does not say how"):
        archive.load_spec("paris_attractions")
