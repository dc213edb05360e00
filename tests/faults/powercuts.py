"""The power-cut harness: a real ext4 in a file, mounted by loop, shut down without a word while a topic is written.

    python -m tests.faults.powercuts --cuts 300          (root, Linux, mkfs.ext4)

data=writeback and a journal that is committed every 300 s: what was not synced is lost, sizes and names may survive
without their data. EXT4_IOC_SHUTDOWN with NOLOGFLUSH is what the kernel's own tests take for a power cut. The writer
is killed, the file system mounted again, its journal replayed, and everything that was acknowledged must be there.
What it does not cover: a drive that says it has written what it has not.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, NoReturn

from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.shell.archive import Archive, fsck
from tests.doubles.storage import Listener, spec
from tests.faults import power_writer
from tests.faults.plants import PLANTS
from tests.faults.power_writer import TOPIC, texts

SHUTDOWN: Final = 0x8004587D  # FS_IOC_SHUTDOWN, _IOR('X', 125, __u32)
NOLOGFLUSH: Final = struct.pack("I", 2)
IMAGE_BYTES: Final = 96 << 20
LONGEST_S: Final = 0.25  # of writing before the cut
EACH: Final = 20  # cuts to one topic
DOCUMENTS: Final = ("state.json", "metrics.json", "global_state.json")


def missing() -> str | None:
    """Why power cannot be cut here, None where it can."""
    if os.geteuid() != 0:
        return "cutting the power takes root: a file system is mounted and shut down"
    if not (shutil.which("mkfs.ext4") and shutil.which("mount")) or not Path("/dev/loop-control").exists():
        return "cutting the power takes mkfs.ext4, mount and loop devices"
    return None


@dataclass
class Figures:
    cuts: int = 0
    acked: int = 0
    replaced: int = 0  # documents that were looked at
    torn: int = 0  # cuts after which output.txt had to be mended
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: Figures) -> None:
        for name in ("cuts", "acked", "replaced", "torn"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults += other.faults

    def __str__(self) -> str:
        faults = "\n".join(f"FAULT: {fault}" for fault in self.faults) or "no faults"
        return (
            f"{self.cuts} power cuts in {self.seconds:.0f} s, {self.acked} answers acknowledged, "
            f"{self.torn} times output.txt was mended, {self.replaced} documents parsed\n{faults}"
        )


class Disk:
    """An ext4 whose power can be cut."""

    def __init__(self, folder: Path) -> None:
        self.image, self.mounted = folder / "disk.img", folder / "disk"
        self.mounted.mkdir()
        with self.image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self.image))

    def mount(self) -> None:
        _run("mount", "-o", "loop,data=writeback,commit=300,noatime", str(self.image), str(self.mounted))

    def cut(self) -> None:
        descriptor = os.open(self.mounted, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, NOLOGFLUSH)
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """What is on the disk now is what a machine finds that starts again.

        The image is copied: a mount namespace of somebody else may keep the dead file system alive, and a mount of
        the same file would then be that one.
        """
        _run("umount", str(self.mounted))
        fresh = self.image.with_suffix(".fresh")
        _run("cp", "--sparse=always", str(self.image), str(fresh))
        fresh.replace(self.image)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def _disk() -> Iterator[Disk]:
    folder = Path(tempfile.mkdtemp(prefix="power-"))
    disk = Disk(folder)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk.mounted)], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def cut_power(cuts: int, seed: int, *, bugs: Sequence[str] = ()) -> Figures:
    """`cuts` power cuts, a new topic now and then, stopping at the first fault. `bugs` are planted into the writer."""
    total, rng, began = Figures(), Random(seed), time.monotonic()
    while total.cuts < cuts and not total.faults:
        total.add(_one_disk(min(EACH, cuts - total.cuts), rng, bugs))
    total.seconds = time.monotonic() - began
    return total


def _one_disk(cuts: int, rng: Random, bugs: Sequence[str]) -> Figures:
    figures = Figures()
    with _disk() as disk:
        disk.mount()
        outputs = disk.mounted / "outputs"
        while figures.cuts < cuts and not figures.faults:
            acked = _write_until_cut(disk, outputs, rng, bugs)
            figures.cuts += 1
            figures.acked = max(acked, figures.acked)
            disk.unmount()
            disk.mount()
            _examine(outputs, figures)
        disk.unmount()
    return figures


def _write_until_cut(disk: Disk, outputs: Path, rng: Random, bugs: Sequence[str]) -> int:
    """How many answers were acknowledged when the power went."""
    reads, writes = os.pipe()
    pid = os.fork()  # this process has no threads, and everything imported
    if pid == 0:
        os.dup2(writes, 1)
        os.close(reads)
        _become_a_writer(outputs, rng.getrandbits(32), bugs)
    os.close(writes)
    with os.fdopen(reads, "rb") as said:
        if rng.random() < 0.9:  # else within start and recovery
            said.readline()
        time.sleep(rng.uniform(0.0, LONGEST_S))
        _persist_something(outputs, rng)
        disk.cut()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lines = said.read().split(b"\n")[:-1]
    return int(lines[-1]) if lines else 0


def _become_a_writer(outputs: Path, seed: int, bugs: Sequence[str]) -> NoReturn:
    try:
        for bug in bugs:
            PLANTS["daemon"][bug]("")
        power_writer.write(outputs, Random(seed))
    finally:
        os._exit(1)


def _persist_something(outputs: Path, rng: Random) -> None:
    """What the kernel may do at any time: one file reaches the disk before the others."""
    if rng.random() < 0.5:
        return
    files = [path for path in sorted(outputs.rglob("*")) if path.is_file() and not path.name.startswith("ledger.db")]
    if not files:
        return
    try:
        descriptor = os.open(rng.choice(files), os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _examine(outputs: Path, figures: Figures) -> None:
    """As the next start finds it: documents parse, and all that was acknowledged is recovered."""
    for path in sorted(outputs.rglob("*.json")) if outputs.exists() else []:
        if path.name in DOCUMENTS:
            figures.replaced += 1
            try:
                json.loads(path.read_bytes())
            except ValueError:
                figures.faults.append(f"cut {figures.cuts}: {path.name} does not parse: {path.read_bytes()[:40]!r}")
    try:
        _recover(outputs, figures)
    except Exception as error:
        figures.faults.append(f"cut {figures.cuts}: cannot be recovered: {type(error).__name__}: {error}")


def _recover(outputs: Path, figures: Figures) -> None:
    import asyncio

    archive = Archive(outputs)
    archive.claim()
    try:
        folder = archive.existing(TOPIC)
        if folder is None:
            if figures.acked:
                figures.faults.append(f"cut {figures.cuts}: the topic is gone")
            return
        opened = archive.open(spec(TOPIC), "resume", listener=Listener())
        figures.torn += any("output.txt" in repair for repair in opened.repairs)
        held = [record for record in opened.history if isinstance(record, AnswerRecord)]
        asyncio.run(archive.close())
    finally:
        archive.release()
    _compare(outputs / folder, held, figures)


def _compare(folder: Path, held: Sequence[Any], figures: Figures) -> None:
    said = [list(record.fresh) for record in held]
    if len(said) < figures.acked:
        figures.faults.append(f"cut {figures.cuts}: {figures.acked} answers were acknowledged, {len(said)} are there")
    if said != [texts(record.seq) for record in held]:
        figures.faults.append(f"cut {figures.cuts}: answers are not what was written")
    lines = (folder / "output.txt").read_bytes().decode().split("\n")
    if lines != [*(text for fresh in said for text in fresh), ""]:
        figures.faults.append(f"cut {figures.cuts}: output.txt is not what the ledger holds")
    report = fsck(folder)
    if report.findings:
        figures.faults.append(f"cut {figures.cuts}: fsck says {report.findings[0].what}")


def main() -> None:
    flags = argparse.ArgumentParser(prog="python -m tests.faults.powercuts", description=__doc__)
    flags.add_argument("--cuts", type=int, default=300)
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--bug", action="append", default=[])
    said = flags.parse_args()
    if reason := missing():
        sys.exit(reason)
    figures = cut_power(said.cuts, said.seed, bugs=said.bug)
    print(figures)
    sys.exit(1 if figures.faults else 0)


if __name__ == "__main__":
    main()
