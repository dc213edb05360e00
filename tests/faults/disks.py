"""Small disks of a test's own, which it can fill up or make read-only. Takes root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BLOCK: Final = 4096
WHY: Final = "a disk of its own is mounted, which takes root"


def allowed() -> bool:
    return os.geteuid() == 0


@contextmanager
def disk(where: Path, megabytes: int) -> Iterator[Path]:
    """An empty tmpfs."""
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """What is opened in `folder` by its name cannot be written; what is open already can."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(where: Path) -> Path:
    """Leave not one block free; the file to remove for room."""
    ballast = where / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while True:
            os.write(descriptor, bytes(BLOCK))
    except OSError:
        return ballast
    finally:
        os.close(descriptor)
