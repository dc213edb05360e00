"""What people and metrics.json are told: all that is known of topic, producers and providers, as plain data."""

from __future__ import annotations

import json
from typing import Any, Final

from igentai_orchestrator.core import purse
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.fleet import State

FREE_SHARE_DIGITS: Final = 4


def as_json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def metrics(books: Books, now: float) -> dict[str, Any]:
    """The numbers of the open topic, {} where none is open."""
    campaign = books.campaign
    if campaign is None:
        return {}
    numbers = campaign.snapshot(now)
    for model in campaign.spec.models:
        entry = numbers["providers"].setdefault(model.key, _never_asked(campaign, model.key))
        state, detail = books.gates[model.provider].state(now, model.model)
        entry.update(state=state, detail=detail, keys=books.gates[model.provider].keys(now))
    numbers["budget_hour"] = None if books.hour is None else purse.hour_shown(books.hour, now)
    numbers["in_flight"] = len(books.flights)
    numbers["retries_waiting"] = len(books.retries)
    numbers["producers"] = producers(books, now, numbers["producers"])
    numbers["partitions"] = _partitions(campaign, numbers["partitions"], numbers["coverage"].pop("partitions", {}))
    numbers["simulated"] = any(m.provider == "simulated" for m in campaign.spec.models)
    numbers["embedded"] = any(m.provider == "embedded" for m in campaign.spec.models)
    numbers["alerts"] = alerts(books, now)
    return numbers


def producers(books: Books, now: float, worked: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Every slot and every producer that joined from elsewhere, with what the operating system says of it."""
    done = {entry["id"]: entry for entry in worked or ()}
    rows = []
    for slot in books.fleet.slots:
        if slot.state is State.VACANT:
            continue
        link = books.roster.of_slot(slot.number)
        state = slot.state.value
        if slot.state is State.UP:
            state = "busy" if link is not None and link.flights else "idle"
        row = {"id": f"producer-{slot.number}", "slot": slot.number, "state": state, "pid": slot.pid}
        row |= {"restarts": slot.restarts, "heard_s": round(now - slot.heard, 1) if slot.pid else None}
        rows.append(row | _figures(link.status if link else None, len(link.flights) if link else 0))
    for link in books.roster:
        if link.slot is None:
            row = {"id": link.producer, "slot": None, "state": "busy" if link.flights else "idle", "pid": link.pid}
            rows.append(row | {"host": link.host, "restarts": 0} | _figures(link.status, len(link.flights)))
    for row in rows:
        counted = done.get(str(row["id"]), {})
        row |= {"requests": counted.get("requests", 0), "unique_attributes": counted.get("unique_attributes", 0)}
    return rows


def alerts(books: Books, now: float) -> list[dict[str, str]]:
    """What a person should look at."""
    campaign = books.campaign
    failed = [slot.number for slot in books.fleet.slots if slot.state is State.FAILED]
    found = [{"level": "error", "text": f"producer {n} crashed too often and was given up"} for n in failed]
    for model in campaign.spec.models if campaign else ():
        state, detail = books.gates[model.provider].state(now, model.model)
        if state == "out":
            found.append({"level": "error", "text": f"{model.key}: {detail}"})
        elif state in ("open", "half-open") or detail.startswith("key "):
            found.append({"level": "warning", "text": f"{model.key}: {detail}"})
    if books.hour is not None and campaign is not None and books.waits_for_the_hour:
        text = f"the budget of ${books.hour.limit:g} an hour is spent; going on as it frees up"
        found.append({"level": "warning", "text": text})
    return found


def _figures(status: Any, in_flight: int) -> dict[str, Any]:
    if status is None:
        return {"cpu": None, "rss": None, "in_flight": in_flight, "unacknowledged": None}
    figures = {"cpu": round(status.cpu, 1), "rss": status.rss, "in_flight": in_flight}
    return figures | {"unacknowledged": status.unacknowledged}


def _never_asked(campaign: Campaign, key: str) -> dict[str, Any]:
    zeros = {"requests": 0, "failed": 0, "candidates": 0, "unique_attributes": 0, "cost_usd": 0.0}
    return zeros | {"latency_ms": None, "weight": campaign.policy.shares().get(key, 0.0)}


def _partitions(
    campaign: Campaign, counted: dict[str, dict[str, Any]], covered: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """The tree, each node with what was found in it and at least how much is left."""
    rows = []
    for node in campaign.tree.snapshot():
        stats, cover = counted.get(node["id"], {}), covered.get(node["id"], {})
        found = stats.get("unique_attributes", 0)
        candidates = stats.get("candidates", 0)
        row = {"answers": stats.get("requests", 0), "unique_attributes": found}
        row["fresh_rate"] = round(found / candidates, FREE_SHARE_DIGITS) if candidates else None
        coherence = campaign.exclusion.coherence(node["id"])
        row["coherence"] = None if coherence is None else round(coherence, FREE_SHARE_DIGITS)
        row["left"] = max(0, cover["at_least"] - cover.get("found", found)) if "at_least" in cover else None
        row["coverage"] = cover or None
        rows.append(node | row)
    return rows
