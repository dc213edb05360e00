from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from igentai.errors import OutputsBusy, TopicError
from igentai_orchestrator.shell.archive import Archive, fsck
from igentai_orchestrator.shell.archive.ledger import Ledger
from tests.doubles.storage import Listener, answer, answers, spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from igentai_orchestrator.core.records import AnswerRecord


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    return await _topic(tmp_path, answers(4))


async def _topic(outputs: Path, records: list[AnswerRecord]) -> Path:
    archive = Archive(outputs)
    archive.claim()
    opened = archive.open(spec(), "new", listener=Listener())
    for ticket, record in enumerate(records, 1):
        archive.submit(ticket, record)
    archive.write_metrics({})
    await archive.close()
    archive.release()
    return opened.folder


def _append(text: bytes) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        with (folder / "output.txt").open("ab") as file:
            file.write(text)

    return apply


def test_a_sound_topic_has_no_findings(folder: Path) -> None:
    report = fsck(folder)
    assert (report.findings, report.sound, report.answers, report.attributes) == ([], True, 4, 12)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: (folder / "output.txt").unlink(), "output.txt is gone"),
        (lambda folder: (folder / "output.txt").write_bytes(b"attrib"), "ends before the ledger does"),
        (_append(b"unfinished"), "unfinished line"),
        (_append(b"mine\n"), "changed by someone else"),
        (lambda folder: (folder / "state.json").write_bytes(b""), "state.json does not parse"),
        (lambda folder: (folder / "metrics.json").write_bytes(b"{"), "metrics.json does not parse"),
        (lambda folder: (folder / "state.json").unlink(), "state.json is missing"),
        (lambda folder: (folder / "topic.txt").unlink(), "topic.txt is missing"),
        (lambda folder: (folder / ".unfinished-x-1").write_bytes(b"x"), "left unfinished"),
    ],
)
def test_what_the_ledger_can_mend_is_reported_then_mended(
    folder: Path, harm: Callable[[Path], None], says: str
) -> None:
    output, topic = (folder / "output.txt").read_bytes(), (folder / "topic.txt").read_bytes()
    harm(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".txt", ".json")}
    report = fsck(folder)
    assert says in report.findings[0].what
    assert not report.sound
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".txt", ".json")} == before
    assert fsck(folder, mend=True).sound
    assert fsck(folder).findings == []
    assert (folder / "output.txt").read_bytes() == output
    assert (folder / "topic.txt").read_bytes() == topic
    assert orjson.loads((folder / "state.json").read_bytes())["topic"] == "Paris attractions"


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([answer(1, 1, ["Louvre", "Orsay"]), answer(2, 3, ["LOUVRE"])], "attributes 1 and 3 are one"),
        ([answer(1, 1, ["Louvre", "a\tb"])], "attribute 2 is no clean line"),
        ([answer(1, 1, ["Louvre"], [7])], "repeats an attribute that does not exist"),
    ],
)
async def test_a_ledger_that_breaks_a_promise_is_reported(
    tmp_path: Path, records: list[AnswerRecord], says: str
) -> None:
    report = fsck(await _topic(tmp_path, records), mend=True)
    assert says in report.findings[0].what
    assert not report.sound


async def test_many_faults_of_one_kind_are_counted(tmp_path: Path) -> None:
    records = [answer(1, 1, ["Louvre"] * 20)]
    report = fsck(await _topic(tmp_path, records))
    assert len(report.findings) == 6
    assert "14 more of the same" in report.findings[-1].what


def test_numbers_with_a_gap_are_reported(folder: Path) -> None:
    book = Ledger.open(folder / "ledger.db")
    book._connection.execute("UPDATE answers SET first_number = first_number + 1 WHERE seq = 4")
    book.close()
    report = fsck(folder, mend=True)
    assert "brings 3 attributes as 11" in report.findings[0].what
    assert not report.sound


def test_a_damaged_index_is_made_anew(folder: Path) -> None:
    book = Ledger.open(folder / "ledger.db")
    connection = book._connection
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, '> 0', '> 5') WHERE name = 'answers_by_number'")
    book.close()
    assert not fsck(folder).sound
    report = fsck(folder, mend=True)
    assert [finding.mended for finding in report.findings] == ["made anew"]


def test_a_damaged_file_is_reported_and_left(folder: Path) -> None:
    path = folder / "ledger.db"
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)
    path.write_bytes(data)
    report = fsck(folder, mend=True)
    assert not report.sound
    assert path.read_bytes() == data


def test_spools_are_noted_and_kept(folder: Path) -> None:
    (folder / "spool" / "ab.spool").write_bytes(b"answers")
    report = fsck(folder, mend=True)
    assert report.sound
    assert "1 spools hold answers" in report.notes[0]
    assert (folder / "spool" / "ab.spool").exists()


def test_mending_waits_for_the_daemon_to_end_and_looking_does_not(folder: Path) -> None:
    archive = Archive(folder.parent)
    archive.claim()
    with pytest.raises(OutputsBusy):
        fsck(folder, mend=True)
    report = fsck(folder)
    assert report.sound
    assert "a daemon is at work" in report.notes[0]
    archive.release()


def test_what_is_no_topic_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TopicError):
        fsck(tmp_path)
