"""What systemd is told: ready, reloading, stopping, still alive (sd_notify(3)). Silent where there is no systemd."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


class Notify:
    """The notification socket of the service manager.

    Args:
        address: NOTIFY_SOCKET, None outside systemd. A leading `@` stands for the abstract namespace.
        watchdog_s: seconds within which systemd wants a sign of life, None without a watchdog.
    """

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._watchdog_s = watchdog_s

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self, now_us: int) -> None:
        """Until the next `ready`. `now_us`: CLOCK_MONOTONIC in microseconds, which later systemd wants to know."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now_us}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.sendto(text.encode(), self._address)
        except OSError:
            pass  # a service manager that went away must not take the daemon along

    async def watchdog(self, alive: Callable[[], bool]) -> None:
        """Say every third of the interval that the daemon lives, as long as `alive` says so."""
        if not self._address or not self._watchdog_s:
            return
        while True:
            if alive():
                self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 3)
