"""What a child says on its pipes: cut into lines, bounded, read as log events where they are."""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from typing import Any, Final

LONGEST_LINE: Final = 4 << 10  # bytes of one line of a child that are kept
LINES_A_SECOND: Final = 200  # of one child; more are counted, not forwarded

_LEVELS: Final = frozenset({"debug", "info", "warning", "error"})


def read_line(name: str, line: bytes) -> tuple[str, str, dict[str, Any]]:
    """Level, event and keys of a child's line: its own where it is one of our JSON lines."""
    try:
        said = json.loads(line)
        level, event = said.pop("level"), said.pop("event")
    except (ValueError, TypeError, KeyError, AttributeError):
        return "warning", f"{name}.said", {"line": line.decode(errors="replace")}
    if level not in _LEVELS or not isinstance(event, str):
        return "warning", f"{name}.said", {"line": line.decode(errors="replace")}
    said.pop("timestamp", None)
    return level, event, said


async def readable(descriptor: int) -> None:
    """Wait until a descriptor can be read: a pipe has bytes or is closed, a pidfd's process has ended."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def first_line(descriptor: int) -> bytes:
    """One line, or what came of it before the pipe closed."""
    os.set_blocking(descriptor, False)
    line = b""
    while b"\n" not in line and len(line) < LONGEST_LINE:
        await readable(descriptor)
        data = os.read(descriptor, LONGEST_LINE)
        if not data:
            break
        line += data
    return line.partition(b"\n")[0]


class Lines:
    """Cuts bytes into lines without keeping more than one line of bounded length."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes; no data means the end, which completes the last one."""
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LONGEST_LINE]
        if not data and rest:
            whole.append(rest)
            self._rest = b""
        return [line[:LONGEST_LINE] for line in whole if line.strip()]


class Rate:
    """So many a second; counts those beyond."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: deque[float] = deque()
        self._missed = 0

    def allows(self, now: float) -> bool:
        while self._times and self._times[0] <= now - 1.0:
            self._times.popleft()
        if len(self._times) >= self._most:
            self._missed += 1
            return False
        self._times.append(now)
        return True

    def taken_missed(self) -> int:
        """How many were not allowed since this was last asked."""
        missed, self._missed = self._missed, 0
        return missed
