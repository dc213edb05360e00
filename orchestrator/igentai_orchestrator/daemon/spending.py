"""What earlier daemons spent in the last hour counts against this hour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from igentai_orchestrator.shell.archive import spent_lately

if TYPE_CHECKING:
    from igentai_orchestrator.daemon.state import State


def recall_spending(state: State) -> None:
    """Read it out of the ledgers, where there is a budget an hour."""
    hour = state.desk.books.hour
    if hour is None:
        return
    now = state.now()
    for seconds_ago, usd in spent_lately(state.settings.outputs, datetime.now(UTC)):
        hour.restore(now - seconds_ago, usd)
    state.log.info("budget.hour_recalled", spent_usd=round(hour.spent(now), 6), limit_usd=hour.limit)
