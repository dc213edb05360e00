"""A producer's whole world without a socket or a disk: wire, spool, ledgers and an orchestrator, all in memory.

Time is a number. The wire may be cut at any moment, with whatever was on its way in either direction; the disk may be
full; the producer may be killed, and then only its spool remains.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.wire import answer

from igentai.messages import (
    Ack,
    Assign,
    Challenge,
    FinishTopic,
    GenerationConfig,
    Hello,
    ProviderAccess,
    Ready,
    StartTopic,
    Welcome,
)
from igentai.proof import check_hello
from igentai_producer.events import (
    Action,
    Answered,
    Beat,
    Begin,
    Begun,
    ClearSpool,
    Connect,
    Connected,
    Event,
    Exit,
    HangUp,
    LeaveRequested,
    Lost,
    Note,
    ReadSpool,
    Received,
    Say,
    Spool,
    Spooled,
    SpoolFailed,
    SpoolRead,
)
from igentai_producer.greeting import Identity
from igentai_producer.session import ProducerSession

if TYPE_CHECKING:
    from igentai.messages import Message
    from igentai.spool import Answer

SECRET = b"s" * 32
NONCE = b"n" * 32
RUN_ID = "a" * 32
CREDIT = 8


@dataclass
class Orchestrator:
    """Keeps ledgers the way the desk does: it takes answers in order, commits when told, and acknowledges then."""

    ledgers: dict[str, list[Answer]] = field(default_factory=dict)
    uncommitted: list[Answer] = field(default_factory=list)
    topic: str | None = None
    linked: bool = False
    wanted: int = 0
    assignments: int = 0
    heard: list[Message] = field(default_factory=list)

    def durable(self, ledger: str) -> int:
        """The last seq that is committed: all that a StartTopic may name, for the producer forgets up to there."""
        kept = self.ledgers.get(ledger)
        return kept[-1].seq if kept else 0

    def receive(self, message: Message) -> list[Message]:
        self.heard.append(message)
        match message:
            case Hello():
                self.linked = True
                welcome = Welcome(check_hello(SECRET, message, b"c" * 32), CREDIT)
                return [welcome, *self.start()]
            case Ready():
                self.wanted += message.free
            case _ if hasattr(message, "seq"):
                return self._take(message)  # type: ignore[arg-type]  # what has a seq is an answer
        return []

    def _take(self, received: Answer) -> list[Message]:
        assert received.ledger == self.topic, "an answer for a topic that was not started"
        durable = self.durable(received.ledger)
        held = {a.seq: a for a in (*self.ledgers.get(received.ledger, ()), *self.uncommitted)}
        last = max(held, default=0)
        if received.seq <= last:
            assert held[received.seq].assignment_id == received.assignment_id, "one number for two answers"
            return [Ack(received.ledger, durable)] if received.seq <= durable else []
        assert received.seq == last + 1, "a gap: an answer was skipped"
        self.uncommitted.append(received)
        return []

    def start(self) -> list[Message]:
        if self.topic is None:
            return []
        self.wanted = 0
        access = {"fake": ProviderAccess("simulated")}
        config = GenerationConfig(access, concurrency=2, spool=f"spool-{self.topic}")
        return [StartTopic(self.topic, self.durable(self.topic), "t", "", {}, config)]

    def commit(self) -> list[Message]:
        """Everything received becomes durable and is acknowledged."""
        committed, self.uncommitted = self.uncommitted, []
        for kept in committed:
            self.ledgers.setdefault(kept.ledger, []).append(kept)
        return [Ack(kept.ledger, kept.seq) for kept in committed[-1:]]

    def assign(self) -> list[Message]:
        if not self.wanted or not self.linked or self.topic is None:
            return []
        self.wanted -= 1
        self.assignments += 1
        return [Assign(self.assignments, "fake", "m", "", [("user", "x")], 10, None, 5.0)]


class World:
    """One producer and its orchestrator. Each method is something that can happen."""

    def __init__(self, *, slot: int | None = 0, own_spool: str | None = None, reconnect_for_s: float = 1e9) -> None:
        self.now = 0.0
        self.orchestrator = Orchestrator()
        self.to_producer: deque[Message] = deque()
        self.to_orchestrator: deque[Message] = deque()
        self.disk: dict[str, list[Answer]] = {}
        self.disk_works = True
        self.ever_spooled: set[tuple[str, int]] = set()
        self.disk_gone: set[str] = set()
        self.running: list[Begin] = []
        self.most_running = 0
        self.said: list[Message] = []
        self.notes: list[Note] = []
        self.connect_at: float | None = None
        self.connected = False
        self.exit_code: int | None = None
        self._identity = Identity(RUN_ID, slot, "host", 42)
        self._own_spool = own_spool
        self._reconnect_for_s = reconnect_for_s
        self.begin()

    # -- the shell ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.session = ProducerSession(
            self._identity, SECRET, Random(1), reconnect_for_s=self._reconnect_for_s, own_spool=self._own_spool
        )
        self.exit_code = None
        self.feed(Begun())

    def feed(self, *events: Event) -> None:
        pending = deque(events)
        while pending:
            for action in self.session.handle(pending.popleft(), self.now):
                pending.extend(self._perform(action))

    def _perform(self, action: Action) -> list[Event]:
        match action:
            case Say():
                self.said.append(action.message)
                self.to_orchestrator.append(action.message)
            case Begin():
                self.running.append(action)
                self.most_running = max(self.most_running, len(self.running))
            case Connect():
                self.connect_at = self.now + action.after_s
            case HangUp():
                return self._cut(action.reason)
            case Note():
                self.notes.append(action)
            case Exit():
                self.exit_code = action.code
            case _:
                return self._spool(action)
        return []

    def _spool(self, action: Spool | ReadSpool | ClearSpool) -> list[Event]:
        if isinstance(action, ReadSpool):
            kept = [a for a in self.disk.get(action.folder, []) if a.ledger == action.ledger]
            return [SpoolRead(action.ledger, tuple(kept))]
        if isinstance(action, ClearSpool):
            self.disk[action.folder] = list(action.keep)
            if action.remove and not action.keep:
                del self.disk[action.folder]
            return []
        gone = action.folder in self.disk_gone
        if gone or not self.disk_works:
            return [SpoolFailed(action.answer.ledger, "No space left on device", gone=gone)]
        self.disk.setdefault(action.folder, []).append(action.answer)
        self.ever_spooled.add((action.answer.ledger, action.answer.assignment_id))
        return [Spooled(action.answer.ledger, action.answer.seq)]

    def _cut(self, reason: str) -> list[Event]:
        if not self.connected:
            return []
        self.connected = self.orchestrator.linked = False
        self.to_producer.clear()
        self.to_orchestrator.clear()
        return [Lost(reason)]

    # -- what can happen ----------------------------------------------------------------------------------------

    def connect(self) -> None:
        """The next try succeeds."""
        if self.connect_at is None:
            return
        self.now = max(self.now, self.connect_at)
        self.connect_at = None
        self.connected = True
        self.feed(Connected(NONCE), Received(Challenge(1, b"c" * 32)))

    def refuse(self) -> None:
        """The next try fails."""
        if self.connect_at is not None:
            self.now = max(self.now, self.connect_at)
            self.connect_at = None
            self.feed(Lost("connection refused"))

    def lose(self) -> None:
        """The wire is cut."""
        self.feed(*self._cut("reset"))

    def hear(self) -> None:
        """One message arrives at the orchestrator."""
        if self.to_orchestrator:
            self.tell(*self.orchestrator.receive(self.to_orchestrator.popleft()))

    def listen(self) -> None:
        """One message arrives at the producer."""
        if self.to_producer:
            self.feed(Received(self.to_producer.popleft()))

    def tell(self, *messages: Message) -> None:
        if self.orchestrator.linked:
            self.to_producer.extend(messages)

    def commit(self) -> None:
        self.tell(*self.orchestrator.commit())

    def assign(self) -> None:
        self.tell(*self.orchestrator.assign())

    def reply(self) -> None:
        """A model answers."""
        if self.running:
            begin = self.running.pop(0)
            self.feed(Answered(begin.ledger, answer(begin.assign.assignment_id, seq=0)))

    def start(self, topic: str) -> None:
        """The orchestrator turns to a topic, once all it received is committed."""
        if topic == self.orchestrator.topic:
            return
        self.commit()
        if self.orchestrator.topic is not None:
            self.tell(FinishTopic(self.orchestrator.topic))
        self._deliver()
        self.orchestrator.topic = topic
        self.tell(*self.orchestrator.start())
        self._deliver()

    def flow(self) -> None:
        """Both directions run empty, and every wanted assignment is given."""
        self.connect()
        while self.to_producer or self.to_orchestrator:
            self.listen()
            self.hear()
            self.assign()

    def _deliver(self) -> None:
        """Both directions run empty: the desk changes topics only when nothing is under way that it waits for."""
        while self.to_producer or self.to_orchestrator:
            self.listen()
            self.hear()
        self.commit()

    def beat(self, seconds: float = 2.0) -> None:
        self.now += seconds
        self.feed(Beat(1.0, 1))

    def fill_disk(self) -> None:
        self.disk_works = False

    def free_disk(self) -> None:
        self.disk_works = True

    def kill(self) -> None:
        """kill -9, and a successor that takes over the run and what it spooled."""
        self._cut("killed")
        self.running.clear()
        self.connect_at = None
        self.begin()

    def crash(self) -> None:
        """kill -9 of the orchestrator: what it had not committed is gone."""
        self.orchestrator.uncommitted.clear()
        self.lose()

    def leave(self) -> None:
        self.feed(LeaveRequested(drain=True))

    # -- rest ---------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Everything works again, and all that is under way comes to its end."""
        self.free_disk()
        for _ in range(3):
            self.beat(6.0)
            self.connect()
            while self.to_producer or self.to_orchestrator or self.running:
                self.listen()
                self.hear()
                self.reply()
                self.commit()
            self.commit()

    def recorded(self) -> list[tuple[str, int]]:
        """What the ledgers hold, by ledger and assignment."""
        return [(a.ledger, a.assignment_id) for kept in self.orchestrator.ledgers.values() for a in kept]
