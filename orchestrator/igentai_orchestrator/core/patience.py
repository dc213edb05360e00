"""How long nobody is asked because waiting promises more: never for long, for what is waited for may take minutes."""

from __future__ import annotations

from typing import Final

PATIENCE_S: Final = 20.0


class Patience:
    """Runs out 20 s after it began, and is whole again once there was something to do."""

    def __init__(self) -> None:
        self._since: float | None = None

    def holds(self, now: float, *, wanted: bool) -> bool:
        """Whether to go on waiting at `now`, if that is `wanted`."""
        if not wanted:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since < PATIENCE_S
