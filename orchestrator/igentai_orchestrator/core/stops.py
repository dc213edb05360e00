"""When a topic has gone far enough: the reasons a person set, in words. The first to hit wins."""

from __future__ import annotations

from dataclasses import dataclass

from igentai_orchestrator.core.topic import Limits


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a topic is. `requests` counts every attempt decided; `coverage` is 0 to 1, None while it cannot be told;
    `recent_yield` is fresh attributes per answer over the last answers, None while there are too few."""

    attributes: int
    requests: int
    elapsed_s: float
    coverage: float | None
    recent_yield: float | None


def reason_to_stop(limits: Limits, progress: Progress) -> str | None:
    """Why the topic ends now, None to go on. Money and saturation are told by those who keep them."""
    if limits.max_attributes is not None and progress.attributes >= limits.max_attributes:
        return f"--max-attributes {limits.max_attributes} reached"
    if limits.max_requests is not None and progress.requests >= limits.max_requests:
        return f"--max-requests {limits.max_requests} reached"
    if limits.max_minutes is not None and progress.elapsed_s >= limits.max_minutes * 60:
        return f"--max-minutes {limits.max_minutes:g} reached"
    coverage, wanted = progress.coverage, limits.until_coverage
    if wanted is not None and coverage is not None and coverage >= wanted:
        return f"--until-coverage {wanted:g} reached"
    recent, least = progress.recent_yield, limits.min_yield
    if least is not None and recent is not None and recent < least:
        return f"--min-yield {least:g}: the last answers brought {recent:.2f} each"
    return None
