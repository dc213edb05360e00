"""When a topic has gone far enough, in words: the limits a person set, then saturation. The first to hit wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from igentai_orchestrator.core.asking import Asker
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.discovery import Arm
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


def enough(campaign: Campaign, asker: Asker, now: float) -> str | None:
    """Why the topic ends now, by a limit or by saturation; None to go on."""
    progress = Progress(
        attributes=len(campaign.admission),
        requests=campaign.requests,
        elapsed_s=now - campaign.started_at,
        coverage=campaign.coverage_share(),
        recent_yield=campaign.recent_yield(),
    )
    return reason_to_stop(campaign.spec.limits, progress) or _saturated(campaign, asker)


def _saturated(campaign: Campaign, asker: Asker) -> str | None:
    reason = drying(campaign, 0)
    believed = reason is not None and (campaign.saturation.barren or heard_out(campaign, asker, {}))
    return f"saturated: {reason}" if believed else None


def drying(campaign: Campaign, coming: int) -> str | None:
    """Why the topic is done, if the `coming` answers on their way bring nothing."""
    if not campaign.spec.limits.saturation:
        return None
    return campaign.saturation.reached(campaign.policy.forecast(), coming)


def heard_out(campaign: Campaign, asker: Asker, in_flight: Mapping[Arm, int]) -> bool:
    """Whether every model that may be asked answered about the whole topic of late, or is about to."""
    return campaign.policy.heard_out(set(asker.usable()), in_flight)
