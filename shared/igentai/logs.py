"""Logging: dotted events with keys; JSON where nobody watches, coloured lines on a terminal; never a key.

`configure` is called once a process. Everything else asks `get` for a logger.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from igentai.providers.base import Secret

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LONGEST_VALUE = 500


class Redaction:
    """Replaces every known key by stars, wherever in an event it stands."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._values = sorted({s.reveal() for s in secrets if len(s.reveal()) >= 6}, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        return {name: self.text(value) if isinstance(value, str) else value for name, value in event.items()}

    def text(self, value: str) -> str:
        for secret in self._values:
            if secret in value:
                value = value.replace(secret, "***")
        return value


def shorten(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """No value is longer than 500 characters: a log is no place for a prompt."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > LONGEST_VALUE and name != "exception":
            event[name] = value[:LONGEST_VALUE] + "…"
    return event


class _StandardError:
    """Standard error as it is at the time of writing: a live view stands in its place for a while."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(
    *, level: str = "info", secrets: Iterable[Secret] = (), stream: TextIO | None = None, as_json: bool | None = None
) -> None:
    """Set up logging for this process.

    Args:
        level: debug, info, warning or error.
        secrets: keys that must never be written.
        stream: where lines go; standard error by default, so that standard output stays for results.
        as_json: None: JSON where `stream` is no terminal.
    """
    out = stream or sys.stderr
    if as_json is None:
        as_json = not out.isatty()
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True)
        if as_json
        else structlog.processors.TimeStamper("%H:%M:%S"),
        *([structlog.processors.format_exc_info] if as_json else []),
        shorten,
        Redaction(secrets),
        # Plain tracebacks: the pretty ones print local variables, and one of them may be a key.
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream or cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )


def get() -> FilteringBoundLogger:
    """The process's logger."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger
