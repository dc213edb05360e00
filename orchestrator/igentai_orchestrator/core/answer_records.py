"""What a producer sent, as a record for the ledger: attributes sorted into fresh and repeats, or a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from igentai.messages import AttributeBatch, RequestFailed
from igentai.text import is_clean, keys_of_clean
from igentai_orchestrator.core.campaign import FAILED, Campaign
from igentai_orchestrator.core.records import AnswerRecord


@dataclass(frozen=True, slots=True)
class Sender:
    """Where an answer came from, as the assignment says it."""

    model: str
    provider: str
    partition: str
    purpose: str
    prompt_hash: str
    subject: str = ""  # a verification: whose attributes are judged,
    judged: tuple[int, ...] = ()  # and which


def answer_record(
    campaign: Campaign,
    batch: AttributeBatch,
    sender: Sender,
    cost_usd: float,
    producer: str,
    now: float,
    known: Sequence[int] = (),
) -> AnswerRecord:
    """Sort an answer's attributes into fresh and repeats. What is no legal line is left out.

    `known`: the numbers of those it named by key, in no order.
    """
    listing = sender.purpose in ("list", "probe")
    lines = batch.attributes
    keys = keys_of_clean(lines)
    if keys is None and not is_clean(lines):
        lines = [line for line in lines if is_clean([line])]
    admitted = campaign.admission.admit(lines, keys) if listing else campaign.admission.admit([])
    repeats = list(dict.fromkeys([*admitted.repeats, *known])) if known else admitted.repeats
    meta = batch.metadata
    return AnswerRecord(
        assignment_id=batch.assignment_id,
        producer_run=batch.run_id,
        seq=batch.seq,
        producer=producer,
        provider=sender.provider,
        model=sender.model.partition(":")[2],  # as asked: providers answer with dated names
        partition=sender.partition,
        purpose=sender.purpose,
        prompt_hash=meta.prompt_hash,
        status="ok" if meta.finish == "stop" else meta.finish,
        tokens_in=meta.tokens_in,
        tokens_out=meta.tokens_out,
        tokens_cached=meta.tokens_cached,
        cost_usd=cost_usd,
        latency_ms=meta.response_time_ms,
        candidates=len(lines) + len(known),
        first_number=admitted.first_number,
        fresh=admitted.fresh,
        repeats=repeats,
        elapsed_s=now - campaign.started_at,
        notes=_notes(sender, lines),
    )


def failure_record(
    campaign: Campaign, failure: RequestFailed, sender: Sender, producer: str, now: float
) -> AnswerRecord:
    """A failed attempt as a record: it named nothing, and cost nothing that we know of."""
    return AnswerRecord(
        assignment_id=failure.assignment_id,
        producer_run=failure.run_id,
        seq=failure.seq,
        producer=producer,
        provider=sender.provider,
        model=sender.model.partition(":")[2],
        partition=sender.partition,
        purpose=sender.purpose,
        prompt_hash=sender.prompt_hash,
        status=FAILED + failure.kind,
        tokens_in=0,
        tokens_out=0,
        tokens_cached=0,
        cost_usd=0.0,
        latency_ms=failure.response_time_ms,
        candidates=0,
        first_number=len(campaign.admission) + 1,
        fresh=(),
        repeats=(),
        elapsed_s=now - campaign.started_at,
    )


def _notes(sender: Sender, lines: list[str]) -> list[str]:
    """What an answer said besides attributes: the labels of a split; whom a verification judged, how many, and the
    items it found real."""
    if sender.purpose == "split":
        return lines
    return [sender.subject, str(len(sender.judged)), *lines] if sender.purpose == "verify" else []
