"""The journal of a batch: every answer, kept before it is counted, so that a killed run pays for none twice.

A file beside the output that is only ever appended to, a JSON object a line:

    {"n": 7, "q": "<fingerprint>", "r": {…}}   row 7 of the input asked q and was answered r
    {"p": 12, "usd": 0.002}                    with a budget: call 12 leaves and may cost so much
    {"s": 12, "usd": 0.0004}                   call 12 is over and cost so much

A line is written the moment an answer is received: from then on kill -9 cannot lose it. It is counted when it is on
the disk (`sync`, for all lines so far at once): from then on a power cut cannot. The output is a projection of it. An
answer counts only for the row it was given to, as that row stood. A torn last line is cut off when the file is opened.
"""

from __future__ import annotations

import errno
import fcntl
import os
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from igentai.batch.result import as_row, from_row
from igentai.errors import OutputsBusy, StorageError, StorageFull

if TYPE_CHECKING:
    from pathlib import Path

    from igentai.batch.result import Result

_NOWHERE: Final = -1
_LONGEST_LINE: Final = 64 * 1024 * 1024  # a reply is at most 2 MiB; more is no line of ours


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer. `asked` is the fingerprint of its prompt and options."""

    asked: bytes
    result: Result


@dataclass(frozen=True, slots=True)
class Promise:
    """A call about to leave: what it may cost. `settled`: what it did cost."""

    call: int
    usd: float
    settled: bool = False


class Journal:
    """The journal at `path`, made where it is not there. Only answers are kept: what failed is asked again.

    In memory are eight bytes a row that an earlier run was answered.

    Raises:
        OutputsBusy: another run writes it.
        StorageError: it cannot be used, or is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places = array("q")  # of the last line of each row of an earlier run
        self._promised: dict[int, float] = {}
        self._spent = 0.0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failure(error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read()
            os.fsync(self._file)  # after a kill what is read here may be in memory only
            _sync_folder(path.parent)
        except BlockingIOError:
            os.close(self._file)
            raise OutputsBusy(f"another run writes {path}; wait for it, or choose another output") from None
        except OSError as error:
            os.close(self._file)
            raise self._failure(error) from None
        except StorageError:
            os.close(self._file)
            raise

    def count(self) -> int:
        """Rows answered by earlier runs."""
        return sum(place != _NOWHERE for place in self._places)

    def find(self, number: int, asked: bytes) -> Result | None:
        """The answer that row `number` was given by an earlier run when it asked the same."""
        if number >= len(self._places) or self._places[number] == _NOWHERE:
            return None
        line = self._line_at(self._places[number])
        if line.get("q") != asked.hex():
            return None
        try:
            return from_row(line["r"])
        except (KeyError, TypeError) as error:
            raise self._no_journal() from error

    def spent_usd(self) -> float:
        """What earlier runs cost; a call whose outcome nobody knows counts with all it may have cost."""
        return self._spent + sum(self._promised.values())

    def append(self, item: Kept | Promise) -> None:
        """Write a line. It outlives this process when this returns, and a power cut after the next `sync`.

        Raises:
            StorageFull: there is no space left; the line is not there.
            StorageError: it could not be written for another reason.
        """
        data = orjson.dumps(_line(item), option=orjson.OPT_APPEND_NEWLINE)
        try:
            written = os.write(self._file, data)
            if written < len(data):
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._failure(error) from error

    def sync(self) -> None:
        """Bring everything appended so far to the disk. May be called in a thread.

        Raises:
            StorageError: it failed; nothing appended since the last one may be relied upon.
        """
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise self._failure(error) from error

    def settle_unknown(self) -> None:
        """At the start of a run: what was under way when the last one ended counts as spent, and is written so."""
        for call, usd in list(self._promised.items()):
            self.append(Promise(call, usd, settled=True))
            self._spent += self._promised.pop(call)
        self.sync()

    def close(self) -> None:
        os.close(self._file)

    def _read(self) -> None:
        place = 0
        with open(os.dup(self._file), "rb") as file:  # noqa: PTH123 - an open file, not a path
            while line := file.readline(_LONGEST_LINE):
                if not line.endswith(b"\n"):
                    break  # torn, or no line of ours: see below
                self._take(line, place)
                place += len(line)
        size = os.fstat(self._file).st_size
        if size - place >= _LONGEST_LINE:
            raise self._no_journal()
        os.ftruncate(self._file, place)

    def _take(self, line: bytes, place: int) -> None:
        try:
            said = orjson.loads(line)
            if "n" in said:
                number = int(said["n"])
                if number >= len(self._places):
                    self._places.extend([_NOWHERE] * (number + 1 - len(self._places)))
                self._places[number] = place
            elif "p" in said:
                self._promised[said["p"]] = float(said["usd"])
            else:
                self._promised.pop(said["s"], None)
                self._spent += float(said["usd"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise self._no_journal() from error

    def _line_at(self, place: int) -> dict[str, Any]:
        data = b""
        while not data.endswith(b"\n"):
            piece = os.pread(self._file, max(4096, len(data)), place + len(data))
            if not piece:
                raise self._no_journal()
            end = piece.find(b"\n")
            data += piece if end < 0 else piece[: end + 1]
        line: dict[str, Any] = orjson.loads(data)
        return line

    def _failure(self, error: OSError) -> StorageError:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
        return kind(f"{self.path} cannot be used ({error.strerror}); make room or choose another place, then --resume")

    def _no_journal(self) -> StorageError:
        return StorageError(f"{self.path} holds something that is no journal of igentai: move it away, or --overwrite")


def _line(item: Kept | Promise) -> dict[str, Any]:
    if isinstance(item, Kept):
        return {"n": item.result.index, "q": item.asked.hex(), "r": as_row(item.result)}
    return {"s" if item.settled else "p": item.call, "usd": item.usd}


def _sync_folder(path: Path) -> None:
    """A new file is there after a power cut only when its folder is on the disk too."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
