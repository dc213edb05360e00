"""What becomes of an answer or a failure: a record, a settlement, perhaps another try."""

from __future__ import annotations

from igentai.errors import FailureKind
from igentai.messages import Ack, AnswerMetadata, AttributeBatch, KnownAnswer, RequestFailed, TextWanted
from igentai.retry import MAYBE_BILLED, GiveUp, ProviderOut, decide
from igentai_orchestrator.core.answer_records import Sender, answer_record, failure_record
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.flights import Flight
from igentai_orchestrator.core.journal import Acknowledge
from igentai_orchestrator.core.orders import Log, Order, Send
from igentai_orchestrator.core.records import LostRecord
from igentai_orchestrator.core.roster import Link


def take_answer(books: Books, link: int | None, batch: AttributeBatch, now: float) -> list[Order]:
    """One answer of a producer, or out of a left-over spool (`link` None)."""
    campaign = books.campaign
    if campaign is None or batch.ledger != campaign.ledger:
        return [_elsewhere(batch)]
    if batch.seq <= campaign.last_seq.get(batch.run_id, 0):
        return _seen_before(books, campaign, link, batch)
    known = _named_by_key(books, batch)
    if known is None:
        connection = books.roster.get(link)
        return [] if connection is None else _ask_for_texts(books, campaign, connection, batch.seq)
    if _out_of_turn(books, batch):
        return []
    flight = _land(books, batch.assignment_id)
    sender = _sender(campaign, flight, batch.assignment_id) or _unknown(batch)
    meta = batch.metadata
    cost = meta.cost_usd
    if cost is None:
        model = sender.model.partition(":")[2]
        cost = books.prices.cost(sender.provider, model, meta.tokens_in, meta.tokens_out, meta.tokens_cached) or 0.0
        if not meta.usage_reported:
            cost = _bound_of_unreported(books, campaign, batch.assignment_id, cost)
    record = answer_record(campaign, batch, sender, cost, _producer(books, link, batch), now, known)
    campaign.absorb(record, now)
    if books.known is not None:
        books.known.learn(record.fresh)
    if flight is not None:
        _settle_answer(books, flight, batch, cost, now)
    return [books.journal.record(record, Acknowledge(batch.run_id, batch.seq, len(campaign.admission)))]


def take_known_answer(books: Books, link: int, answer: KnownAnswer, now: float) -> list[Order]:
    """An answer as it travels where the filter was sent: as `take_answer`, or asked for with every text."""
    campaign, connection = books.campaign, books.roster.get(link)
    if connection is None:
        return []
    if campaign is None or not campaign.ledger.startswith(answer.ledger):
        keys = {"producer": connection.producer, "seq": answer.seq}
        return [Log("warning", "desk.answer_for_another_topic", keys)]
    run_id, flight = connection.run_id, books.flights.get(answer.id)
    known = answer.seq <= campaign.last_seq.get(run_id, 0)
    if flight is None and not known:
        return _ask_for_texts(books, campaign, connection, answer.seq)
    metadata = AnswerMetadata(flight.prompt_hash if flight else "", *answer.meta, answer.limits)
    assign = flight.assign if flight else None
    batch = AttributeBatch(
        ledger=campaign.ledger,
        run_id=run_id,
        producer_id=connection.producer,
        seq=answer.seq,
        assignment_id=answer.id,
        attributes=answer.texts,
        provider_used=assign.provider if assign else "",
        model=assign.model if assign else "",
        metadata=metadata,
        known=answer.keys,
    )
    return take_answer(books, link, batch, now)


def take_failure(books: Books, link: int | None, failure: RequestFailed, now: float) -> list[Order]:
    """One attempt that came to nothing: recorded, settled, and tried again where that can help."""
    campaign = books.campaign
    if campaign is None or failure.ledger != campaign.ledger:
        return [_elsewhere(failure)]
    if failure.seq <= campaign.last_seq.get(failure.run_id, 0):
        return _seen_before(books, campaign, link, failure)
    if _out_of_turn(books, failure):
        return []
    flight = _land(books, failure.assignment_id)
    sender = _sender(campaign, flight, failure.assignment_id)
    if sender is None:
        sender = Sender("unknown:unknown", "unknown", "", "list", "")
    record = failure_record(campaign, failure, sender, _producer(books, link, failure), now)
    campaign.absorb(record, now)
    orders: list[Order] = [
        books.journal.record(record, Acknowledge(failure.run_id, failure.seq, len(campaign.admission)))
    ]
    if flight is not None:
        orders += _consequences(books, flight, failure, now)
    return orders


def give_up_lost(books: Books, flight: Flight, reason: str, now: float) -> list[Order]:
    """A request whose outcome will never be known: it stays counted as spent."""
    campaign = books.campaign
    assert campaign is not None
    _land(books, flight.id)
    record = LostRecord(flight.id, reason)
    campaign.absorb(record, now)
    gate = books.gates[flight.assign.provider]
    gate.failed(now, flight.id, flight.taken, FailureKind.INTERNAL, None)
    _settle_hour(books, flight, FailureKind.INTERNAL, now)
    keys = {"assignment": flight.id, "provider": flight.assign.provider, "reason": reason}
    return [books.journal.record(record), Log("warning", "desk.request_lost", keys)]


def call_off(books: Books, flight: Flight, now: float) -> list[Order]:
    """A request that was recorded and never sent: it counts for nothing."""
    campaign = books.campaign
    assert campaign is not None
    _land(books, flight.id)
    failure = RequestFailed(
        ledger=campaign.ledger,
        run_id="desk",
        producer_id="desk",
        seq=flight.id,
        assignment_id=flight.id,
        kind=FailureKind.CANCELLED,
        status=None,
        retry_after_s=None,
        detail="never sent",
    )
    sender = Sender(flight.ask.model, flight.assign.provider, flight.ask.partition, flight.ask.purpose, "")
    record = failure_record(campaign, failure, sender, "desk", now)
    campaign.absorb(record, now)
    books.gates[flight.assign.provider].failed(now, flight.id, flight.taken, FailureKind.CANCELLED, None)
    _settle_hour(books, flight, FailureKind.CANCELLED, now)
    return [books.journal.record(record)]


def _consequences(books: Books, flight: Flight, failure: RequestFailed, now: float) -> list[Order]:
    kind = _kind(failure.kind)
    name, model = flight.assign.provider, flight.assign.model
    gate = books.gates[name]
    source = gate.accounts[flight.key].source
    gate.failed(now, flight.id, flight.taken, kind, failure.retry_after_s, failure.headers)
    _settle_hour(books, flight, kind, now)
    keys = {"provider": name, "kind": kind.value, "status": failure.status, "detail": failure.detail}
    orders: list[Order] = [Log("info", "provider.request_failed", keys)]
    verdict = decide(
        kind, flight.attempt, failure.retry_after_s, books.rng, provider=name, model=model, key_variable=source
    )
    if isinstance(verdict, ProviderOut):
        reason = f"{verdict.reason}: {verdict.remedy}"
        whole_model = model if verdict.scope == "model" else None
        if gate.put_out(reason, whole_model, flight.key):
            said = {"provider": name, "model": model, "key": flight.key + 1, "reason": reason}
            orders.append(Log("error", "provider.out", said))
    elif isinstance(verdict, GiveUp):
        orders.append(Log("warning", "provider.request_given_up", {"provider": name, "reason": verdict.reason}))
    elif books.retrying:
        failed_on = flight.failed_on | {flight.ask.model} if verdict.elsewhere else flight.failed_on
        attempt = flight.attempt + (kind is not FailureKind.RATE_LIMITED)
        assert books.campaign is not None
        alone = all(m.key in failed_on for m in books.campaign.spec.models) and not _by_another_key(books, flight, now)
        due = now + (verdict.after_s if alone or not verdict.elsewhere else 0.0)
        books.retries.add(due, flight.ask, attempt, failed_on)
    return orders


def _by_another_key(books: Books, flight: Flight, now: float) -> bool:
    """Whether another key of the same provider may take the request at once."""
    others = (a for a in books.gates[flight.assign.provider].accounts if a.number != flight.key)
    return any(account.wait_s(now, 1) <= 0 for account in others)


def _settle_answer(books: Books, flight: Flight, batch: AttributeBatch, cost_usd: float, now: float) -> None:
    """What an answer used, to the limits, the budget of the hour, and those who learn from it."""
    meta, assign = batch.metadata, flight.assign
    gate = books.gates[assign.provider]
    gate.answered(now, flight.id, flight.taken, meta.tokens_in + meta.tokens_out, meta.headers)
    if books.hour is not None:
        books.hour.settle(now, flight.id, cost_usd)
    if meta.usage_reported:
        model = flight.ask.model
        estimate = books.ratios.expected(model, assign.messages)
        ratio = max(books.ratios.ratio(model), 1e-6)
        books.ratios.observe(model, round(estimate / ratio), meta.tokens_in)
        books.replies.observe(model, assign.purpose, assign.max_tokens, meta.tokens_out)


def _settle_hour(books: Books, flight: Flight, kind: FailureKind, now: float) -> None:
    """A request that came to nothing, to the budget of the hour: as the topic's own budget counts it."""
    if books.hour is None:
        return
    if kind is FailureKind.CANCELLED:
        books.hour.give_back(flight.id)
    elif kind in MAYBE_BILLED:
        books.hour.lost(now, flight.id)
    else:
        books.hour.settle(now, flight.id, 0.0)


def _bound_of_unreported(books: Books, campaign: Campaign, assignment_id: int, estimate: float) -> float:
    """The cost of an answer whose usage nobody reported: where money is limited, all that it can have been (G5)."""
    assignment = campaign.open_assignments.get(assignment_id)
    if assignment is None or (campaign.budget.limit is None and books.hour is None):
        return estimate
    return max(estimate, assignment.reserved_usd)


def _named_by_key(books: Books, batch: AttributeBatch) -> list[int] | None:
    """The attributes an answer named by key, as numbers; None where one of them is not held."""
    if not batch.known:
        return []
    return None if books.known is None else books.known.numbers(batch.known)


def _ask_for_texts(books: Books, campaign: Campaign, connection: Link, seq: int) -> list[Order]:
    """The filter took something for known that is not. The answer is not taken; it comes again with every text."""
    if books.awaited.get(connection.run_id, seq) < seq:
        return []
    books.awaited[connection.run_id] = seq
    keys = {"producer": connection.producer, "seq": seq}
    return [Send(connection.number, TextWanted(campaign.ledger, seq)), Log("debug", "desk.texts_wanted", keys)]


def _out_of_turn(books: Books, what: AttributeBatch | RequestFailed) -> bool:
    """Whether it came behind an answer that was asked for again: it will come again behind that one."""
    awaited = books.awaited.get(what.run_id)
    if awaited is None or what.seq < awaited:
        return False
    if what.seq > awaited:
        return True
    del books.awaited[what.run_id]
    return False


def _producer(books: Books, link: int | None, what: AttributeBatch | RequestFailed) -> str:
    """What people call the producer: by its slot while it is connected, by its own word in a left-over spool."""
    connected = books.roster.get(link)
    return connected.producer if connected is not None else what.producer_id


def _kind(said: str) -> FailureKind:
    """A producer's word for a failure; one that is unknown here is a fault of ours."""
    try:
        return FailureKind(said)
    except ValueError:
        return FailureKind.INTERNAL


def _land(books: Books, assignment_id: int) -> Flight | None:
    flight = books.flights.pop(assignment_id)
    if flight is not None:
        link = books.roster.of_run(flight.run_id)
        if link is not None:
            link.flights.discard(assignment_id)
    return flight


def _sender(campaign: Campaign, flight: Flight | None, assignment_id: int) -> Sender | None:
    """Who was asked what: as the flight says, else as an earlier daemon recorded it."""
    if flight is not None:
        ask = flight.ask
        return Sender(
            ask.model,
            flight.assign.provider,
            ask.partition,
            ask.purpose,
            flight.prompt_hash,
            ask.subject,
            flight.judged,
        )
    record = campaign.open_assignments.get(assignment_id)
    if record is None:
        return None
    key = f"{record.provider}:{record.model}"
    return Sender(key, record.provider, record.partition, record.purpose, record.prompt_hash)


def _unknown(batch: AttributeBatch) -> Sender:
    """An answer to a request that this ledger does not know: kept all the same, for it was paid for."""
    key = f"{batch.provider_used}:{batch.model}"
    return Sender(key, batch.provider_used, "", "list", batch.metadata.prompt_hash)


def _seen_before(
    books: Books, campaign: Campaign, link: int | None, what: AttributeBatch | RequestFailed
) -> list[Order]:
    """Sent again: acknowledged again if it is durable, and otherwise when it will be."""
    durable = books.durable.get(what.run_id, 0)
    return [Send(link, Ack(campaign.ledger, durable))] if link is not None and 0 < what.seq <= durable else []


def _elsewhere(what: AttributeBatch | RequestFailed) -> Log:
    keys = {"producer": what.producer_id, "seq": what.seq}
    return Log("warning", "desk.answer_for_another_topic", keys)
