"""The outboxes of all ledgers a producer has worked for, and their spools: what must be written, sent, forgotten.

The methods return what is to be done, in order. Answers for a ledger that is not the `current` one stay in its spool
until that topic is started again.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from igentai.messages import AttributeBatch
from igentai_producer.events import Action, ClearSpool, Note, ReadSpool, Say, Spool, Spooled, SpoolFailed, SpoolRead
from igentai_producer.outbox import Outbox
from igentai_producer.shorthand import Shorthand

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from igentai.spool import Answer
    from igentai_producer.greeting import Identity

MOST_SHELVED: Final = 4 << 20  # bytes kept in memory for topics that are not worked on
COMPACT_AFTER: Final = 4 << 20  # acknowledged bytes in a spool that is never quite empty
SPOOL_AGAIN_S: Final = 5.0


class Outboxes:
    """All outboxes.

    Args:
        identity: under whose name answers are numbered.
        own_spool: folder of a producer that was not spawned; None keeps its answers in memory alone.
    """

    def __init__(self, identity: Identity, own_spool: str | None) -> None:
        self._identity = identity
        self._own_spool = own_spool
        self._outboxes: dict[str, Outbox] = {}
        self._last_seq = 0  # of the current ledger, as its StartTopic said
        self._again_at = 0.0
        self.current: str | None = None
        self.open = False  # the current ledger was started on this connection and its spool read: answers may be sent
        self.blocked = False  # the spool of the current ledger cannot be written
        self.shorthand = Shorthand()  # of the current ledger

    def __len__(self) -> int:
        """Answers in memory that are not acknowledged."""
        return sum(map(len, self._outboxes.values()))

    @property
    def waiting(self) -> Outbox:
        """The current outbox."""
        assert self.current is not None
        return self._outboxes[self.current]

    def start(self, ledger: str, last_seq: int, told_folder: str | None) -> list[Action]:
        """Make `ledger` the current one, of which the orchestrator has everything up to `last_seq`."""
        resumed = ledger == self.current
        self.current, self.open, self._last_seq = ledger, False, last_seq
        self.shorthand.forget()
        outbox = self._outboxes.get(ledger)
        if outbox is None:
            outbox = self._outboxes[ledger] = Outbox(ledger, self._folder(ledger, told_folder))
        if not resumed:
            self.blocked = False
        if outbox.folder is None or resumed:
            return self._resend(outbox, [])
        return [ReadSpool(outbox.folder, ledger)]

    def _folder(self, ledger: str, told: str | None) -> str | None:
        """A spawned producer is told one by its topic; another has its own, with a folder a ledger in it."""
        if self._identity.slot is not None and told is not None:
            return told
        if self._own_spool is None:
            return None
        return f"{self._own_spool}/{blake2b(ledger.encode(), digest_size=8).hexdigest()}"

    def _resend(self, outbox: Outbox, answers: list[Answer]) -> list[Action]:
        """Everything after what the ledger holds, in order; then whatever waits for the spool."""
        outbox.restore(answers, self._last_seq)
        self.open = True
        return [*self._clear(outbox), *(Say(answer) for answer in outbox.held), *self._spool_next(outbox)]

    def take(self, ledger: str, answer: Answer, *, listing: bool = False) -> list[Action]:
        """Number an answer and keep it until its Ack. `listing`: it names attributes."""
        outbox = self._outboxes[ledger]
        outbox.add(answer, self._identity.run_id, self._identity.producer_id, listing=listing)
        if len(outbox.unspooled) > 1:  # it waits behind one that is being spooled, or cannot be
            return []
        return self._spool_next(outbox)

    def _spool_next(self, outbox: Outbox) -> list[Action]:
        if outbox.folder is not None:
            return [Spool(outbox.folder, outbox.unspooled[0])] if outbox.unspooled else []
        sent: list[Action] = []
        while outbox.unspooled:
            sent += self._send(outbox)
        return sent

    def _send(self, outbox: Outbox) -> list[Action]:
        answer = outbox.spooled()
        if not self.open or outbox.ledger != self.current:
            return []
        if isinstance(answer, AttributeBatch) and answer.seq in outbox.listing:
            return [Say(self.shorthand.shortened(answer))]
        return [Say(answer)]

    def again(self, ledger: str, seq: int) -> list[Action]:
        """Every answer from `seq` on once more, with all its texts."""
        if ledger != self.current or not self.open:
            return []
        return [Say(answer) for answer in self.waiting.held if answer.seq >= seq]

    def spool_event(self, event: Spooled | SpoolFailed | SpoolRead, now: float) -> list[Action]:
        """The disk has answered."""
        outbox = self._outboxes.get(event.ledger)
        if outbox is None:
            return []
        if isinstance(event, SpoolRead):
            return self._resend(outbox, list(event.answers)) if event.ledger == self.current else []
        if isinstance(event, SpoolFailed):
            return self._failed(outbox, event, now)
        if not outbox.unspooled or outbox.unspooled[0].seq != event.seq:
            return []
        done: list[Action] = []
        if self.blocked and outbox.ledger == self.current:
            self.blocked = False
            done.append(Note("info", "producer.spool_mended"))
        return [*done, *self._send(outbox), *self._spool_next(outbox)]

    def _failed(self, outbox: Outbox, event: SpoolFailed, now: float) -> list[Action]:
        self._again_at = now + SPOOL_AGAIN_S
        if outbox.ledger != self.current:
            if not event.gone:
                return []
            return [outbox.drop("its topic was removed")]
        if self.blocked:
            return []
        self.blocked = True
        return [Note("error", "producer.spool_failed", {"detail": event.detail, "answers": len(outbox.unspooled)})]

    def try_again(self, now: float) -> list[Action]:
        """Every 5 s: write what could not be written."""
        if now < self._again_at:
            return []
        self._again_at = now + SPOOL_AGAIN_S
        return [action for outbox in self._outboxes.values() for action in self._spool_next(outbox)]

    def acknowledge(self, ledger: str, seq: int, *, at_rest: bool) -> list[Action]:
        """The ledger holds everything up to `seq`. `at_rest`: an empty spool file is not needed any more."""
        outbox = self._outboxes.get(ledger)
        if outbox is None:
            return []
        outbox.acknowledge(seq)
        return self._clear(outbox, at_rest=at_rest)

    def _clear(self, outbox: Outbox, *, at_rest: bool = False) -> list[Action]:
        """Empty the spool when all of it is acknowledged; write it anew when it grew without ever being empty."""
        if outbox.folder is None or (outbox.held and outbox.cleared_after < COMPACT_AFTER):
            return []
        if not outbox.cleared_after and not at_rest:
            return []
        outbox.cleared_after = 0
        return [ClearSpool(outbox.folder, tuple(outbox.held), remove=at_rest)]

    def rest(self) -> list[Action]:
        """The current topic is over: an empty spool goes."""
        return self._clear(self.waiting, at_rest=True)

    def tidy(self, running: AbstractSet[str]) -> list[Action]:
        """Keep in memory of other topics only what their spools cannot, and not more than 4 MiB of that.

        `running`: ledgers that will get more answers.
        """
        others = [outbox for ledger, outbox in self._outboxes.items() if ledger != self.current]
        for outbox in others:
            outbox.shelve()
            if not outbox and outbox.ledger not in running:
                del self._outboxes[outbox.ledger]
        kept, dropped = sum(outbox.bytes for outbox in others), list[Action]()
        for outbox in others:
            if kept <= MOST_SHELVED:
                break
            kept -= outbox.bytes
            dropped.append(outbox.drop("there is no spool to keep them in"))
        return dropped
