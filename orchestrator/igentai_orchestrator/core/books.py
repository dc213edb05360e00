"""Everything the desk keeps, in one place for the rooms that work on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from igentai.budget import HourlyBudget
from igentai.prices import PriceTable
from igentai.tokens import TokenRatio
from igentai_orchestrator.core.arrangement import Arrangement
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.fleet import Fleet
from igentai_orchestrator.core.flights import Flights, Retries
from igentai_orchestrator.core.gate import Gate
from igentai_orchestrator.core.journal import Journal
from igentai_orchestrator.core.known import Known
from igentai_orchestrator.core.reply_tokens import ReplyTokens
from igentai_orchestrator.core.roster import Roster


@dataclass(slots=True)
class Books:
    """`campaign` is None while no topic is open. `durable` is the highest committed seq by producer run, of the open
    topic; `runs` the producer run last seen in each slot; `spools` the runs whose left-over spool was read, with the
    last seq it held. `hour` is None without a budget an hour; `known` until a producer is sent the filter; `awaited`
    the answer of a producer run that was asked to come again with every text."""

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
    campaign: Campaign | None = None
    durable: dict[str, int] = field(default_factory=dict)
    runs: dict[int, str] = field(default_factory=dict)
    spools: dict[str, int] = field(default_factory=dict)
    retrying: bool = True
    known: Known | None = None
    awaited: dict[str, int] = field(default_factory=dict)
    waits_for_the_hour: bool = False  # nothing can be asked now for want of the hour's money alone
