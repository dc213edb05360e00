"""When a topic has gone far enough, in words: the limits a person set, then saturation. The first to hit wins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass

from igentai_orchestrator.core.asking import Asker
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.discovery import Arm
from igentai_orchestrator.core.flights import Flights
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
    """Why the topic ends now, None to go on. Money is told by those who keep it."""
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


def promised(campaign: Campaign) -> float:
    """What the best next request promises; not worked out where a topic is not to end for that."""
    return campaign.policy.forecast() if campaign.spec.limits.saturation else math.inf


def enough(campaign: Campaign, asker: Asker, forecast: float, now: float) -> str | None:
    """Why the topic ends now, by a limit or by saturation; None to go on."""
    progress = Progress(
        attributes=len(campaign.admission),
        requests=campaign.requests,
        elapsed_s=now - campaign.started_at,
        coverage=campaign.coverage_share(),
        recent_yield=campaign.recent_yield(),
    )
    return reason_to_stop(campaign.spec.limits, progress) or _saturated(campaign, asker, forecast)


def _saturated(campaign: Campaign, asker: Asker, forecast: float) -> str | None:
    reason = campaign.saturation.reached(forecast) if campaign.spec.limits.saturation else None
    believed = reason is not None and (campaign.saturation.barren or not _unheard(campaign, asker, {}))
    return f"saturated: {reason}" if believed else None


def drying(campaign: Campaign, asker: Asker, forecast: float, flights: Flights) -> bool:
    """Whether the topic may be about to end: then its models are heard out."""
    if not campaign.spec.limits.saturation:
        return False
    return campaign.saturation.drying(forecast, len(flights), len(_unheard(campaign, asker, flights.arms)))


def settling(campaign: Campaign, asker: Asker, forecast: float, flights: Flights) -> bool:
    """Whether what is on its way may settle it: then nothing more is asked until it is in."""
    told = campaign.saturation.reached(forecast, len(flights)) is not None
    return told and len(flights) > 0 and not _unheard(campaign, asker, flights.arms)


def _unheard(campaign: Campaign, asker: Asker, in_flight: Mapping[Arm, int]) -> Set[str]:
    """Models that may be asked and did not answer about the whole topic of late, nor are about to."""
    return campaign.policy.unheard(set(asker.usable()), in_flight)
