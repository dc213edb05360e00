"""What proven producers send, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igentai.errors import ProtocolError
from igentai.messages import AttributeBatch, KnownAnswer, ProducerStatus, Ready, RequestFailed
from igentai_orchestrator.core.facts import (
    AnswerArrived,
    Fact,
    FailureArrived,
    KnownAnswerArrived,
    ProducerReady,
    StatusArrived,
)

if TYPE_CHECKING:
    from igentai.codec import Deframer
    from igentai.messages import Message


def facts_in(link: int, deframer: Deframer, data: bytes) -> tuple[list[Fact], str | None]:
    """What `data` completes, and what is wrong with it: what came before a fault still counts."""
    facts: list[Fact] = []
    try:
        for message in deframer.feed(data):
            facts.append(fact_of(link, message))  # noqa: PERF401  what extend keeps on an error is unsaid
    except ProtocolError as error:
        return facts, str(error)
    return facts, None


def fact_of(link: int, message: Message) -> Fact:
    """What a proven producer's message means.

    Raises:
        ProtocolError: it is none that a producer sends after Hello.
    """
    match message:
        case AttributeBatch():
            return AnswerArrived(link, message)
        case KnownAnswer():
            return KnownAnswerArrived(link, message)
        case RequestFailed():
            return FailureArrived(link, message)
        case Ready():
            if not 0 <= message.free <= 4096:
                raise ProtocolError("a Ready asks for an impossible number of assignments")
            return ProducerReady(link, message.free)
        case ProducerStatus():
            return StatusArrived(link, message)
        case _:
            raise ProtocolError(f"{type(message).__name__} is not what a producer sends here")
