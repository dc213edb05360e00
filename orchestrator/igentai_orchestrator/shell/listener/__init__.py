"""Where producers connect."""

from igentai_orchestrator.shell.listener.binding import PORTS
from igentai_orchestrator.shell.listener.listener import MAX_UNREAD, Listener

__all__ = ["MAX_UNREAD", "PORTS", "Listener"]
