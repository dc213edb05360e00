"""The answers of one ledger, numbered, until the orchestrator has them for certain."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from igentai.messages import RequestFailed
from igentai_producer.events import Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igentai.spool import Answer

OVERHEAD: Final = 400  # bytes of an answer beside its attributes, roughly


def size_of(answer: Answer) -> int:
    """Bytes, roughly: what credit and memory are counted in."""
    if isinstance(answer, RequestFailed):
        return OVERHEAD + len(answer.detail)
    return OVERHEAD + len(answer.known) + sum(map(len, answer.attributes)) + 3 * len(answer.attributes)


class Outbox:
    """Numbers answers from 1 and keeps them in order until they are acknowledged.

    An answer is first `unspooled`, then `held`: only what is held may be sent, so that the order on disk, on the wire
    and in the ledger is one. `folder` None: there is no spool, and memory is all.
    """

    def __init__(self, ledger: str, folder: str | None) -> None:
        self.ledger = ledger
        self.folder = folder
        self.unspooled: deque[Answer] = deque()
        self.held: deque[Answer] = deque()
        self.listing: set[int] = set()  # seqs of the answers that name attributes: those may be shortened on the way
        self.bytes = 0  # of both
        self.cleared_after = 0  # bytes acknowledged since the spool was last cleared
        self._next = 1

    def __len__(self) -> int:
        return len(self.held) + len(self.unspooled)

    def add(self, answer: Answer, run_id: str, producer_id: str, *, listing: bool = False) -> None:
        """Number an answer and keep it; it is not in the spool yet. `listing`: it names attributes."""
        numbered = replace(answer, ledger=self.ledger, run_id=run_id, producer_id=producer_id, seq=self._next)
        if listing:
            self.listing.add(self._next)
        self._next += 1
        self.unspooled.append(numbered)
        self.bytes += size_of(numbered)

    def spooled(self) -> Answer:
        """The oldest unspooled answer is in the spool now: it may be sent."""
        answer = self.unspooled.popleft()
        self.held.append(answer)
        return answer

    def acknowledge(self, seq: int) -> None:
        """Forget everything up to `seq`."""
        for queue in (self.held, self.unspooled):
            while queue and queue[0].seq <= seq:
                size = size_of(queue.popleft())
                self.bytes -= size
                self.cleared_after += size
        self.listing = {listed for listed in self.listing if listed > seq}
        self._next = max(self._next, seq + 1)

    def restore(self, answers: Sequence[Answer], last_seq: int) -> None:
        """Take back what the spool holds, beside what memory still does; the ledger has all up to `last_seq`."""
        held = {answer.seq: answer for answer in (*answers, *self.held) if answer.ledger == self.ledger}
        self.held = deque(held[seq] for seq in sorted(held))
        self.bytes = sum(map(size_of, (*self.held, *self.unspooled)))
        self._next = max([self._next, *(seq + 1 for seq in held)])
        self.acknowledge(last_seq)

    def shelve(self) -> None:
        """Forget what the spool file remembers: another topic is worked on now."""
        if self.folder is not None:
            self.bytes -= sum(map(size_of, self.held))
            self.held.clear()

    def drop(self, reason: str) -> Note:
        """Give everything up, and say so: there is nowhere to keep it."""
        dropped = len(self)
        self.unspooled.clear()
        self.held.clear()
        self.bytes = 0
        return Note("warning", "producer.answers_dropped", {"answers": dropped, "reason": reason})
