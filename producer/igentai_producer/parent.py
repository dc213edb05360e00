"""A spawned producer does not outlive its orchestrator, whatever ends that."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def die_with(parent: int) -> bool:
    """Have the kernel kill this process when `parent` dies. False where it is dead already, or is not the parent.

    The order matters: a parent that dies between a check and the request would leave an orphan.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        return False
    return os.getppid() == parent
