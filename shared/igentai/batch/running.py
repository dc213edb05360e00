"""Runs a batch: reads the source, makes the calls that the schedule decides, gives results out in order.

An asynchronous generator that works while its consumer waits for the next result: a slow consumer, and a slow disk
under the journal, make the reading wait, and what is under way stays bounded. Tasks alive: one a call in flight, and
one each for an asynchronous source, the journal, the cache and, at the start, the price list. They never raise, so that
the group they live in never cancels the consumer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from contextlib import aclosing
from random import Random
from typing import TYPE_CHECKING, Final

from igentai.batch.appraisal import cost_unknown
from igentai.batch.collector import Collector
from igentai.batch.keeping import Keeping
from igentai.batch.record import Record
from igentai.batch.request import Unasked, as_query
from igentai.batch.result import STOPPED, Failure, Result, failed_result
from igentai.batch.schedule import Schedule
from igentai.batch.source import Feed, Source
from igentai.batch.stats import Progress, Tally
from igentai.errors import FailureKind, ProviderError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from igentai.batch.cache import Cache
    from igentai.batch.flight import Flight
    from igentai.batch.journal import Journal
    from igentai.batch.options import Options
    from igentai.batch.request import Prompt
    from igentai.batch.route import Route
    from igentai.providers.base import Provider, Reply

BREATHER: Final = 256  # results given out without a call between two looks at the rest of the program


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
        self._mark_rest = mark_rest
        self._collector = Collector[Result](options.window)
        self._wake = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._keeping = Keeping(journal, cache, routes[0], options, kept=self._final, woken=self._wake.set)
        self._read = 0
        self.total: int | None = None
        self.failures: Counter[str] = Counter()  # by kind
        self.cut_short = 0  # replies that reached max_tokens
        self.resumed = 0  # answers that the journal had
        self._news = False  # whether something ended since the last word of progress
        self._fault: Exception | None = None

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
        ended: BaseException | None = None
        async with asyncio.TaskGroup() as group:
            self._group = group
            reading = group.create_task(feed.run()) if feed.asynchronous else None
            # The price list takes 0.2 s to load: while the first replies are on their way, and not when they are there.
            helpers = [group.create_task(self._load_prices()), *self._keeping.start(group)]
            try:
                async with aclosing(self._in_order(feed)) as results:
                    async for result in results:
                        yield result
            except BaseException as error:  # kept until the group is empty: it would wrap even a GeneratorExit
                ended = error
            self._cancel_calls()
            if reading is not None:
                reading.cancel()
            self._keeping.close()
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
        behind = self._keeping.unsynced >= self._options.unresolved
        return self.schedule.wants and self._collector.admits(self._read) and not behind

    def _admit(self, item: Prompt | Unasked) -> None:
        index, self._read = self._read, self._read + 1
        if isinstance(item, Unasked):
            self._final(failed_result(index, item.id, Failure("input", item.reason)))
            return
        query = as_query(item)
        if (kept := self._keeping.from_journal(index, query)) is not None:
            self.resumed += 1
            self.record.resumed(index)
            self._final(kept, earlier=True)
            return
        if self._keeping.caches:
            self.tally.cache_lookups += 1
        if (cached := self._keeping.from_cache(index, query)) is not None:
            self.tally.cache_hits += 1
            self._keeping.keep(cached)
        else:
            self.schedule.admit(index, query)

    def _over(self, feed: Feed[Prompt | Unasked]) -> bool:
        """Whether nothing more can come."""
        return (
            feed.ended and not self.schedule.unresolved and not self._collector.waiting and not self._keeping.unsynced
        )

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
            await self._keeping.promise(flight)
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
        self._keeping.settle(flight, spent)
        if result is not None:
            self._keeping.keep(result)

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
            self._keeping.keep(result)

    def _final(self, result: Result, *, earlier: bool = False) -> None:
        self.tally.count(result, earlier=earlier)
        self.cut_short += result.finish == "length"
        self._collector.put(result.index, result)
        if result.error is not None:
            self.failures[result.error.kind] += 1
            if result.error.kind != STOPPED:
                self.record.gave_up(result)
        self._news = True

    def _raise_faults(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._keeping.raise_error()

    def _count_up(self) -> None:
        """What the schedule alone knows, into the tally."""
        accesses = self.schedule.accesses.values()
        self.tally.rate_limit_hits = sum(access.rate_limit_hits for access in accesses)
        self.tally.breaker_trips = sum(access.trips for access in accesses)
