"""One daemon an outputs folder."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from igentai.errors import ConfigurationError, OutputsBusy

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = ".lock"


class OutputsLock:
    """An flock on `outputs/.lock`, which holds the pid of whoever has it. The kernel lets go of it with the process."""

    def __init__(self, outputs: Path) -> None:
        self._path = outputs / FILE
        self._outputs = outputs
        self._fd = -1

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def claim(self) -> None:
        """Take it.

        Raises:
            OutputsBusy: another process has it; the message names its pid.
            ConfigurationError: the folder cannot be written.
        """
        if self.held:
            return
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write in {self._outputs} ({error.strerror}); make it writable, or name another outputs folder"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            pid = holder(self._outputs)
            who = f"pid {pid}" if pid else "its pid is not known"
            raise OutputsBusy(
                f"another igentai ({who}) works in {self._outputs}; stop it first, or name another outputs folder"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two daemons lock two files of one name."""
        if self.held:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def holder(outputs: Path) -> int | None:
    """The pid of the living process that claimed `outputs`, None where there is none. For display only."""
    try:
        pid = int((outputs / FILE).read_text())
        os.kill(pid, 0)
    except PermissionError:
        return pid  # alive, and somebody else's
    except (OSError, ValueError, OverflowError):
        return None
    return pid
