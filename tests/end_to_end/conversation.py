"""A desk and producers' sessions that talk in real frames, without sockets, processes or a clock.

What each says is counted in bytes, by kind of message. Replies come from a function of the assignment's id alone, so
that two runs are asked and told the same.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random

from igentai.codec import Deframer, frame
from igentai.messages import (
    PROTOCOL_VERSION,
    AnswerMetadata,
    AttributeBatch,
    Challenge,
    Hello,
    KnownAnswer,
    Message,
    Ready,
    RequestFailed,
)
from igentai.proof import check_hello
from igentai_orchestrator.core import facts, orders
from igentai_producer.events import Action, Answered, Begin, Begun, Connected, Event, Received, Say
from igentai_producer.greeting import Identity
from igentai_producer.session import ProducerSession
from tests.orchestrator.core.floor import Floor

SECRET = b"s" * 32
NONCE = b"n" * 32


class Conversation:
    """Producers from elsewhere (they have no slot) at work for `floor`. `reply` names the attributes of an answer."""

    def __init__(self, floor: Floor, reply: Callable[[int], Sequence[str]], producers: int = 1) -> None:
        self.floor = floor
        self.reply = reply
        self.up: Counter[str] = Counter()  # bytes from producers, by kind of message
        self.messages: Counter[str] = Counter()
        self.down: Counter[str] = Counter()
        self._sessions: dict[int, ProducerSession] = {}
        self._work: deque[tuple[int, Begin]] = deque()
        self._facts: deque[facts.Fact] = deque()
        for link in range(1, producers + 1):
            self.connect(link, ProducerSession(self._identity(link), SECRET, Random(link), reconnect_for_s=60))

    @property
    def kept(self) -> int:
        """Answers that producers still keep."""
        return sum(session.unacknowledged for session in self._sessions.values())

    def _identity(self, link: int) -> Identity:
        return Identity(f"{link:032x}", None, "there", 100 + link)

    def connect(self, link: int, session: ProducerSession) -> None:
        """The greeting, and the desk told of it."""
        self._sessions[link] = session
        session.handle(Begun(), 0.0)
        session.handle(Connected(NONCE), 0.0)
        said = session.handle(Received(Challenge(PROTOCOL_VERSION, NONCE)), 0.0)
        [hello] = [action.message for action in said if isinstance(action, Say)]
        assert isinstance(hello, Hello)
        proof = check_hello(SECRET, hello, NONCE)
        self._facts.append(facts.ProducerJoined(link, None, hello.run_id, hello.host, hello.pid, proof))
        self._settle()

    def answer(self, count: int) -> None:
        """Let so many requests be answered, oldest first."""
        for _ in range(count):
            self._wait_for_work()
            link, begin = self._work.popleft()
            self.floor.now += 0.1
            self._tell(link, Answered(begin.ledger, self._batch(begin)))
            self._orders(self.floor.happen(facts.Tick()))
            self._settle()

    def _wait_for_work(self) -> None:
        """Ticks until the limits that the replies tell let something through."""
        for _ in range(40):
            if self._work:
                return
            self.floor.now += 0.25
            self._orders(self.floor.happen(facts.Tick()))
            self._settle()
        raise AssertionError("nothing is asked any more")

    def _batch(self, begin: Begin) -> AttributeBatch:
        items = list(self.reply(begin.assign.assignment_id))
        limits = (500, 499, 120, 150_000, 149_000, 200)
        meta = AnswerMetadata("0123456789abcdef", len(items), 1830, 412, 388, 0, True, None, "stop", limits)
        assign = begin.assign
        return AttributeBatch("", "", "", 0, assign.assignment_id, items, assign.provider, assign.model, meta)

    def _settle(self) -> None:
        while self._facts:
            self._orders(self.floor.happen(self._facts.popleft()))

    def _orders(self, found: list[orders.Order]) -> None:
        for order in [*found, *self.floor.commit()]:
            if isinstance(order, orders.Send):
                data = frame(order.message)
                self.down[type(order.message).__name__] += len(data)
                [message] = Deframer().feed(data)
                self._tell(order.link, Received(message))

    def _tell(self, link: int, event: Event) -> None:
        self._actions(link, self._sessions[link].handle(event, self.floor.now))

    def _actions(self, link: int, found: list[Action]) -> None:
        for action in found:
            if isinstance(action, Say):
                data = frame(action.message)
                name = type(action.message).__name__
                self.up[name] += len(data)
                self.messages[name] += 1
                [message] = Deframer().feed(data)
                self._facts.append(_fact(link, message))
            elif isinstance(action, Begin):
                self._work.append((link, action))


def _fact(link: int, message: Message) -> facts.Fact:
    match message:
        case AttributeBatch():
            return facts.AnswerArrived(link, message)
        case KnownAnswer():
            return facts.KnownAnswerArrived(link, message)
        case RequestFailed():
            return facts.FailureArrived(link, message)
        case Ready():
            return facts.ProducerReady(link, message.free)
    raise AssertionError(f"a producer said {type(message).__name__}")
