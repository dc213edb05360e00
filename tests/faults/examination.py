"""What must hold of a topic's folder after anything: looked up in copies, by other means than the product's own.

Only the idea of what one attribute is (`igentai.text.key`) is taken from the product.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from igentai.text import keys

SHOWN: Final = 5

Name = tuple[str, int]  # producer run and seq of an answer


@dataclass
class Noted:
    """What the producers' witness saw: answers that reached a spool with their assignments, and acknowledgements."""

    spooled: dict[Name, int] = field(default_factory=dict)
    acked: dict[str, int] = field(default_factory=dict)


def noted(path: Path) -> Noted:
    """The witness's file so far."""
    found = Noted()
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            continue  # its producer was killed in the middle of the note
        if event["event"] == "spooled":
            found.spooled[event["run"], event["seq"]] = event["assignment"]
        else:
            found.acked[event["run"]] = max(event["seq"], found.acked.get(event["run"], 0))
    return found


@dataclass(frozen=True)
class Row:
    run: str
    seq: int
    assignment: int
    status: str
    first_number: int
    fresh: list[str]


@contextmanager
def copied(folder: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the ledger with its log: looking at the file itself would recover it before the daemon does."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("ledger.db", "ledger.db-wal"):
            if (folder / name).exists():
                shutil.copyfile(folder / name, Path(place) / name)
        with closing(sqlite3.connect(Path(place) / "ledger.db")) as connection:
            yield connection


def rows_of(connection: sqlite3.Connection) -> list[Row]:
    """Every answer, oldest first."""
    query = "SELECT producer_run, seq, assignment_id, status, first_number, fresh FROM answers ORDER BY id"
    return [
        Row(run, seq, assignment, status, first_number, json.loads(fresh))
        for run, seq, assignment, status, first_number, fresh in connection.execute(query)
    ]


def whole_lines(data: bytes) -> tuple[list[str], bytes]:
    """The lines, and what follows the last line feed."""
    *lines, rest = data.split(b"\n")
    return [line.decode("utf-8", "replace") for line in lines], rest


class Witnessed:
    """One topic's output.txt through all that happens: whole lines once seen must stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[str] = []
        self.longest = b""
        self.answers = 0  # in the ledger at the end

    def fault(self, what: str) -> None:
        if what not in self.faults:
            self.faults.append(what)

    def glance(self) -> int:
        """Look at output.txt; how many whole lines it has."""
        try:
            data = (self.folder / "output.txt").read_bytes()
        except FileNotFoundError:
            if self.longest:
                self.fault("output.txt is gone")
            return 0
        whole = data[: data.rfind(b"\n") + 1]
        if not whole.startswith(self.longest):
            self.fault(f"output.txt lost or changed lines that had been seen ({len(self.longest)} bytes)")
        self.longest = max(self.longest, whole, key=len)
        return whole.count(b"\n")

    def after_a_kill(self, seen: Noted) -> None:
        """Nobody works in the folder: what is acknowledged must be in the ledger and in output.txt.

        A torn last line is what a kill may leave, to be mended at the next start.
        """
        if not (self.folder / "ledger.db").exists():
            if seen.acked:
                self.fault("the ledger is gone")
            return
        lines = self.glance()
        with copied(self.folder) as ledger:
            rows = rows_of(ledger)
        text, _ = whole_lines(self.longest)
        known = [line for row in rows for line in row.fresh]
        if known[: len(text)] != text:
            self.fault("output.txt is not the beginning of what the ledger holds")
        self._once(rows)
        self._acked(seen, rows, lines)

    def _acked(self, seen: Noted, rows: Sequence[Row], lines: int) -> None:
        """What was acknowledged is in the ledger, and its attributes are in output.txt."""
        held, behind = dict[str, int](), 0
        for row in rows:
            run = row.run.partition("-")[0]
            held[run] = max(row.seq, held.get(run, 0))
            if row.fresh and row.seq <= seen.acked.get(run, 0):
                behind = max(behind, row.first_number + len(row.fresh) - 1)
        for run, seq in seen.acked.items():
            if held.get(run, 0) < seq:
                self.fault(f"answers up to {seq} of run {run[:8]} were acknowledged, the ledger has {held.get(run, 0)}")
        if behind > lines:
            self.fault(f"acknowledged attributes up to {behind}, but output.txt has {lines} lines")

    def at_rest(self, seen: Noted, served: Sequence[dict[str, Any]]) -> None:
        """After an orderly end everything must be in place."""
        self.glance()
        if not (self.folder / "output.txt").exists():
            self.fault("there is no output.txt")
            return
        data = (self.folder / "output.txt").read_bytes()
        with copied(self.folder) as ledger:
            rows = rows_of(ledger)
            if (said := ledger.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                self.fault(f"the ledger is damaged: {said}")
        self.answers = sum(not row.status.startswith("failed:") for row in rows)
        self._acked(seen, rows, data.count(b"\n"))
        lines, rest = whole_lines(data)
        if rest:
            self.fault(f"output.txt ends in the middle of a line: {rest[:40]!r}")
        if lines != [line for row in rows for line in row.fresh]:
            self.fault("output.txt is not what the ledger holds")
        self._lines(data, lines)
        self._numbers(rows)
        self._once(rows)
        self._spooled(seen, rows)
        known = set(keys([item for document in served for item in document["items"]]))
        strange = [line for line, key in zip(lines, keys(lines), strict=True) if key not in known]
        if strange and served:
            self.fault(f"{len(strange)} lines that no provider ever said, such as {strange[:SHOWN]}")

    def _lines(self, data: bytes, lines: Sequence[str]) -> None:
        try:
            data.decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            self.fault(f"output.txt is no UTF-8: {error}")
        for line in lines:
            if not line.strip() or line != unicodedata.normalize("NFC", line) or len(line.encode()) > 1024:
                self.fault(f"a line that is empty, too long or not in NFC: {line[:40]!r}")
            if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in line):
                self.fault(f"a line with control characters: {line[:40]!r}")
        twice = len(lines) - len(set(keys(lines)))
        if twice:
            self.fault(f"{twice} lines have the key of another one")

    def _numbers(self, rows: Sequence[Row]) -> None:
        due = 1
        for row in rows:
            if row.fresh and row.first_number != due:
                self.fault(f"attribute {row.first_number} comes where {due} was due")
            due += len(row.fresh)

    def _once(self, rows: Sequence[Row]) -> None:
        """No answer is taken twice, and so none is paid for twice."""
        names, done = set[Name](), set[int]()
        for row in rows:
            if (row.run, row.seq) in names:
                self.fault(f"answer {row.seq} of run {row.run[:8]} is in the ledger twice")
            names.add((row.run, row.seq))
            if row.status.startswith("failed:"):
                continue
            if row.assignment in done:
                self.fault(f"assignment {row.assignment} was answered twice")
            done.add(row.assignment)

    def _spooled(self, seen: Noted, rows: Sequence[Row]) -> None:
        answered = {row.assignment for row in rows}
        lost = sorted({assignment for assignment in seen.spooled.values() if assignment not in answered})
        if lost:
            self.fault(f"{len(lost)} answers were received and spooled and are lost, such as {lost[:SHOWN]}")
        left = [path.name for path in (self.folder / "spool").glob("*") if path.stat().st_size]
        if left:
            self.fault(f"spools that are not empty at rest: {left[:SHOWN]}")
