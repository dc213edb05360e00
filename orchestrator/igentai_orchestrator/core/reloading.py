"""The configuration was read again: whatever was out may be asked, and producers with old keys give up their places."""

from __future__ import annotations

from igentai.messages import Stop
from igentai_orchestrator.core import facts
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.orders import Log, Order, Send


def reloaded(books: Books, fact: facts.ConfigurationReloaded) -> list[Order]:
    """Producers that hold old keys finish what they do; others take their places."""
    for name, gate in books.gates.items():
        gate.readmit(books.arrangement.providers.get(name))
    orders: list[Order] = [Log("info", "daemon.reloaded")]
    for link in books.roster if fact.keys_changed else ():
        if link.slot is not None:
            link.leaving = True
            orders.append(Send(link.number, Stop(drain=True)))
    return orders
