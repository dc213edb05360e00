"""A prompt on its way, and one call of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from igentai.batch.request import Query
    from igentai.limits import Reservation
    from igentai.providers.base import Call


@dataclass(slots=True)
class Asking:
    """One prompt on its way. `attempts` counts calls, `tries` those that were not turned away with a 429.

    `rests` says of each place of a route where it failed when it may be asked there again.
    """

    index: int
    query: Query
    attempts: int = 0
    tries: int = 0
    rests: dict[int, float] = field(default_factory=dict)
    refused_since: float | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """One call under way. `place` is that of its route."""

    number: int
    asking: Asking = field(repr=False)
    place: int
    call: Call = field(repr=False)
    taken: Reservation
    sent_at: float
    tokens_in: int
    bound_usd: float
