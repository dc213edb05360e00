"""One JSON line an event on standard error, for the orchestrator to put in its log.

A few lines of our own because structlog takes 0.1 s of every producer's start. A line is at most what a pipe takes in
one piece, and is dropped, counted, rather than waited for: a log that nobody reads must not stop the work.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 4096  # bytes: PIPE_BUF
LONGEST_VALUE: Final = 2500  # characters; the end of a traceback says more than its beginning
_ORDER: Final = ("debug", "info", "warning", "error")


class Log(Protocol):
    """What a producer logs through: a structlog logger, or `JsonLines`."""

    def debug(self, event: str, **keys: Any) -> Any: ...
    def info(self, event: str, **keys: Any) -> Any: ...
    def warning(self, event: str, **keys: Any) -> Any: ...
    def error(self, event: str, **keys: Any) -> Any: ...


class JsonLines:
    """Writes to a descriptor, which should be non-blocking.

    Args:
        secrets: keys that must never be written.
    """

    def __init__(self, descriptor: int, level: str = "info", secrets: Iterable[str] = ()) -> None:
        self._descriptor = descriptor
        self._from = _ORDER.index(level)
        self._secrets = sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True)
        self._missed = 0

    def debug(self, event: str, **keys: Any) -> None:
        self._write("debug", event, keys)

    def info(self, event: str, **keys: Any) -> None:
        self._write("info", event, keys)

    def warning(self, event: str, **keys: Any) -> None:
        self._write("warning", event, keys)

    def error(self, event: str, **keys: Any) -> None:
        self._write("error", event, keys)

    def _write(self, level: str, event: str, keys: dict[str, Any]) -> None:
        if _ORDER.index(level) < self._from:
            return
        line = {"level": level, "event": event, "timestamp": time.time()}
        line.update({name: self._shown(value) for name, value in keys.items()})
        if self._missed:
            line["lines_missed"] = self._missed
        data = json.dumps(line, ensure_ascii=True, default=str).encode() + b"\n"
        if len(data) > LONGEST:
            data = json.dumps({"level": level, "event": event, "cut": len(data)}).encode() + b"\n"
        try:
            os.write(self._descriptor, data)
            self._missed = 0
        except OSError:  # full, or nobody is there any more
            self._missed += 1

    def _shown(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        for secret in self._secrets:
            value = value.replace(secret, "***")
        return value[-LONGEST_VALUE:]
