"""Where the answers of a batch are looked up and kept: its journal and its cache, either of which may be missing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from igentai.batch.call import call_of, fingerprint
from igentai.batch.group_commit import GroupCommit
from igentai.batch.journal import Kept, Promise
from igentai.batch.request import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from igentai.batch.cache import Cache
    from igentai.batch.flight import Flight
    from igentai.batch.journal import Journal
    from igentai.batch.options import Options
    from igentai.batch.result import Result
    from igentai.batch.route import Route


class Keeping:
    """The journal and the cache of one batch.

    Args:
        route: the first of the batch; the cache is asked for its provider and model.
        kept: called with each result once it is as durable as it can be.
        woken: called when a group was written, or could not be.
    """

    def __init__(
        self,
        journal: Journal | None,
        cache: Cache | None,
        route: Route,
        options: Options,
        *,
        kept: Callable[[Result], None],
        woken: Callable[[], None],
    ) -> None:
        self._journal, self._cache = journal, cache
        self._route, self._options = route, options
        self._kept = kept
        self._asked: dict[int, bytes] = {}  # what is under way, by index: its fingerprint for the cache
        self._asked_here: dict[int, bytes] = {}  # the same for the journal
        self._leaving: dict[int, asyncio.Future[None]] = {}  # calls that wait until their promise is durable
        self._commits: list[GroupCommit[Kept | Promise] | GroupCommit[tuple[bytes, Result]]] = []
        self._journal_commit: GroupCommit[Kept | Promise] | None = None
        self._cache_commit: GroupCommit[tuple[bytes, Result]] | None = None
        if journal is not None:
            self._journal_commit = GroupCommit(_synced(journal), self._durable, woken)
            self._commits.append(self._journal_commit)
        if cache is not None:
            self._cache_commit = GroupCommit(cache.write, _nothing, woken)
            self._commits.append(self._cache_commit)
        self.unsynced = 0  # answers received that are not durable yet

    @property
    def caches(self) -> bool:
        return self._cache is not None

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Begin to write; the tasks end after `close`."""
        return [group.create_task(commit.run()) for commit in self._commits]

    def close(self) -> None:
        """Write what is left, then end."""
        for commit in self._commits:
            commit.close()

    def raise_error(self) -> None:
        """Raise what made a write fail, if one did."""
        for commit in self._commits:
            if commit.error is not None:
                raise commit.error

    def from_journal(self, index: int, query: Query) -> Result | None:
        """The answer of an earlier run to this row as it stands."""
        if self._journal is None:
            return None
        asked = fingerprint(call_of(query, "", self._options))
        kept = self._journal.find(index, asked)
        if kept is None:
            self._asked_here[index] = asked
            return None
        return replace(kept, id=query.id)

    def from_cache(self, index: int, query: Query) -> Result | None:
        """The answer that the same question was given before, by any batch."""
        if self._cache is None:
            return None
        asked = fingerprint(call_of(query, self._route.model, self._options), self._route.provider)
        found = self._cache.find(asked, index, query)
        if found is None:
            self._asked[index] = asked
        return found

    async def promise(self, flight: Flight) -> None:
        """With a journal and a budget: what the call may cost is on the disk when this returns."""
        if self._journal is None or self._options.budget_usd is None:
            return
        durable = asyncio.get_running_loop().create_future()
        self._leaving[flight.number] = durable
        self._write_down(Promise(flight.number, flight.bound_usd))
        await durable

    def settle(self, flight: Flight, usd: float) -> None:
        """What a call did cost."""
        self._write_down(Promise(flight.number, usd, settled=True))

    def keep(self, result: Result) -> None:
        """An answer is durable before it is counted; a failure needs no keeping.

        One that broke off was paid for as well: it goes into the journal, and is not asked again either.
        """
        asked = self._asked.pop(result.index, None)
        asked_here = self._asked_here.pop(result.index, None)
        if self._cache_commit is not None and asked is not None and result.ok and result.finish == "stop":
            self._cache_commit.put((asked, result))
        if asked_here is None or result.usage is None:
            self._kept(result)
        else:
            self.unsynced += 1
            self._write_down(Kept(asked_here, result))

    def _write_down(self, item: Kept | Promise) -> None:
        """Into the journal, now; what follows from it follows when it is on the disk."""
        if self._journal is not None and self._journal_commit is not None:
            self._journal.append(item)
            self._journal_commit.put(item)

    def _durable(self, group: Sequence[Kept | Promise]) -> None:
        for item in group:
            if isinstance(item, Kept):
                self.unsynced -= 1
                self._kept(item.result)
            elif not item.settled:
                durable = self._leaving.pop(item.call, None)
                if durable is not None and not durable.done():
                    durable.set_result(None)


def _synced(journal: Journal) -> Callable[[Sequence[Kept | Promise]], None]:
    """What is appended already is brought to the disk, whichever lines those are."""
    return lambda _group: journal.sync()


def _nothing(_group: Sequence[tuple[bytes, Result]]) -> None:
    """The cache tells nobody."""
