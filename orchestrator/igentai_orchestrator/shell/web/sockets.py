"""The one WebSocket of a page.

    page → daemon   {"watch": topic id or null, "after": N}     what it shows, and the highest attribute it holds
    daemon → page   {"type": "snapshot", "topic": id, <section>: …}   the sections that changed, at most 4 a second
                    {"type": "attributes", "topic": id, "after": N, "rows": […]}   numbers N+1 onwards, no gap

A page that comes back says what it holds and is given what followed. One that is more than 1,000 behind is given the
newest 200 instead; it fetches the rest by number when someone scrolls there, so that nothing has to be kept for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from igentai_orchestrator.shell.web.face import ChangeSignal, DaemonFace
from igentai_orchestrator.shell.web.replies import json_bytes
from igentai_orchestrator.shell.web.schemas import WatchMessage
from igentai_orchestrator.shell.web.sections import Section, SectionName, Sections

SPACING_S: Final = 0.25
QUIET_S: Final = 2.0
MAX_PAGES: Final = 64
ROWS_A_MESSAGE: Final = 400
FAR_BEHIND: Final = 1000
TAIL: Final = 200
_MAX_SHARED: Final = 8


class Broadcast:
    """What all open pages share: the sections, the newest rows and the count of pages."""

    def __init__(self, face: DaemonFace, *, insecure: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.face = face
        self.sections = Sections(face, insecure)
        self.clock = clock
        self.pages = 0
        self._rows: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
        self._reading = asyncio.Lock()

    async def serve(self, socket: WebSocket) -> None:
        """One page until it leaves; refused when 64 are open."""
        if self.pages >= MAX_PAGES:
            await socket.close(1013, "too many open pages; close one")
            return
        self.pages += 1
        try:
            await socket.accept()
            await OpenPage(socket, self).run()
        finally:
            self.pages -= 1

    async def rows(self, topic_id: str, after: int, newest: int) -> list[dict[str, Any]]:
        """Attributes after a number, read once for all pages that stand at the same place."""
        key = (topic_id, after, newest)
        async with self._reading:
            if key not in self._rows:
                if len(self._rows) >= _MAX_SHARED:
                    del self._rows[next(iter(self._rows))]
                self._rows[key] = await self.face.attributes(topic_id, after, ROWS_A_MESSAGE, None, None, None)
            return self._rows[key]

    def running_topic(self) -> str | None:
        topic = self.face.status().get("topic")
        if isinstance(topic, dict):
            topic = topic.get("id")
        return topic if isinstance(topic, str) else None


class OpenPage:
    """One connection: hears what the page shows, says what changed."""

    def __init__(self, socket: WebSocket, broadcast: Broadcast) -> None:
        self._socket = socket
        self._broadcast = broadcast
        self._wanted = WatchMessage()
        self._heard = asyncio.Event()
        self._shown: str | None = None
        self._after = 0
        self._sent: dict[SectionName, bytes] = {}

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._tell())
                left = await self._hear()
                telling.cancel()
        except* WebSocketDisconnect:
            left = True  # the page was closed while it was being told something
        if not left:
            await self._socket.close(1008, "not a message that this socket knows")

    async def _hear(self) -> bool:
        """Until the page leaves (True) or says what cannot be understood (False)."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return True
            try:
                self._wanted = WatchMessage.model_validate_json(message.get("text") or b"")
            except ValidationError:
                return False
            self._heard.set()

    async def _tell(self) -> None:
        # A page first says what it holds; one that says nothing for a while gets the running topic from the start.
        await _first(self._heard.wait(), QUIET_S)
        with self._broadcast.face.subscribe() as changed:
            while True:
                changed.clear()
                if self._heard.is_set():
                    self._heard.clear()
                    self._after = self._wanted.after if self._wanted.watch is not None else 0
                    self._sent.clear()
                await self._send_snapshot()
                behind = await self._send_rows()
                await asyncio.sleep(SPACING_S)
                if not behind:
                    await self._next(changed)

    async def _next(self, changed: ChangeSignal) -> None:
        """Until something changed, the page asked for something, or two seconds passed."""
        if not self._heard.is_set():
            await _first(changed.wait(), QUIET_S)

    async def _send_snapshot(self) -> None:
        shared, now = self._broadcast.sections, self._broadcast.clock()
        topic_id = self._wanted.watch or self._broadcast.running_topic()
        if topic_id != self._shown:
            if self._shown is not None and self._wanted.watch is None:
                self._after = 0  # another topic has taken its place
            self._shown = topic_id
            self._sent.clear()
        current: dict[SectionName, Section] = {
            "status": shared.status(now),
            "topics": shared.topics(now),
            "providers": shared.providers(now),
        }
        if topic_id is not None:
            current.update(shared.of_topic(topic_id, now))
        fresh = {name: section.body for name, section in current.items() if self._sent.get(name) != section.body}
        if not fresh:
            return
        self._sent.update(fresh)
        head = b'{"type":"snapshot","topic":' + json_bytes(topic_id)
        body = b"".join(b',"' + name.encode() + b'":' + text for name, text in fresh.items())
        await self._socket.send_text((head + body + b"}").decode())

    async def _send_rows(self) -> bool:
        """What was found in the running topic since the page was last told. Whether there is more than one message."""
        newest = next(iter(self._broadcast.face.latest()), 0)
        if self._shown is None or self._shown != self._broadcast.running_topic():
            return False
        if self._after > newest:
            self._after = 0  # the topic was started over: its numbers begin again
        if newest - self._after > FAR_BEHIND:
            self._after = newest - TAIL
        if self._after >= newest:
            return False
        rows = await self._broadcast.rows(self._shown, self._after, newest)
        if not rows:
            return False
        message = {"type": "attributes", "topic": self._shown, "after": self._after, "rows": rows}
        self._after = int(rows[-1]["number"])
        await self._socket.send_text(json_bytes(message).decode())
        return self._after < newest


async def _first(wait: Any, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        pass
