"""Power cuts where none can be made: documents and output.txt over a disk that remembers what was synced.

The model of ALICE (Pillai et al., OSDI 2014) cut down: a write, a truncation, a rename is lost unless the file, or its
folder, was synced after it; any subset of what was not synced may be lost, and a lost size may leave a hole of zeros.
It covers what the archive writes itself; SQLite's own files are cut for real in `test_power_cuts`.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from random import Random

import orjson
import pytest

from igentai_orchestrator.shell.archive.disk import SystemDisk, replace_whole
from igentai_orchestrator.shell.archive.lines import OutputLines


class RememberingDisk(SystemDisk):
    """The real disk, which can also say what a power cut would leave of it now."""

    def __init__(self, folder: Path, *, synced: bool = True) -> None:
        self._folder = folder
        self._heeds = synced
        self._paths: dict[int, int] = {}  # descriptor -> inode
        self.synced: dict[int, bytes] = {}  # inode -> content that is certain
        self.names: dict[str, int] = {}  # name -> inode, certain
        self.pending: list[tuple[str, int]] = []  # names given and not certain yet

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        new = not path.exists()
        descriptor = super().open(path, flags, mode)
        self._paths[descriptor] = os.fstat(descriptor).st_ino
        if new and flags & os.O_CREAT:
            self.pending.append((path.name, self._paths[descriptor]))
        return descriptor

    def fsync(self, fd: int) -> None:
        if not self._heeds:
            return
        if Path(f"/proc/self/fd/{fd}").readlink() == self._folder:
            self.names |= dict(self.pending)
            self.pending.clear()
        else:
            inode = os.fstat(fd).st_ino
            self.synced[inode] = self._content(inode)

    def replace(self, source: Path, target: Path) -> None:
        self.pending.append((target.name, source.stat().st_ino))
        super().replace(source, target)

    def _content(self, inode: int) -> bytes:
        found = [path for path in self._folder.iterdir() if path.stat().st_ino == inode]
        return found[0].read_bytes() if found else b""

    def after_a_cut(self, rng: Random) -> dict[str, bytes]:
        """Name and content of the files that a machine finds that starts again: one of the possible outcomes."""
        survived = self.pending[: rng.randint(0, len(self.pending))]
        names = self.names | dict(survived)
        return {name: self._survived(inode, rng) for name, inode in names.items()}

    def _survived(self, inode: int, rng: Random) -> bytes:
        certain, latest = self.synced.get(inode, b""), self._content(inode)
        if rng.random() < 0.3:
            return certain
        cut = rng.randint(min(len(certain), len(latest)), len(latest))
        size = rng.randint(cut, len(latest))
        return latest[:cut] + bytes(size - cut)


def document_outcomes(folder: Path, rng: Random, *, synced: bool) -> list[bytes]:
    """What power cuts leave of a document that was replaced a few times."""
    disk = RememberingDisk(folder, synced=synced)
    path = folder / "state.json"
    for version in range(4):
        replace_whole(disk, path, (orjson.dumps({"version": version, "filler": "z" * 300}),))
    found = disk.after_a_cut(rng)
    return [found.get("state.json", b"")]


@pytest.mark.parametrize("seed", range(40))
def test_a_replaced_document_parses_after_any_cut(tmp_path: Path, seed: int) -> None:
    for data in document_outcomes(tmp_path, Random(seed), synced=True):
        assert orjson.loads(data)["version"] == 3


def test_without_syncs_the_model_finds_documents_that_do_not_parse(tmp_path: Path) -> None:
    broken = 0
    for seed in range(40):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for data in document_outcomes(folder, Random(seed), synced=False):
            try:
                broken += orjson.loads(data)["version"] != 3
            except orjson.JSONDecodeError:
                broken += 1
    assert broken > 10


@pytest.mark.parametrize("seed", range(40))
def test_output_is_completed_from_the_ledger_whatever_a_cut_left_of_it(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    ledger: list[bytes] = []
    disk = RememberingDisk(tmp_path)
    lines = OutputLines(tmp_path, disk, lambda: iter(ledger))
    lines.open()
    for number in itertools.count():
        text = b"".join(b"attribute %d.%d\n" % (number, place) for place in range(rng.randint(1, 5)))
        ledger.append(text)  # the ledger is synced first, always
        lines.append(text)
        if rng.random() < 0.1:
            break
        if rng.random() < 0.2:
            lines.sync()
    left = disk.after_a_cut(rng)
    lines.close()
    again = tmp_path / "again"
    again.mkdir()
    for name, data in left.items():
        (again / name).write_bytes(data)
    recovered = OutputLines(again, SystemDisk(), lambda: iter(ledger))
    recovered.open()
    recovered.close()
    assert (again / "output.txt").read_bytes() == b"".join(ledger)
