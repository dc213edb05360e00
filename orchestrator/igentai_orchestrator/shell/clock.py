"""Ticks: the only thing that makes time pass for the desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

BEAT_S = 0.25


async def beat(tick: Callable[[], float | None], *, beat_s: float = BEAT_S) -> None:
    """Call `tick` for ever: every `beat_s` seconds, or sooner when it answers in how many seconds it wants the next."""
    while True:
        wanted = tick()
        await asyncio.sleep(beat_s if wanted is None else min(beat_s, max(0.005, wanted)))
