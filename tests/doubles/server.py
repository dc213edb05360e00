"""One provider's API on loopback: it answers, charges, keeps to limits, misbehaves as told, and keeps a ledger."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Protocol, Self

from tests.doubles.answers import Answer, Ask, Mind, pieced, tokens
from tests.doubles.anthropic_api import AnthropicApi
from tests.doubles.gemini_api import GeminiApi
from tests.doubles.http import Connection, Request
from tests.doubles.openai_api import OpenAIApi
from tests.doubles.quota import Bucket
from tests.doubles.script import REFUSALS, Fault, Script
from tests.doubles.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

PAGE = b'<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body>"content": "no"</body></html>'
HUGE = 3 * 1024 * 1024


class Api(Protocol):
    """What differs from provider to provider."""

    name: str
    base_path: str
    model: str
    content: str

    def ask(self, request: Request) -> Ask | None: ...
    def plain(self, ask: Ask, answer: Answer, usage: bool) -> dict[str, Any]: ...
    def events(self, ask: Ask, answer: Answer, usage: bool) -> Any: ...
    def error(self, fault: Fault, text: str) -> tuple[int, dict[str, Any]]: ...
    def error_event(self, fault: Fault) -> bytes: ...
    def limits(self, limit: int, remaining: int) -> dict[str, str]: ...


APIS: dict[str, type[Api]] = {"openai": OpenAIApi, "anthropic": AnthropicApi, "gemini": GeminiApi}


@dataclass
class Served:
    """One request and what became of it: `delivered` whole, `broken` by us on purpose, `abandoned` by the client,
    `refused`.

    `tokens_out` and `cost_usd` are of what was written to the client; a provider charges for that in any case.
    """

    index: int
    at: float
    model: str
    prompt_hash: str
    stream: bool
    prompt: str = field(default="", repr=False)
    outcome: str = "refused"
    status: int = 0
    fault: str | None = None
    items: list[str] = field(default_factory=list, repr=False)
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost_usd: float = 0.0


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
        self._ledger_path, self._port = ledger, port
        self._ledger: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if self._ledger_path is not None:
            self._ledger = os.open(self._ledger_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
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
        if self._ledger is not None:
            os.close(self._ledger)

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
            self._write_down(served)

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
        answer = _spoiled(answer, fault)
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
        headers = {**self._limits(), **_wait_headers(fault)}
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
            await connection.respond(200, gzip.compress(b"[" + b" " * HUGE), {"content-encoding": "gzip"})
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

    def _write_down(self, served: Served) -> None:
        if self._ledger is not None:
            line = {"api": self.api.name, **asdict(served)}
            del line["prompt"]
            os.write(self._ledger, json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _spoiled(answer: Answer, fault: Fault | None) -> Answer:
    """The answer that a fault makes of `answer`."""
    name = fault.name if fault else ""
    if name == "length":
        text = answer.text[: max(1, len(answer.text) // 2)]
        return pieced(replace(answer, text=text, finish="length", tokens_out=tokens(text)))
    if name == "refusal":
        return pieced(replace(answer, text="", items=(), finish="refusal", tokens_out=0))
    if name == "refusal_mid":
        text = answer.text[: len(answer.text) // 2]
        return pieced(replace(answer, text=text, finish="refusal", tokens_out=tokens(text)))
    if name == "empty_reply":
        return pieced(replace(answer, text="", items=(), tokens_out=0))
    if name == "huge":
        line = answer.text.split("\n")[0] + "\n"
        return pieced(replace(answer, text=line * (HUGE // len(line.encode()))))
    return answer


def _wait_headers(fault: Fault) -> dict[str, str]:
    if fault.wait_s is None or fault.wait_as == "body":
        return {}
    if fault.wait_as == "ms":
        return {"retry-after-ms": str(round(fault.wait_s * 1000))}
    if fault.wait_as == "date":
        return {"retry-after": formatdate(time.time() + fault.wait_s, usegmt=True)}
    return {"retry-after": f"{fault.wait_s:g}"}


async def serve(double: Double) -> None:
    """Print the base address and serve until cancelled."""
    async with double:
        print(double.base_url, flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
