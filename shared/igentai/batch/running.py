"""Runs a batch: reads the source, makes the calls that the schedule decides, gives results out in order.

An asynchronous generator that works while its consumer waits for the next result: a slow consumer, and a slow disk
under the journal, make the reading wait, and what is under way stays bounded. Tasks alive: one a call in flight, and one
each for an asynchronous source, the journal, the cache and, at the start, the price list. They never raise, so that the
group they live in never cancels the consumer.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Final

from igentai.batch.collector import Collector
from igentai.batch.group_commit import GroupCommit
from igentai.batch.journal import Kept, Promise
from igentai.batch.record import Record
from igentai.batch.request import Query, as_query, call_of, fingerprint
from igentai.batch.result import STOPPED, Failure, Result
from igentai.batch.schedule import Flight, Schedule, cost_unknown
from igentai.batch.source import Feed, Source
from igentai.batch.stats import Progress, Tally
from igentai.errors import FailureKind, ProviderError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from igentai.batch.cache import Cache
    from igentai.batch.journal import Journal
    from igentai.batch.options import Options
    from igentai.batch.request import Prompt
    from igentai.batch.route import Route
    from igentai.providers.base import Provider, Reply

BREATHER: Final = 256  # results given out without a call between two looks at the rest of the program


@dataclass(frozen=True, slots=True)
class Unasked:
    """A row of the input that is no prompt: it gets its place in the output and is never sent."""

    reason: str
    id: str | int | float | None = None


class Batch:
    """One run over one source.

    Args:
        routes, clients: whom to ask, and the connected client of each route.
        options: see there.
        cache, journal: where answers are looked up and kept.
        mark_rest: after a stop read the source to its end and mark what was not asked; else end there.
        seed: of the jitter.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        clients: Sequence[Provider],
        options: Options,
        *,
        cache: Cache | None = None,
        journal: Journal | None = None,
        mark_rest: bool = True,
        seed: int | None = None,
    ) -> None:
        self.tally = Tally()
        self.schedule = Schedule(routes, options, Random(seed))
        self.record = Record()
        self._clients = clients
        self._options = options
        self._cache, self._journal = cache, journal
        self._mark_rest = mark_rest
        self._collector = Collector[Result](options.window)
        self._wake = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._asked: dict[int, bytes] = {}  # what is under way, by index: its fingerprint for the cache
        self._asked_here: dict[int, bytes] = {}  # the same for the journal
        self._left: dict[int, asyncio.Future[None]] = {}  # calls that wait for their promise to be durable
        self._journal_commit = (
            GroupCommit[Kept | Promise](_synced(journal), self._durable, self._wake.set)
            if journal is not None
            else None
        )
        self._cache_commit = (
            GroupCommit[tuple[bytes, Result]](cache.write, _nothing, self._wake.set) if cache is not None else None
        )
        self._read = 0
        self.total: int | None = None
        self.cut_short = 0  # replies that reached max_tokens
        self.resumed = 0  # answers that the journal had
        self._news = False  # whether something ended since the last word of progress
        self._fault: Exception | None = None
        self._uncommitted = 0

    async def results(self, source: Source[Prompt | Unasked], total: int | None = None) -> AsyncGenerator[Result, None]:
        """Results in the order of the source, each as soon as all before it are there.

        Args:
            total: its length, where it cannot say so itself; for the progress alone.

        Raises:
            UsageError: an item of the source is no prompt.
            StorageError: the journal or the cache cannot be written.
            Exception: whatever the source raises.
        """
        feed = Feed(source, self._wake.set)
        self.total = total if total is not None else feed.total
        commits = [c for c in (self._journal_commit, self._cache_commit) if c is not None]
        ended: BaseException | None = None
        async with asyncio.TaskGroup() as group:
            self._group = group
            helpers = [group.create_task(commit.run()) for commit in commits]
            reading = group.create_task(feed.run()) if feed.asynchronous else None
            # The price list takes 0.2 s to load: while the first replies are on their way, and not when they are there.
            helpers.append(group.create_task(self._load_prices()))
            try:
                async for result in self._in_order(feed):
                    yield result
            except BaseException as error:  # kept until the group is empty: it would wrap even a GeneratorExit
                ended = error
            self._cancel_calls()
            if reading is not None:
                reading.cancel()
            for commit in commits:
                commit.close()
            if helpers:
                await asyncio.wait(helpers)
            self._count_up()
        if ended is not None:
            raise ended
        self._raise_faults()

    async def _in_order(self, feed: Feed[Prompt | Unasked]) -> AsyncGenerator[Result, None]:
        given = 0
        while True:
            self._step(feed)
            self._tell()
            result = self._collector.take()
            if result is not None:
                yield result
                given += 1
                if given % BREATHER == 0:
                    await asyncio.sleep(0)
            elif self._over(feed):
                return
            else:
                await self._something()

    async def _load_prices(self) -> None:
        try:
            await asyncio.to_thread(lambda: self.schedule.unpriced)
        except Exception as error:  # a broken price list shows where a price is needed; nothing may leave a task
            self._fault = error
            self._wake.set()

    def _tell(self) -> None:
        if self._news and self._options.on_progress is not None:
            self._news = False
            self._options.on_progress(self.progress())

    def progress(self) -> Progress:
        """How far it is."""
        tally = self.tally
        return Progress(
            total=self.total,
            completed=tally.total,
            running=self.schedule.running,
            failed=tally.failed,
            cost_usd=tally.cost_usd,
            retrying=self.schedule.retrying,
        )

    # -- one step -------------------------------------------------------------------------------------------------

    def _step(self, feed: Feed[Prompt | Unasked]) -> None:
        """Read what is wanted and start what may go."""
        self._raise_faults()
        self._wake.clear()
        schedule = self.schedule
        now = time.monotonic()
        while True:
            while (flight := schedule.next(now)) is not None:
                self._start(flight)
            self._take_finals()
            if schedule.stopped is not None and schedule.unresolved:
                self._stop(now)
            if feed.ended or not self._has_room():
                return
            if schedule.stopped is not None and not self._mark_rest:
                feed.end()
                return
            item = feed.read()
            if item is None:
                return
            self._admit(item[0])

    def _has_room(self) -> bool:
        """Whether another prompt may be read: for a call, for its result, and with the disk not too far behind."""
        behind = self._uncommitted >= self._options.unresolved
        return self.schedule.wants and self._collector.admits(self._read) and not behind

    def _admit(self, item: Prompt | Unasked) -> None:
        index, self._read = self._read, self._read + 1
        if isinstance(item, Unasked):
            failure = Failure("input", item.reason)
            self._final(Result(index, item.id, "", failure, None, 0.0, 0, "", "", 0))
            return
        query = as_query(item)
        kept = self._kept(index, query)
        if kept is not None:
            self.resumed += 1
            self.record.resumed(index)
            self._final(kept, earlier=True)
        elif (cached := self._cached(index, query)) is not None:
            self._keep(cached)
        else:
            self.schedule.admit(index, query)

    def _kept(self, index: int, query: Query) -> Result | None:
        """The answer that the journal has for this row as it stands."""
        if self._journal is None:
            return None
        asked = fingerprint(call_of(query, "", self._options))
        kept = self._journal.find(index, asked)
        if kept is None:
            self._asked_here[index] = asked
            return None
        return replace(kept, id=query.id)

    def _cached(self, index: int, query: Query) -> Result | None:
        """The answer that the cache has."""
        if self._cache is None:
            return None
        route = self.schedule.first_route
        asked = fingerprint(call_of(query, route.model, self._options), route.provider)
        self.tally.cache_lookups += 1
        found = self._cache.find(asked, index, query)
        if found is None:
            self._asked[index] = asked
            return None
        self.tally.cache_hits += 1
        return found

    def _over(self, feed: Feed[Prompt | Unasked]) -> bool:
        """Whether nothing more can come."""
        return feed.ended and not self.schedule.unresolved and not self._collector.waiting and not self._uncommitted

    async def _something(self) -> None:
        """Wait until a call has landed, an item was read, a group was written, or a delay is over."""
        wait_s = self.schedule.wait_s(time.monotonic())
        if wait_s == math.inf:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass  # the delay is over

    # -- calls ----------------------------------------------------------------------------------------------------

    def _start(self, flight: Flight) -> None:
        self.record.sent(flight)
        self._tasks[flight.number] = self._group.create_task(self._fly(flight))

    async def _fly(self, flight: Flight) -> None:
        """Make one call. Whatever comes of it is taken in; only a cancellation passes."""
        outcome: Reply | ProviderError
        try:
            await self._promise(flight)
            outcome = await self._clients[flight.place].ask(flight.call)
        except ProviderError as error:
            outcome = error
        except Exception as error:  # a fault of ours or of a client: this prompt fails, the batch goes on
            outcome = ProviderError(
                FailureKind.INTERNAL, f"a fault in the client of a provider: {type(error).__name__}"
            )
            self.record.fault(flight, error)
        self._tasks.pop(flight.number, None)
        try:
            self._take_outcome(flight, outcome)
        except Exception as error:  # raised where the consumer is: out of a task it would cancel whoever waits
            self._fault = error
        self._wake.set()

    def _take_outcome(self, flight: Flight, outcome: Reply | ProviderError) -> None:
        now = time.monotonic()
        if isinstance(outcome, ProviderError):
            spent = flight.bound_usd if cost_unknown(outcome) else 0.0
            result = self.schedule.failed(flight, outcome, now)
            self.record.failed(flight, outcome, final=result is not None)
        else:
            result = self.schedule.answered(flight, outcome, now)
            spent = result.cost_usd or 0.0
        self._write_down(Promise(flight.number, spent, settled=True))
        if result is not None:
            self._keep(result)

    async def _promise(self, flight: Flight) -> None:
        """With a budget: what the call may cost is on the disk before it leaves."""
        if self._journal is None or self._options.budget_usd is None:
            return
        durable = asyncio.get_running_loop().create_future()
        self._left[flight.number] = durable
        self._write_down(Promise(flight.number, flight.bound_usd))
        await durable

    def _stop(self, now: float) -> None:
        """fail_fast: what runs is called off, what was not asked to the end is marked."""
        self._cancel_calls()
        for result in self.schedule.stop(self.schedule.stopped or "", now):
            self._final(result)

    def _cancel_calls(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    # -- results --------------------------------------------------------------------------------------------------

    def _take_finals(self) -> None:
        for result in self.schedule.take_finals():
            self._keep(result)

    def _keep(self, result: Result) -> None:
        """An answer is durable before it is counted; a failure needs no keeping."""
        asked = self._asked.pop(result.index, None)
        asked_here = self._asked_here.pop(result.index, None)
        if self._cache_commit is not None and asked is not None and result.ok and result.finish == "stop":
            self._cache_commit.put((asked, result))
        # One that broke off was paid for as well; it is not asked again either.
        if asked_here is None or result.usage is None:
            self._final(result)
        else:
            self._uncommitted += 1
            self._write_down(Kept(asked_here, result))

    def _write_down(self, item: Kept | Promise) -> None:
        """Into the journal, now; what follows from it follows when it is on the disk."""
        if self._journal is not None and self._journal_commit is not None:
            self._journal.append(item)
            self._journal_commit.put(item)

    def _durable(self, group: Sequence[Kept | Promise]) -> None:
        for item in group:
            if isinstance(item, Kept):
                self._uncommitted -= 1
                self._final(item.result)
            elif not item.settled:
                durable = self._left.pop(item.call, None)
                if durable is not None and not durable.done():
                    durable.set_result(None)

    def _final(self, result: Result, *, earlier: bool = False) -> None:
        self.tally.count(result, earlier=earlier)
        self.cut_short += result.finish == "length"
        self._collector.put(result.index, result)
        if result.error is not None and result.error.kind != STOPPED:
            self.record.gave_up(result)
        self._news = True

    def _raise_faults(self) -> None:
        if self._fault is not None:
            raise self._fault
        for commit in (self._journal_commit, self._cache_commit):
            if commit is not None and commit.error is not None:
                raise commit.error

    def _count_up(self) -> None:
        """What the schedule alone knows, into the tally."""
        accesses = self.schedule.accesses.values()
        self.tally.rate_limit_hits = sum(access.rate_limit_hits for access in accesses)
        self.tally.breaker_trips = sum(access.trips for access in accesses)


def _nothing(_group: Sequence[tuple[bytes, Result]]) -> None:
    """The cache tells nobody."""


def _synced(journal: Journal) -> Callable[[Sequence[Kept | Promise]], None]:
    """What is appended already is brought to the disk, whichever lines those are."""
    return lambda _group: journal.sync()
