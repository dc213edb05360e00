"""`igentai fsck`: whether a topic on disk is what it must be, and how to make it so."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

import orjson

from igentai.errors import IgentaiError, TopicError
from igentai.lines import unclean
from igentai.text import keys
from igentai_orchestrator.shell.archive import documents, ledger, schema
from igentai_orchestrator.shell.archive.disk import UNFINISHED, Disk, SystemDisk, replace_whole, sweep_unfinished
from igentai_orchestrator.shell.archive.history import connect_readonly
from igentai_orchestrator.shell.archive.lines import OutputLines, compare
from igentai_orchestrator.shell.archive.lock import OutputsLock, holder
from igentai_orchestrator.shell.archive.projection import blocks
from igentai_orchestrator.shell.archive.specification import spec_from_json
from igentai_orchestrator.shell.archive.summaries import from_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SHOWN: Final = 5  # of one kind of fault; the rest is counted
_ANSWERS_A_STEP: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be. `mended` says in words what was done about it, None for nothing."""

    what: str
    mended: str | None = None


@dataclass(slots=True)
class Report:
    """What was looked at and found. `notes` are no faults."""

    folder: Path
    answers: int = 0
    attributes: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is left to mend."""
        return all(finding.mended for finding in self.findings)

    def found(self, what: str, mended: str | None = None) -> None:
        self.findings.append(Finding(what, mended))


def fsck(folder: Path, *, mend: bool = False, disk: Disk | None = None) -> Report:
    """Look a topic's folder over, and with `mend` put right what the ledger can put right. Blocking.

    Raises:
        TopicError: there is no such folder, or it holds no ledger.
        OutputsBusy: mending while a daemon works in the outputs folder.
    """
    if folder.is_symlink() or not (folder / ledger.FILE).is_file():
        raise TopicError(f"{folder} holds no {ledger.FILE}; name the folder of a topic, see `igentai topics`")
    report = Report(folder)
    with _alone(folder.parent, mend):
        if not mend and holder(folder.parent) is not None:
            report.notes.append(
                "a daemon is at work in this outputs folder: the newest lines may still be on their way"
            )
        if _check_ledger(report, mend):
            _check_output(report, mend, disk or SystemDisk())
            _check_documents(report, mend, disk or SystemDisk())
        _check_left_overs(report, mend)
    return report


@contextmanager
def _alone(outputs: Path, mend: bool) -> Iterator[None]:
    if not mend:
        yield
        return
    lock = OutputsLock(outputs)
    lock.claim()
    try:
        yield
    finally:
        lock.release()


def _check_ledger(report: Report, mend: bool) -> bool:
    """Whether the ledger can be relied on for the rest."""
    path = report.folder / ledger.FILE
    try:
        connection = connect_readonly(path)
        try:
            schema.check(connection, str(path))
            faults = _faults(connection)
            if faults and mend and _reindexed(path):
                report.found(f"the ledger's indexes are damaged: {faults[0]}", "made anew")
                faults = []
            for fault in faults:
                report.found(f"the ledger is damaged: {fault}; put back a copy ({path.name} and {path.name}-wal)")
            if not faults:
                _check_answers(report, connection)
            return not faults
        finally:
            connection.close()
    except (IgentaiError, sqlite3.Error) as error:
        report.found(str(error))
        return False


def _faults(connection: sqlite3.Connection) -> list[str]:
    lines = [row[0] for row in connection.execute(f"PRAGMA integrity_check({_SHOWN})")]
    return [] if lines == ["ok"] else lines


def _reindexed(path: Path) -> bool:
    """Whether making the indexes anew was enough. They hold nothing that the tables do not."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("REINDEX")
        return not _faults(connection)
    except sqlite3.Error:
        return False
    finally:
        connection.close()


def _check_answers(report: Report, connection: sqlite3.Connection) -> None:
    """Numbers have no gaps, keys are unique, lines are clean, repeats name what was known."""
    cursor = connection.execute("SELECT id, first_number, fresh_count, fresh, repeats FROM answers ORDER BY id")
    seen: dict[str, int] = {}
    faults = _Faults(report)
    while rows := list(islice(cursor, _ANSWERS_A_STEP)):
        for row_id, first_number, count, fresh, repeats in rows:
            texts = orjson.loads(fresh)
            if count != len(texts) or (texts and first_number != report.attributes + 1):
                faults.add("numbers", f"answer {row_id} brings {len(texts)} attributes as {first_number} and following")
            for place in unclean(texts):
                faults.add("unclean", f"attribute {report.attributes + place + 1} is no clean line")
            for number, key in enumerate(keys(texts), report.attributes + 1):
                if (first := seen.setdefault(key, number)) != number:
                    faults.add("keys", f"attributes {first} and {number} are one")
            report.attributes += len(texts)
            report.answers += 1
            if not all(0 < number <= report.attributes for number in orjson.loads(repeats)):
                faults.add("repeats", f"answer {row_id} repeats an attribute that does not exist")
    faults.tell()


class _Faults:
    """The first few of each kind in full, the rest as a number."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._counts: dict[str, int] = {}

    def add(self, kind: str, what: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._counts[kind] <= _SHOWN:
            self._report.found(what)

    def tell(self) -> None:
        for kind, count in self._counts.items():
            if count > _SHOWN:
                self._report.found(f"{count - _SHOWN} more of the same ({kind})")


_OUTPUT_FAULTS: Final = {
    "missing": "output.txt is gone",
    "short": "output.txt ends before the ledger does",
    "torn": "output.txt ends in an unfinished line",
    "foreign": "output.txt was changed by someone else",
}


def _check_output(report: Report, mend: bool, disk: Disk) -> None:
    path = report.folder / ledger.FILE
    connection = connect_readonly(path)
    try:
        lines = OutputLines(report.folder, disk, lambda: blocks(connection, path))
        state = compare(lines.path, blocks(connection, path)).state
        if state != "whole":
            mended = lines.open() if mend else None
            report.found(_OUTPUT_FAULTS[state], mended)
        lines.close()
    except IgentaiError as error:
        report.found(str(error))
    finally:
        connection.close()


def _check_documents(report: Report, mend: bool, disk: Disk) -> None:
    folder = report.folder
    for name in (documents.STATE, documents.METRICS):
        path = folder / name
        if os.path.lexists(path) and documents.read_document(path) is None:
            report.found(f"{name} does not parse", _set_aside(path) if mend else None)
    if not (folder / documents.STATE).exists():
        mended = None
        if mend:
            replace_whole(disk, folder / documents.STATE, (documents.global_bytes(from_ledger(folder)),))
            mended = "written from the ledger"
        report.found(f"{documents.STATE} is missing", mended)
    if not (folder / documents.TOPIC).exists():
        report.found(f"{documents.TOPIC} is missing", _write_topic(folder, disk) if mend else None)


def _set_aside(path: Path) -> str:
    number = 1
    while os.path.lexists(copy := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    path.replace(copy)
    return f"kept as {copy.name}"


def _write_topic(folder: Path, disk: Disk) -> str | None:
    connection = connect_readonly(folder / ledger.FILE)
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    finally:
        connection.close()
    try:
        text = documents.topic_text(spec_from_json(meta["spec"]), float(meta["started_wall"]))
    except (KeyError, TypeError, ValueError):
        return None
    replace_whole(disk, folder / documents.TOPIC, (text,))
    return "written from the ledger"


def _check_left_overs(report: Report, mend: bool) -> None:
    for path in sorted(report.folder.glob(f"{UNFINISHED}*")):
        report.found(f"{path.name} was left unfinished", "removed" if mend else None)
    if mend:
        sweep_unfinished(report.folder)
    waiting = sum(1 for path in (report.folder / "spool").glob("*") if path.is_file() and path.stat().st_size)
    if waiting:
        report.notes.append(f"{waiting} spools hold answers that are taken in when the topic is resumed")
