"""Everything the desk keeps, in one place for the rooms that work on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from igentai.budget import HourlyBudget
from igentai.prices import PriceTable
from igentai.tokens import TokenRatio
from igentai_orchestrator.core.arrangement import Arrangement
from igentai_orchestrator.core.asking import Asker
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.fleet import Fleet
from igentai_orchestrator.core.flights import Flights, Retries
from igentai_orchestrator.core.gate import Gate
from igentai_orchestrator.core.journal import Journal
from igentai_orchestrator.core.known import Known
from igentai_orchestrator.core.phase import Life
from igentai_orchestrator.core.reply_tokens import ReplyTokens
from igentai_orchestrator.core.roster import Roster


@dataclass(slots=True)
class Books:
    """Of the open topic: `campaign` and `asker` (None while none is open); `spool`, the folder for its producers'
    spools; `durable`, the highest committed seq by producer run; `spools`, the runs whose left-over spool was read,
    with the last seq it held; `awaited`, the answer of a producer run that was asked to come again with every text;
    `known`, None until a producer is sent the filter; `shares_told`, the shares that people were told last.

    Of the daemon: `hour`, None without a budget an hour; `storage_trouble`, None while writing works; `runs`, the
    producer run last seen in each slot.
    """

    arrangement: Arrangement
    prices: PriceTable
    rng: Random
    fleet: Fleet
    hour: HourlyBudget | None = None
    ratios: TokenRatio = field(default_factory=TokenRatio)
    replies: ReplyTokens = field(default_factory=ReplyTokens)
    gates: dict[str, Gate] = field(default_factory=dict)
    roster: Roster = field(default_factory=Roster)
    flights: Flights = field(default_factory=Flights)
    retries: Retries = field(default_factory=Retries)
    journal: Journal = field(default_factory=Journal)
    life: Life = field(default_factory=Life)
    campaign: Campaign | None = None
    asker: Asker | None = None
    spool: str = ""
    durable: dict[str, int] = field(default_factory=dict)
    runs: dict[int, str] = field(default_factory=dict)
    spools: dict[str, int] = field(default_factory=dict)
    retrying: bool = True
    known: Known | None = None
    filter_due: float = 0.0
    shares_told: dict[str, float] = field(default_factory=dict)
    shares_told_at: float = 0.0
    storage_trouble: str | None = None
    awaited: dict[str, int] = field(default_factory=dict)
    waits_for_the_hour: bool = False  # nothing can be asked now for want of the hour's money alone
