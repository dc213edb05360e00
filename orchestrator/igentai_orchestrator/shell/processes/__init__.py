"""Child processes: producers, and the embedded model's server."""

from igentai_orchestrator.shell.processes.children import Processes

__all__ = ["Processes"]
