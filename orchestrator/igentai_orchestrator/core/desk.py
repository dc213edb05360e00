"""The one door of the core: `handle(fact, now)` -> orders.

Every request is decided here, so that limits and budget hold exactly across all producers, and every answer passes
here on its way to the ledger. The life of a topic:

    idle ──TopicOpened──▶ running ──a reason to stop──▶ finishing ──all recorded──▶ closing ──TopicClosed──▶ idle
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from enum import StrEnum
from random import Random
from typing import Any, Final, Literal

from igentai.budget import HourlyBudget
from igentai.messages import Ack, FinishTopic, GenerationConfig, ProviderAccess, StartTopic, Stop, UpdateConfiguration
from igentai.messages import Welcome as Greeting
from igentai.prices import PriceTable
from igentai_orchestrator.core import facts, outlook
from igentai_orchestrator.core.answers import call_off, give_up_lost, take_answer, take_failure, take_known_answer
from igentai_orchestrator.core.arrangement import Arrangement
from igentai_orchestrator.core.asking import Asker, expected_cost
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.discovery import Arm
from igentai_orchestrator.core.fleet import Fleet
from igentai_orchestrator.core.flights import Flight
from igentai_orchestrator.core.gate import Gate
from igentai_orchestrator.core.groups import separation
from igentai_orchestrator.core.journal import Acknowledge, Dispatch
from igentai_orchestrator.core.known import DELTA_KEYS, Known
from igentai_orchestrator.core.orders import (
    CloseTopic,
    Disconnect,
    Exit,
    Log,
    Order,
    Publish,
    RemoveSpool,
    Send,
    TakeSpool,
)
from igentai_orchestrator.core.purse import Purse
from igentai_orchestrator.core.records import AssignmentRecord, EventRecord
from igentai_orchestrator.core.roster import Link
from igentai_orchestrator.core.stops import Progress, reason_to_stop

Status = Literal["finished", "stopped", "interrupted"]
FIRST_SIZE: Final = 40
WEIGHT_CHANGE: Final = 0.05
EXIT_ALL_FAILED: Final = 1
EXIT_NO_PROVIDER: Final = 3
SHUTDOWN_LEAVE_S: Final = 1.5
FILTER_EVERY_S: Final = 2.0
SETTLE_S: Final = 0.5  # beyond the drain, for commits; on a full disk they do not come, and spools keep the answers


class Phase(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    FINISHING = "finishing"
    CLOSING = "closing"


class Desk:
    """Decides everything. No I/O, no clock, no randomness but `rng`."""

    def __init__(self, arrangement: Arrangement, prices: PriceTable, rng: Random) -> None:
        hour = None if arrangement.budget_per_hour is None else HourlyBudget(arrangement.budget_per_hour)
        self.books = Books(arrangement, prices, rng, Fleet(rng), hour)
        self.phase = Phase.IDLE
        self.storage_trouble: str | None = None
        self.shutting_down = False
        self._asker: Asker | None = None
        self._spool = ""
        self._closing: CloseTopic | None = None
        self._finish_by = 0.0
        self._asked_to_stop = False
        self._published_at = 0.0
        self._filter_due = 0.0
        self._published: dict[str, float] = {}
        self._rooms: dict[type[Any], Callable[[Any, float], list[Order]]] = {
            facts.Tick: self._tick,
            facts.TopicOpened: self._open,
            facts.TopicStopRequested: self._stop_requested,
            facts.TopicClosed: self._closed,
            facts.ShutdownRequested: self._shut_down,
            facts.ProducerSpawned: lambda f, now: self.books.fleet.spawned(f.slot, f.pid, now),
            facts.SpawnFailed: lambda f, now: self.books.fleet.spawn_failed(f.slot, f.detail, now),
            facts.ProducerExited: self._exited,
            facts.ProducerJoined: self._joined,
            facts.ProducerLeft: self._left,
            facts.ProducerReady: self._ready,
            facts.AnswerArrived: self._answered,
            facts.KnownAnswerArrived: self._known_answered,
            facts.FailureArrived: self._failed,
            facts.StatusArrived: self._status,
            facts.SpoolTaken: self._spool_taken,
            facts.Committed: self._committed,
            facts.StorageTroubled: self._storage_troubled,
            facts.StorageMended: self._storage_mended,
            facts.WeightsSet: self._weights_set,
            facts.MergeUndone: self._unmerge,
            facts.ConfigurationReloaded: self._reloaded,
        }

    def handle(self, fact: facts.Fact, now: float) -> list[Order]:
        """Take in one fact at `now` (monotonic seconds) and say what follows."""
        orders = self._rooms[type(fact)](fact, now)
        orders += self._tell_partitions()
        if self.phase is Phase.RUNNING and (type(fact) is facts.Tick or self.books.roster.hungriest() is not None):
            orders += self._assign(now)
        if self.phase is Phase.FINISHING:
            orders += self._finish(now)
        return orders

    def deadline(self, now: float) -> float | None:
        """Seconds until something is due that should not wait for the next regular tick."""
        due = [self.books.fleet.deadline, self.books.retries.deadline]
        waits = [at - now for at in due if at is not None and at > now]  # what is overdue waits for something else
        if self.phase is Phase.RUNNING and self._asker is not None and self.books.roster.hungriest() is not None:
            waits.append(self._asker.wait_s(now))
        return min(waits, default=None)

    def snapshot(self, now: float) -> dict[str, Any]:
        """metrics.json without the topic's own words."""
        return outlook.metrics(self.books, now)

    # -- the topic ----------------------------------------------------------------------------------------------

    def _open(self, fact: facts.TopicOpened, now: float) -> list[Order]:
        books, spec = self.books, fact.spec
        assert self.phase is Phase.IDLE, "one topic at a time"
        costs = {m.key: expected_cost(books.prices, m.provider, m.model, FIRST_SIZE) for m in spec.models}
        campaign = Campaign(spec, fact.ledger, costs, now, fact.elapsed_s)
        for record in fact.history:
            campaign.restore(record, now)
        campaign.pruning.changes()  # what was done before was told then
        books.campaign = campaign
        books.durable = dict(campaign.last_seq)
        books.retrying = True
        for model in spec.models:
            if model.provider not in books.gates:
                terms = books.arrangement.providers[model.provider]
                books.gates[model.provider] = Gate(model.provider, terms, books.arrangement.share, books.rng)
        self._asker = Asker(
            campaign,
            books.gates,
            books.prices,
            books.ratios,
            books.replies,
            books.arrangement,
            Purse(campaign.budget, books.hour),
            books.rng,
        )
        self._spool = fact.spool
        self._asked_to_stop = False
        self.phase = Phase.RUNNING
        orders: list[Order] = [
            Log("info", "topic.opened", {"topic": spec.topic, "attributes": len(campaign.admission)}),
        ]
        orders += books.fleet.resize(spec.producers, now)
        for link in books.roster:
            orders += self._start(link)
        return orders

    def _start(self, link: Link) -> list[Order]:
        """Tell a producer what the topic is; what it wants from now on it will say itself."""
        campaign = self.books.campaign
        assert campaign is not None
        link.free = 0
        self.books.awaited.pop(link.run_id, None)  # all that the ledger does not hold is sent again
        terms = self.books.arrangement.providers
        used = {model.provider: terms[model.provider] for model in campaign.spec.models}
        access = {name: ProviderAccess(t.kind, t.base_url, t.stream) for name, t in used.items()}
        config = GenerationConfig(
            providers=access,
            concurrency=campaign.spec.concurrency,
            request_size=campaign.spec.request_size or FIRST_SIZE,
            temperature=campaign.spec.temperature,
            spool=self._spool if link.slot is not None else None,
        )
        start = Send(
            link.number,
            StartTopic(
                ledger=campaign.ledger,
                last_seq=self.books.durable.get(link.run_id, 0),  # admitted is not enough: it must be durable
                topic=campaign.spec.topic,
                prompt=campaign.spec.prompt or "",
                provider_weights=campaign.policy.shares(),
                generation_config=config,
            ),
        )
        return [start, *self._send_filter(link, campaign)]

    def _send_filter(self, link: Link, campaign: Campaign) -> list[Order]:
        """The filter of what is known, to a producer whose answers cost something to carry."""
        books = self.books
        link.filtered = books.arrangement.bloom == "on" or (books.arrangement.bloom == "auto" and link.slot is None)
        if not link.filtered:
            return []
        if books.known is None:
            books.known = Known(campaign.texts)
        return [Send(link.number, UpdateConfiguration(bloom_filter=part)) for part in books.known.parts()]

    def _update_filters(self, now: float) -> list[Order]:
        """What came to be known since the last time, to those who were sent the filter."""
        books = self.books
        if books.known is None or not books.known.unsent:
            return []
        if books.known.unsent < DELTA_KEYS and now < self._filter_due:
            return []
        self._filter_due = now + FILTER_EVERY_S
        updates = [UpdateConfiguration(bloom_filter=part) for part in books.known.deltas()]
        return [Send(link.number, update) for link in books.roster if link.filtered for update in updates]

    def _stop_requested(self, fact: facts.TopicStopRequested, now: float) -> list[Order]:
        return self._begin_finish("stopped", fact.reason, now, drain=True)

    def _begin_finish(
        self, status: Status, reason: str, now: float, *, drain: bool = False, exit_code: int = 0
    ) -> list[Order]:
        """Ask nothing more. `drain`: someone is waiting, so that what is under way gets a few seconds only."""
        books = self.books
        if self.phase not in (Phase.RUNNING, Phase.FINISHING) or (self.phase is Phase.FINISHING and not drain):
            return []
        if self._closing is None:
            self._closing = CloseTopic(status, reason, exit_code)
        self.phase = Phase.FINISHING
        books.retrying = False
        books.retries.clear()
        if self._asker is not None:
            self._asker.close()
        self._finish_by = now + books.arrangement.drain_s if drain else float("inf")
        self._asked_to_stop = self._asked_to_stop or drain
        event = books.journal.record(EventRecord("stop", reason, "{}"))
        keys = {"reason": reason, "in_flight": len(books.flights)}
        return [event, Log("info", "topic.finishing", keys)]

    def _finish(self, now: float) -> list[Order]:
        """Once nothing is under way and everything is durable, close."""
        books = self.books
        orders: list[Order] = []
        if now >= self._finish_by:
            for flight in books.flights:
                if flight.sent_at is not None:
                    orders += give_up_lost(books, flight, "the topic was stopped before it was answered", now)
        overdue = self.shutting_down and now >= self._finish_by + SETTLE_S
        if not overdue and (len(books.flights) or not books.journal.settled):
            return orders
        assert books.campaign is not None
        assert self._closing is not None
        self.phase = Phase.CLOSING
        for link in books.roster:
            link.free = 0
            orders.append(Send(link.number, FinishTopic(books.campaign.ledger)))
        return [*orders, self._closing]

    def _closed(self, _: facts.TopicClosed, now: float) -> list[Order]:
        books = self.books
        books.campaign = None
        books.durable.clear()
        books.spools.clear()
        books.awaited.clear()
        books.known = None
        self._asker = None
        self._closing = None
        self._published.clear()
        self.phase = Phase.IDLE
        return self._leave(now) if self.shutting_down else []

    # -- asking -------------------------------------------------------------------------------------------------

    def _assign(self, now: float) -> list[Order]:
        """Give out requests as long as a producer wants one and one may be made."""
        books, campaign, asker = self.books, self.books.campaign, self._asker
        assert campaign is not None
        assert asker is not None
        orders: list[Order] = []
        while self.storage_trouble is None:
            forecast = self._forecast()
            reason = reason_to_stop(campaign.spec.limits, self._progress(now)) or self._saturated(forecast)
            if reason:
                return orders + self._begin_finish("finished", reason, now)
            drying = self._drying(forecast)
            if drying and self._settling(forecast):
                return orders
            link = books.roster.hungriest()
            flight = asker.next(now, books.flights, books.retries, link.run_id, drying=drying) if link else None
            books.waits_for_the_hour = flight is None and asker.short_of_the_hour(now)
            if link is None or flight is None:
                return orders + self._stuck(now)
            link.free -= 1
            link.flights.add(flight.id)
            books.flights.add(flight)
            assign = flight.assign
            record = AssignmentRecord(
                assignment_id=flight.id,
                provider=assign.provider,
                model=assign.model,
                partition=assign.partition,
                prompt_hash=flight.prompt_hash,
                purpose=assign.purpose,
                attempt=flight.attempt,
                reserved_usd=flight.reserved_usd,
                asked=flight.asked,
                listed=flight.listed,
            )
            campaign.absorb(record, now)
            if books.hour is not None:
                books.hour.reserve(now, flight.id, flight.reserved_usd, check=False)
            orders.append(books.journal.record(record, Dispatch(flight.id)))
        return orders

    def _stuck(self, now: float) -> list[Order]:
        """Nothing can be asked right now. Is that for good?"""
        books, campaign, asker = self.books, self.books.campaign, self._asker
        assert campaign is not None
        assert asker is not None
        if len(books.flights):
            return []
        never = asker.never()
        if never is not None:
            return self._begin_finish("finished", never, now)
        if not asker.usable() and not books.arrangement.wait_when_out:
            reasons = {books.gates[m.provider].state(now, m.model)[1] for m in campaign.spec.models}
            reason = "no usable provider is left: " + "; ".join(sorted(reasons))
            return self._begin_finish("stopped", reason, now, exit_code=EXIT_NO_PROVIDER)
        return []

    def _progress(self, now: float) -> Progress:
        campaign = self.books.campaign
        assert campaign is not None
        return Progress(
            attributes=len(campaign.admission),
            requests=campaign.requests,
            elapsed_s=now - campaign.started_at,
            coverage=campaign.coverage_share(),
            recent_yield=campaign.recent_yield(),
        )

    def _forecast(self) -> float:
        """What the best next request promises; not asked for where a topic is not to end for that."""
        campaign = self.books.campaign
        assert campaign is not None
        return campaign.policy.forecast() if campaign.spec.limits.saturation else math.inf

    def _saturated(self, forecast: float) -> str | None:
        campaign = self.books.campaign
        assert campaign is not None
        reason = campaign.saturation.reached(forecast) if campaign.spec.limits.saturation else None
        believed = reason is not None and (campaign.saturation.barren or not self._unheard({}))
        return f"saturated: {reason}" if believed else None

    def _drying(self, forecast: float) -> bool:
        """Whether the topic may be about to end: then its models are heard out."""
        campaign, flights = self.books.campaign, self.books.flights
        assert campaign is not None
        if not campaign.spec.limits.saturation:
            return False
        return campaign.saturation.drying(forecast, len(flights), len(self._unheard(flights.arms)))

    def _settling(self, forecast: float) -> bool:
        """Whether what is on its way may settle it: then nothing more is asked until it is in."""
        campaign, flights = self.books.campaign, self.books.flights
        assert campaign is not None
        told = campaign.saturation.reached(forecast, len(flights)) is not None
        return told and len(flights) > 0 and not self._unheard(flights.arms)

    def _unheard(self, in_flight: Mapping[Arm, int]) -> Set[str]:
        campaign = self.books.campaign
        assert campaign is not None
        assert self._asker is not None
        return campaign.policy.unheard(set(self._asker.usable()), in_flight)

    # -- producers ----------------------------------------------------------------------------------------------

    def _joined(self, fact: facts.ProducerJoined, now: float) -> list[Order]:
        books = self.books
        if fact.slot is not None:
            known = fact.slot < len(books.fleet.slots) and books.fleet.slots[fact.slot].pid == fact.pid
            if not known:
                return [Disconnect(fact.link, f"no producer with pid {fact.pid} was spawned for slot {fact.slot}")]
            books.fleet.heard(fact.slot, now)
            books.runs[fact.slot] = fact.run_id
        link = Link(fact.link, fact.slot, fact.run_id, fact.host, fact.pid)
        older = books.roster.join(link)
        orders: list[Order] = [Disconnect(older.number, "the producer connected anew")] if older else []
        orders.append(Send(link.number, Greeting(fact.proof, books.arrangement.credit)))
        for flight in books.flights.of_run(fact.run_id):
            flight.orphaned_at = None
        if self.phase in (Phase.RUNNING, Phase.FINISHING):
            orders += self._start(link)
        keys = {"producer": link.producer, "pid": link.pid, "link": link.number}
        return [*orders, Log("info", "fleet.producer_joined", keys)]

    def _left(self, fact: facts.ProducerLeft, now: float) -> list[Order]:
        link = self.books.roster.leave(fact.link)
        if link is None:
            return []
        for flight in self.books.flights.of_run(link.run_id):
            flight.orphaned_at = now
        return [Log("info", "fleet.producer_left", {"producer": link.producer, "reason": fact.reason})]

    def _exited(self, fact: facts.ProducerExited, now: float) -> list[Order]:
        books = self.books
        orders = books.fleet.exited(fact.slot, fact.pid, fact.code, now)
        run_id = books.runs.pop(fact.slot, None)
        link = books.roster.of_run(run_id) if run_id else None
        if link is not None:
            books.roster.leave(link.number)
        if run_id and books.campaign is not None and self.phase is not Phase.CLOSING:
            orders.append(TakeSpool(run_id))
        if books.fleet.all_failed and not len(books.roster):
            orders += [Log("error", "fleet.all_slots_failed"), Exit(EXIT_ALL_FAILED)]
        if self.shutting_down and self.phase is Phase.IDLE and not books.fleet.alive:
            orders.append(Exit(0))
        return orders

    def _answered(self, fact: facts.AnswerArrived, now: float) -> list[Order]:
        if self.phase is Phase.CLOSING:  # too late for the ledger: it waits in its spool, unacknowledged
            return []
        return take_answer(self.books, fact.link, fact.batch, now)

    def _known_answered(self, fact: facts.KnownAnswerArrived, now: float) -> list[Order]:
        if self.phase is Phase.CLOSING:
            return []
        return take_known_answer(self.books, fact.link, fact.answer, now)

    def _failed(self, fact: facts.FailureArrived, now: float) -> list[Order]:
        if self.phase is Phase.CLOSING:
            return []
        return take_failure(self.books, fact.link, fact.failure, now)

    def _ready(self, fact: facts.ProducerReady, now: float) -> list[Order]:
        link = self.books.roster.get(fact.link)
        if link is not None and fact.free > 0:
            link.free += fact.free
            self._heard(link, now)
        return []

    def _status(self, fact: facts.StatusArrived, now: float) -> list[Order]:
        link = self.books.roster.get(fact.link)
        if link is not None:
            link.status = fact.status
            self._heard(link, now)
        return []

    def _heard(self, link: Link, now: float) -> None:
        if link.slot is not None and link.slot < len(self.books.fleet.slots):
            self.books.fleet.heard(link.slot, now)

    def _spool_taken(self, fact: facts.SpoolTaken, now: float) -> list[Order]:
        """What a dead producer had received is in. What it had not is lost."""
        books = self.books
        if books.campaign is None:
            return []
        orders: list[Order] = []
        for flight in books.flights.of_run(fact.run_id):
            if flight.sent_at is not None:
                orders += give_up_lost(books, flight, "its producer died before it was answered", now)
        books.spools[fact.run_id] = books.campaign.last_seq.get(fact.run_id, 0)
        return orders + self._spools_done()

    def _spools_done(self) -> list[Order]:
        durable = self.books.durable
        done = [run for run, last in self.books.spools.items() if durable.get(run, 0) >= last]
        for run in done:
            del self.books.spools[run]
        return [RemoveSpool(run) for run in done]

    # -- commits and storage ------------------------------------------------------------------------------------

    def _committed(self, fact: facts.Committed, now: float) -> list[Order]:
        """What is durable now may be sent, acknowledged and shown: one Ack a producer, one Publish a commit."""
        books, campaign = self.books, self.books.campaign
        if campaign is None:
            books.journal.committed(fact.ticket)
            return []
        orders: list[Order] = []
        acknowledged: dict[str, int] = {}
        latest = 0
        for consequence in books.journal.committed(fact.ticket):
            if isinstance(consequence, Acknowledge):
                acknowledged[consequence.run_id] = consequence.seq
                latest = consequence.latest
            else:
                orders += self._dispatch(consequence, now)
        for run_id, seq in acknowledged.items():
            books.durable[run_id] = seq
            link = books.roster.of_run(run_id)
            if link is not None:
                orders.append(Send(link.number, Ack(campaign.ledger, seq)))
        if latest:
            orders.append(Publish(latest))
        return orders + self._spools_done() if books.spools else orders

    def _dispatch(self, dispatch: Dispatch, now: float) -> list[Order]:
        books = self.books
        flight = books.flights.get(dispatch.assignment_id)
        if flight is None or self.phase is Phase.CLOSING:
            return []
        link = books.roster.of_run(flight.run_id)
        out = link is not None and self._is_out(flight)
        if link is None or out or self._asked_to_stop or self.storage_trouble is not None:
            if out and books.retrying:
                books.retries.add(now, flight.ask, flight.attempt, flight.failed_on)
            if link is not None and flight.id in link.flights:  # its place is free again: it will not ask for it twice
                link.free += 1
            return call_off(books, flight, now)
        flight.sent_at = now
        return [Send(link.number, flight.assign)]

    def _is_out(self, flight: Flight) -> bool:
        """Whether its key or its model was refused while its reservation was being written."""
        gate = self.books.gates[flight.assign.provider]
        return gate.out_for(flight.assign.model) is not None or gate.accounts[flight.key].out is not None

    def _storage_troubled(self, fact: facts.StorageTroubled, _now: float) -> list[Order]:
        self.storage_trouble = fact.detail
        return [Log("error", "archive.troubled", {"detail": fact.detail})]

    def _storage_mended(self, _: facts.StorageMended, _now: float) -> list[Order]:
        self.storage_trouble = None
        return [Log("info", "archive.mended")]

    # -- time and people ----------------------------------------------------------------------------------------

    def _tick(self, _: facts.Tick, now: float) -> list[Order]:
        books = self.books
        orders = books.fleet.tick(now)
        for flight in books.flights:
            orders += self._overdue(flight.id, now)
        if self.phase is Phase.RUNNING:
            orders += self._publish_weights(now)
            orders += self._update_filters(now)
            orders += self._group()
        return orders

    def _overdue(self, assignment_id: int, now: float) -> list[Order]:
        books, flight = self.books, self.books.flights.get(assignment_id)
        if flight is None or flight.sent_at is None:
            return []
        patience = flight.assign.timeout_s + books.arrangement.lost_after_s
        if flight.orphaned_at is None and now - flight.sent_at > patience:
            return give_up_lost(books, flight, f"no word from its producer for {patience:.0f} s", now)
        if flight.orphaned_at is not None and now - flight.orphaned_at > books.arrangement.orphan_s:
            return give_up_lost(books, flight, "its producer did not come back", now)
        return []

    def _publish_weights(self, now: float) -> list[Order]:
        """Shares as they come out, at most every optimisation interval, and only where they moved."""
        books, campaign = self.books, self.books.campaign
        if campaign is None or now - self._published_at < books.arrangement.optimization_interval_s:
            return []
        self._published_at = now
        shares = campaign.policy.shares()
        moved = {k: v for k, v in shares.items() if abs(v - self._published.get(k, -1.0)) >= WEIGHT_CHANGE}
        if not moved:
            return []
        self._published = dict(shares)
        rounded = {key: round(value, 3) for key, value in shares.items()}
        update = UpdateConfiguration(provider_weights=shares)
        orders: list[Order] = [Send(link.number, update) for link in books.roster]
        return [*orders, Log("info", "discovery.weights", {"weights": rounded})]

    def _tell_partitions(self) -> list[Order]:
        """What answers did to the partition tree, for people: recovery does it again from the answers."""
        campaign = self.books.campaign
        orders: list[Order] = []
        for change in campaign.pruning.changes() if campaign is not None else ():
            event = EventRecord(change.kind, change.reason, outlook.as_json({"partition": change.partition}))
            keys = {"partition": change.partition, "reason": change.reason}
            orders += [self.books.journal.record(event), Log("info", f"discovery.{change.kind}", keys)]
        return orders

    def _weights_set(self, fact: facts.WeightsSet, now: float) -> list[Order]:
        campaign = self.books.campaign
        if campaign is None or self.phase is Phase.CLOSING:
            return []
        said = ", ".join(f"{k} {'free' if v is None else f'{v:.0%}'}" for k, v in fact.weights.items())
        event = EventRecord("weights", f"{fact.by} set {said}", outlook.as_json(dict(fact.weights)))
        campaign.absorb(event, now)
        return [
            self.books.journal.record(event),
            Log("info", "discovery.weights_set", {"by": fact.by, "weights": said}),
        ]

    def _group(self) -> list[Order]:
        """Near-duplicates among the attributes of late, each recorded with its reason."""
        campaign = self.books.campaign
        if campaign is None or campaign.spec.near_duplicates == "keep":
            return []
        merges = campaign.groups.advance(campaign.texts)
        return [
            self.books.journal.record(
                EventRecord("merge", merge.reason, outlook.as_json({"number": merge.number, "head": merge.head}))
            )
            for merge in merges
        ]

    def _unmerge(self, fact: facts.MergeUndone, now: float) -> list[Order]:
        campaign = self.books.campaign
        if campaign is None or self.phase is Phase.CLOSING or campaign.groups.merge_of(fact.number) is None:
            return []
        event = separation(fact.number)
        campaign.absorb(event, now)
        return [self.books.journal.record(event)]

    def _reloaded(self, fact: facts.ConfigurationReloaded, _now: float) -> list[Order]:
        """Whatever was out may be asked. Producers that hold old keys finish what they do; others take their places."""
        books = self.books
        for name, gate in books.gates.items():
            gate.readmit(books.arrangement.providers.get(name))
        orders: list[Order] = [Log("info", "daemon.reloaded")]
        for link in books.roster if fact.keys_changed else ():
            if link.slot is not None:
                link.leaving = True
                orders.append(Send(link.number, Stop(drain=True)))
        return orders

    def _shut_down(self, _: facts.ShutdownRequested, now: float) -> list[Order]:
        self.shutting_down = True
        if self.phase is Phase.IDLE:
            return self._leave(now)
        return self._begin_finish("interrupted", "the daemon was asked to end", now, drain=True)

    def _leave(self, now: float) -> list[Order]:
        books = self.books
        books.fleet.leave_s = SHUTDOWN_LEAVE_S
        orders: list[Order] = [Send(link.number, Stop(drain=False)) for link in books.roster]
        orders += books.fleet.dismiss_all(now)
        return orders if books.fleet.alive else [*orders, Exit(0)]
