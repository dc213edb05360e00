"""What a run has brought so far, in one line of plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def line(numbers: Mapping[str, Any]) -> str:
    """What a run has brought, in one line of plain text."""
    requests = numbers.get("requests") or {}
    ok, failed = requests.get("ok") or 0, requests.get("failed") or 0
    repeats = numbers.get("repeats_share")
    parts = [
        f"{numbers.get('unique_attributes') or 0} unique",
        f"{numbers.get('unique_per_minute') or 0:.0f}/min",
        f"{ok + failed} requests" + (f" ({failed} failed)" if failed else ""),
        f"{100 * repeats:.0f} % repeats" if repeats is not None else "no repeats yet",
        f"${numbers.get('cost_usd') or 0.0:.4f}",
        clock(numbers.get("elapsed_s") or 0.0),
    ]
    return " · ".join(parts)


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
