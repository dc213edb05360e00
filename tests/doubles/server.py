"""One provider's API on loopback: it answers, charges, keeps to limits, misbehaves as told, and keeps a ledger."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from tests.doubles.answers import Answer, Ask, Mind, tokens
from tests.doubles.anthropic_api import AnthropicApi
from tests.doubles.gemini_api import GeminiApi
from tests.doubles.http import Connection, Request
from tests.doubles.openai_api import OpenAIApi
from tests.doubles.quota import Bucket
from tests.doubles.script import REFUSALS, Fault, Script
from tests.doubles.served import Ledger, Served
from tests.doubles.spoiling import PAGE, spoiled, squeezed, wait_headers
from tests.doubles.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType


class Api(Protocol):
    """What differs from provider to provider."""

    name: str
    base_path: str
    model: str

    def ask(self, request: Request) -> Ask | None: ...
    def plain(self, ask: Ask, answer: Answer, usage: bool) -> dict[str, Any]: ...
    def events(self, ask: Ask, answer: Answer, usage: bool) -> Any: ...
    def error(self, fault: Fault, text: str) -> tuple[int, dict[str, Any]]: ...
    def error_event(self, fault: Fault) -> bytes: ...
    def limits(self, limit: int, remaining: int) -> dict[str, str]: ...


APIS: dict[str, type[Api]] = {"openai": OpenAIApi, "anthropic": AnthropicApi, "gemini": GeminiApi}


class Double:
    """A local server. An async context manager; `base_url` is what an SDK takes.

    Args:
        api: openai, anthropic or gemini.
        world: what its models know.
        script: what goes wrong.
        key: the only key let in; None lets in any.
        style: how lists are written; None: another way each time.
        rpm, tpm: limits, enforced with 429.
        latency_s: before the first byte; `pace_s`: between pieces of a stream.
        cached, thoughts: token counts to report.
        ledger: a file that gets one JSON line a request when it is over.
        port: 0 for any.
    """

    def __init__(
        self,
        api: str,
        world: World | None = None,
        script: Script | None = None,
        *,
        key: str | None = None,
        style: str | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        latency_s: float = 0.0,
        pace_s: float = 0.0,
        cached: int = 0,
        thoughts: int = 0,
        ledger: Path | None = None,
        port: int = 0,
    ) -> None:
        self.api: Api = APIS[api]()
        self.world = world or World(items=300, categories=6)
        self.script = script or Script()
        self.mind = Mind(self.world, style, cached, thoughts)
        self.log: list[Served] = []
        self.heads: list[Mapping[str, str]] = []  # headers and bodies as they came, beside `log`
        self.bodies: list[dict[str, Any]] = []
        self.arrived = asyncio.Event()  # a request is being worked on
        self.broken = asyncio.Event()  # a reply was broken off on purpose
        self.left = asyncio.Event()  # a client hung up on us
        self._key = key
        self._rpm, self._tpm = Bucket(rpm), Bucket(tpm)
        self._latency_s, self._pace_s = latency_s, pace_s
        self._ledger, self._port = Ledger(ledger), port
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._ledger.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.api.base_path}"

    @property
    def billed(self) -> float:
        """USD for all that was written to clients, received or not."""
        return sum(served.cost_usd for served in self.log)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(reader, writer)
        try:
            while connection.usable and (request := await connection.request()) is not None:
                await self._handle(connection, request)
        except ConnectionError:
            self.left.set()
        except asyncio.CancelledError:
            pass  # the double is closing
        finally:
            self._tasks.discard(task)
            await connection.close()

    async def _handle(self, connection: Connection, request: Request) -> None:
        self.arrived.set()
        try:
            ask = self.api.ask(request)
        except (ValueError, KeyError) as error:
            status, body = self.api.error(Fault("bad_request"), str(error))
            await connection.respond(status, json.dumps(body).encode())
            return
        if ask is None:
            await connection.respond(404, b'{"error": {"message": "no such route"}}')
            return
        index = len(self.log)
        served = Served(index, time.time(), ask.model, ask.prompt_hash, ask.stream, ask.user)
        self.log.append(served)
        self.heads.append(request.headers)
        self.bodies.append(json.loads(request.body))
        try:
            await self._serve(connection, ask, served)
        except (ConnectionError, asyncio.CancelledError):
            served.outcome = "abandoned"
            raise
        finally:
            self._ledger.append(self.api.name, served)

    async def _serve(self, connection: Connection, ask: Ask, served: Served) -> None:
        fault = self.script.fault(served.index)
        answer = self.mind.answer(ask, served.index)
        fault = fault or self._denied(ask, answer)
        served.fault = fault.name if fault else None
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        if fault is not None and fault.name in REFUSALS:
            await self._refuse(connection, ask, served, fault)
            return
        served.status, served.tokens_in, served.tokens_cached = 200, answer.tokens_in, answer.tokens_cached
        answer = spoiled(answer, fault)
        if fault is not None and await self._unreadable(connection, served, fault):
            return
        served.items = list(answer.items)
        if ask.stream:
            await self._stream(connection, ask, answer, served, fault)
        else:
            await self._plain(connection, ask, answer, served, fault)

    def _denied(self, ask: Ask, answer: Answer) -> Fault | None:
        if self._key is not None and ask.key != self._key:
            return Fault("key")
        wait_s = self._rpm.take(1) or self._tpm.take(answer.tokens_in + (ask.max_tokens or 0))
        return Fault("rate_limit", wait_s=round(wait_s + 0.001, 3)) if wait_s else None

    async def _refuse(self, connection: Connection, ask: Ask, served: Served, fault: Fault) -> None:
        echo = f"You sent {ask.key} and {ask.user}" if fault.echo else ""
        served.status, body = self.api.error(fault, echo)
        headers = {**self._limits(), **wait_headers(fault)}
        await connection.respond(served.status, json.dumps(body).encode(), headers)

    async def _unreadable(self, connection: Connection, served: Served, fault: Fault) -> bool:
        """Send what is no reply at all, where that is the fault."""
        served.outcome = "broken"
        if fault.name == "hang":
            await connection.client_left()
            served.outcome = "abandoned"
            self.left.set()
        elif fault.name == "reset_before":
            connection.reset()
        elif fault.name == "html":
            await connection.respond(200, PAGE, {"content-type": "text/html"})
        elif fault.name == "empty_body":
            await connection.respond(200, b"")
        elif fault.name == "broken_json":
            await connection.respond(200, b'{"id": "x", "object": ')
        elif fault.name == "error_in_reply":
            body = self.api.error(Fault("unavailable"), "")[1]
            await connection.respond(200, json.dumps(body).encode())
        elif fault.name == "gzip":
            await connection.respond(200, squeezed(), {"content-encoding": "gzip"})
        else:
            return False
        return True

    async def _plain(
        self, connection: Connection, ask: Ask, answer: Answer, served: Served, fault: Fault | None
    ) -> None:
        reply = self.api.plain(ask, answer, usage=fault is None or fault.name != "no_usage")
        body = json.dumps(reply, ensure_ascii=False).encode()
        served.tokens_out = answer.tokens_out + answer.thoughts
        served.cost_usd = answer.cost(ask.model)
        if fault is None or fault.name not in ("stall", "reset_mid", "close_mid"):
            await connection.respond(200, body, self._limits())
            served.outcome = "delivered"
            return
        served.outcome = "broken"
        text_at = body.find(json.dumps(answer.text, ensure_ascii=False).encode())
        half = text_at + len(answer.text.encode()) // 2
        await connection.promise(len(body), body[:half], self._limits())
        await self._break(connection, fault)

    async def _stream(
        self, connection: Connection, ask: Ask, answer: Answer, served: Served, fault: Fault | None
    ) -> None:
        breaks = fault is not None and fault.name in ("stall", "reset_mid", "close_mid", "error_mid")
        connection.begin(200, {"content-type": "text/event-stream", **self._limits()})
        sent, said = 0, ""
        for piece, data in self.api.events(ask, answer, usage=fault is None or fault.name != "no_usage"):
            if fault is not None and breaks and sent >= fault.after:
                served.outcome = "broken"
                await self._break(connection, fault)
                return
            await connection.piece(data)
            sent += bool(piece)
            said += piece
            served.tokens_out = tokens(said) + answer.thoughts
            served.cost_usd = answer.cost(ask.model, served.tokens_out)
            if self._pace_s and piece:
                await asyncio.sleep(self._pace_s)
        await connection.end()
        served.tokens_out = answer.tokens_out + answer.thoughts
        served.cost_usd = answer.cost(ask.model)
        served.outcome = "delivered"

    async def _break(self, connection: Connection, fault: Fault) -> None:
        self.broken.set()
        if fault.name == "stall":
            await connection.client_left()
            self.left.set()
        elif fault.name == "reset_mid":
            await connection.sent()
            connection.reset()
        elif fault.name == "error_mid":
            await connection.piece(self.api.error_event(fault))
            await connection.end()
        else:
            await connection.close()

    def _limits(self) -> dict[str, str]:
        limit = self._rpm.per_minute or 500
        return self.api.limits(limit, int(self._rpm.level) if self._rpm.per_minute else 499)


async def serve(double: Double) -> None:
    """Print the base address and serve until cancelled."""
    async with double:
        print(double.base_url, flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
