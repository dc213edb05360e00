"""A producer's side of the conversation: what it does about everything that happens. No I/O, no clock.

    connecting ──▶ proving ──Welcome──▶ idle ──StartTopic──▶ working ──FinishTopic──▶ idle
        ▲             │                  │                      │
        └─────────────┴──── the connection is lost ─────────────┘         any ──Stop, SIGTERM──▶ draining ──▶ stopped

An answer is numbered, spooled, sent, and forgotten when it is acknowledged. The next assignment is asked for as soon as
there is a place for it, unless 8 answers or 4 MiB are unacknowledged, or the spool cannot be written.

What happens on a connection decides what becomes of work, and the other way round: so both are in this one file. Its
table is `states.py`, its handshake `greeting.py`, its unacknowledged answers `outboxes.py`.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final, assert_never

from igentai.errors import FailureKind, PeerUnproven
from igentai.messages import (
    PROTOCOL_VERSION,
    Ack,
    Assign,
    Challenge,
    FinishTopic,
    GenerationConfig,
    ProducerStatus,
    ProviderHealth,
    Ready,
    RequestFailed,
    StartTopic,
    Stop,
    TextWanted,
    UpdateConfiguration,
    Welcome,
)
from igentai_producer.events import (
    Action,
    Answered,
    Beat,
    Begin,
    Begun,
    Connect,
    Connected,
    Event,
    Exit,
    HangUp,
    LeaveRequested,
    Lost,
    Note,
    Received,
    Say,
    Spooled,
    SpoolFailed,
    SpoolRead,
)
from igentai_producer.greeting import Greeting, Patience
from igentai_producer.outboxes import Outboxes
from igentai_producer.states import TRANSITIONS, State, Turn

if TYPE_CHECKING:
    from random import Random

    from igentai.messages import Message
    from igentai.spool import Answer
    from igentai_producer.greeting import Identity

CREDIT: Final = 8  # answers unacknowledged, until the Welcome says otherwise
CREDIT_BYTES: Final = 4 << 20
MOST_WAITING: Final = 64  # assignments beyond the places: an orchestrator that gives more is told so
MOST_PROVIDERS: Final = 64  # in a heartbeat: what a frame's maps may hold
DRAIN_S: Final = 10.0

LISTING: Final = frozenset({"list", "probe"})  # purposes whose replies name attributes

EXIT_LOST: Final = 1
EXIT_VERSION: Final = 2


class ProducerSession:
    """The decisions of one producer process.

    Args:
        identity: who it is.
        secret: what both sides prove to hold.
        rng: for the jitter of reconnecting.
        reconnect_for_s: seconds to go on trying without a connection.
        own_spool: folder of a producer that was not spawned; None keeps its answers in memory alone.
    """

    def __init__(
        self, identity: Identity, secret: bytes, rng: Random, *, reconnect_for_s: float, own_spool: str | None = None
    ) -> None:
        self.state = State.CONNECTING
        self._identity = identity
        self._secret = secret
        self._patience = Patience(rng, reconnect_for_s)
        self._greeting: Greeting | None = None
        self._linked = False  # welcomed, and not lost since
        self._credit = CREDIT
        self._config = GenerationConfig({})
        self._outboxes = Outboxes(identity, own_spool)
        self._running: dict[tuple[str, int], Assign] = {}  # by ledger and assignment id
        self._waiting: deque[Assign] = deque()  # given, and not begun for want of a place
        self._asked = 0  # places asked for on this connection and not filled yet
        self._drain_until = 0.0
        self._ok: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._actions: list[Action] = []

    @property
    def unacknowledged(self) -> int:
        return len(self._outboxes)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about `event`, in order. `now` in monotonic seconds."""
        self._actions = []
        if self.state is not State.STOPPED:
            self._handle(event, now)
            self._go_on()
        return self._actions

    def _handle(self, event: Event, now: float) -> None:
        match event:
            case Begun():
                self._patience.start(now)
                self._do(Connect(0.0))
            case Connected():
                self._move(Turn.CONNECTED)
                self._greeting = Greeting(self._identity, self._secret, event.nonce)
            case Received():
                self._receive(event.message, now)
            case Lost():
                self._lose(event.reason, now)
            case Answered():
                self._finish(event.ledger, event.answer)
            case Spooled() | SpoolFailed() | SpoolRead():
                self._do(*self._outboxes.spool_event(event, now))
            case Beat():
                self._beat(event, now)
            case LeaveRequested():
                self._leave(drain=event.drain and self.state is not State.DRAINING, now=now)
            case _:
                assert_never(event)

    # -- the connection -----------------------------------------------------------------------------------------

    def _receive(self, message: Message, now: float) -> None:
        if self._linked:
            self._receive_work(message, now)
        elif self.state is State.PROVING and self._greeting is not None:
            self._greet(self._greeting, message)
        else:
            self._do(HangUp(f"{type(message).__name__} came out of turn"))

    def _greet(self, greeting: Greeting, message: Message) -> None:
        try:
            if isinstance(message, Challenge):
                self._do(Say(greeting.answer(message)))
                self._check_version(message)
            elif isinstance(message, Welcome):
                greeting.check(message)
                self._welcome(message)
            else:
                self._do(HangUp(f"{type(message).__name__} came before Welcome"))
        except PeerUnproven as error:
            self._do(HangUp(str(error)))

    def _check_version(self, challenge: Challenge) -> None:
        """Leave an orchestrator of another version; by the Hello just said it knows too, and logs it."""
        if challenge.version != PROTOCOL_VERSION:
            detail = (
                f"the orchestrator speaks version {challenge.version} of the protocol, this producer "
                f"{PROTOCOL_VERSION}: install the same igentai on both machines"
            )
            self._do(Note("error", "producer.version_refused", {"detail": detail}))
            self._exit(EXIT_VERSION)

    def _welcome(self, welcome: Welcome) -> None:
        self._move(Turn.WELCOMED)
        self._linked = True
        self._patience.welcomed()
        self._credit = max(1, welcome.credit)
        self._do(Note("info", "producer.connected", {"run_id": self._identity.run_id}))

    def _lose(self, reason: str, now: float) -> None:
        if self.state is State.PROVING and self._greeting is not None and self._greeting.introduced:
            reason += " (before Welcome: do both sides hold the same secret?)"
        self._linked = self._outboxes.open = False
        self._asked = 0
        self._withdraw("the connection was lost before it was begun")
        self._move(Turn.LOST)
        if self.state is State.DRAINING:
            return
        after_s = self._patience.next_try_s(now)
        if after_s is None:
            self._do(Note("error", "producer.orchestrator_gone", {"reason": reason}))
            self._exit(EXIT_LOST)
            return
        self._do(Note("warning", "producer.connection_lost", {"reason": reason, "retry_in_s": round(after_s, 2)}))
        self._do(Connect(after_s))

    # -- topics and assignments ---------------------------------------------------------------------------------

    def _receive_work(self, message: Message, now: float) -> None:
        match message:
            case Assign():
                self._assign(message)
            case Ack():
                at_rest = self.state is not State.WORKING or message.ledger != self._outboxes.current
                self._do(*self._outboxes.acknowledge(message.ledger, message.seq, at_rest=at_rest))
            case StartTopic():
                self._start_topic(message)
            case FinishTopic():
                self._finish_topic(message)
            case UpdateConfiguration():
                self._config = message.generation_config or self._config
                self._learn_what_is_known(message.bloom_filter)
            case TextWanted():
                self._do(*self._outboxes.again(message.ledger, message.seq))
            case Stop():
                self._leave(drain=message.drain, now=now)
            case _:
                self._do(HangUp(f"{type(message).__name__} came out of turn"))

    def _start_topic(self, start: StartTopic) -> None:
        if self.state is State.DRAINING:
            return
        self._withdraw("another topic was started")
        self._move(Turn.STARTED)
        self._asked = 0
        self._config = start.generation_config
        self._do(*self._outboxes.start(start.ledger, start.last_seq, self._config.spool))
        self._tidy()

    def _learn_what_is_known(self, part: bytes | None) -> None:
        if part is None:
            return
        try:
            self._outboxes.shorthand.learn(part)
        except ValueError as error:
            self._do(HangUp(f"the filter of what is known cannot be read: {error}"))

    def _finish_topic(self, finish: FinishTopic) -> None:
        if finish.ledger != self._outboxes.current:
            return
        self._withdraw("the topic was finished")
        self._move(Turn.FINISHED)
        self._asked = 0
        self._do(*self._outboxes.rest())

    def _assign(self, assign: Assign) -> None:
        self._asked = max(0, self._asked - 1)
        ledger = self._outboxes.current
        if ledger is None or not self._outboxes.open:
            self._do(HangUp("an Assign came before StartTopic"))
        elif (ledger, assign.assignment_id) in self._running:
            self._do(Note("warning", "producer.assigned_twice", {"assignment": assign.assignment_id}))
        elif self.state is not State.WORKING or len(self._waiting) >= MOST_WAITING:
            self._cancel(ledger, assign, "the producer takes nothing on now")
        else:
            self._waiting.append(assign)

    def _withdraw(self, why: str) -> None:
        """Give back what was assigned and not begun."""
        while self._waiting:
            assert self._outboxes.current is not None
            self._cancel(self._outboxes.current, self._waiting.popleft(), why)

    def _cancel(self, ledger: str, assign: Assign, why: str) -> None:
        kind = FailureKind.CANCELLED.value
        failure = RequestFailed("", "", "", 0, assign.assignment_id, kind, None, None, why)
        self._do(*self._outboxes.take(ledger, failure))

    def _finish(self, ledger: str, answer: Answer) -> None:
        assign = self._running.pop((ledger, answer.assignment_id), None)
        if assign is None:
            return
        (self._failed if isinstance(answer, RequestFailed) else self._ok)[assign.provider] += 1
        self._do(*self._outboxes.take(ledger, answer, listing=assign.purpose in LISTING))

    def _go_on(self) -> None:
        """After every event: begin what waits, ask for more, or leave when nothing is left to do."""
        if self.state is State.DRAINING and not self._running:
            unsent = self._linked and self._outboxes.open and len(self._outboxes.waiting)
            if not unsent:
                self._exit(0)
        ledger = self._outboxes.current
        if self.state is not State.WORKING or ledger is None or not self._outboxes.open:
            return
        if self._outboxes.waiting.unspooled:  # first it must be sure that what comes back can be kept
            return
        while self._waiting and len(self._running) < self._config.concurrency:
            assign = self._waiting.popleft()
            self._running[ledger, assign.assignment_id] = assign
            self._do(Begin(ledger, assign, self._config.providers))
        self._ask()

    def _ask(self) -> None:
        """Ask for as many assignments as there are places nobody was asked to fill yet, while there is credit."""
        box = self._outboxes.waiting
        free = self._config.concurrency - len(self._running) - len(self._waiting) - self._asked
        if free > 0 and len(box) < self._credit and box.bytes < CREDIT_BYTES:
            self._asked += free
            self._do(Say(Ready(free)))

    # -- time, and the end --------------------------------------------------------------------------------------

    def _beat(self, beat: Beat, now: float) -> None:
        if self.state is State.DRAINING and now >= self._drain_until:
            keys = {"running": len(self._running), "unacknowledged": self.unacknowledged}
            self._do(Note("warning", "producer.drain_cut_short", keys))
            self._exit(0)
            return
        self._do(*self._outboxes.try_again(now))
        self._tidy()
        if self._linked:
            self._do(Say(self._status(beat)))

    def _tidy(self) -> None:
        self._do(*self._outboxes.tidy({ledger for ledger, _ in self._running}))

    def _status(self, beat: Beat) -> ProducerStatus:
        busy = Counter(assign.provider for assign in self._running.values())
        names = sorted({*busy, *self._ok, *self._failed})[:MOST_PROVIDERS]
        health = {name: ProviderHealth(busy[name], self._ok[name], self._failed[name]) for name in names}
        return ProducerStatus(beat.cpu, beat.rss, len(self._running), self.unacknowledged, health)

    def _leave(self, *, drain: bool, now: float) -> None:
        if not drain:
            self._exit(0)
        elif self.state is not State.DRAINING:
            self._withdraw("the producer is leaving")
            self._move(Turn.LEAVING)
            self._drain_until = now + DRAIN_S
            keys = {"running": len(self._running), "unacknowledged": self.unacknowledged}
            self._do(Note("info", "producer.draining", keys))

    def _exit(self, code: int) -> None:
        self._move(Turn.DONE)
        self._do(Exit(code))

    def _move(self, turn: Turn) -> None:
        self.state = TRANSITIONS[self.state].get(turn, self.state)

    def _do(self, *actions: Action) -> None:
        self._actions.extend(actions)
