"""What a batch says of itself in the log. Every event names the batch and, where there is one, the request.

A library must not print where nobody asked: events go to structlog only where the program has configured it (`igentai`
does), else to the standard library's logger `igentai.batch`.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from igentai.batch.flight import Flight
    from igentai.batch.result import Result
    from igentai.errors import ProviderError

_LOGGER: Final = logging.getLogger("igentai.batch")


class Record:
    """The log of one batch. A request's correlation id is the batch's with its prompt's index: `3f9c2a71-000042`."""

    def __init__(self) -> None:
        self.batch = os.urandom(4).hex()
        structlog = sys.modules.get("structlog")  # not imported: not configured either
        structured = structlog is not None and structlog.is_configured()
        self._log: Any = structlog.get_logger().bind(batch=self.batch) if structlog is not None and structured else None
        self._details = structured or _LOGGER.isEnabledFor(logging.DEBUG)

    def sent(self, flight: Flight) -> None:
        if self._details:
            self._say("debug", "batch.request_sent", flight.asking.index, attempt=flight.asking.attempts)

    def failed(self, flight: Flight, error: ProviderError, *, final: bool) -> None:
        asking = flight.asking
        keys = {"kind": error.kind.value, "status": error.status, "attempt": asking.attempts, "detail": error.detail}
        self._say("debug", "batch.attempt_failed", asking.index, final=final, **keys)

    def gave_up(self, result: Result) -> None:
        assert result.error is not None
        keys = {"kind": result.error.kind, "attempts": result.attempts, "reason": result.error.message}
        self._say("info", "batch.prompt_failed", result.index, **keys)

    def resumed(self, index: int) -> None:
        if self._details:
            self._say("debug", "batch.answer_found_in_journal", index)

    def fault(self, flight: Flight, error: Exception) -> None:
        """A fault of ours, with its traceback."""
        request = self._request(flight.asking.index)
        if self._log is not None:
            self._log.error("batch.client_fault", request=request, exc_info=error)
        else:
            _LOGGER.error("batch.client_fault batch=%s request=%s", self.batch, request, exc_info=error)

    def _request(self, index: int) -> str:
        return f"{self.batch}-{index:06d}"

    def _say(self, level: str, event: str, index: int, **keys: Any) -> None:
        request = self._request(index)
        if self._log is not None:
            getattr(self._log, level)(event, request=request, **keys)
            return
        number = logging.getLevelNamesMapping()[level.upper()]
        if _LOGGER.isEnabledFor(number):
            said = " ".join(f"{name}={value!r}" for name, value in keys.items())
            _LOGGER.log(number, "%s batch=%s request=%s %s", event, self.batch, request, said)
