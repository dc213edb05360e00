"""A provider that answers as it is told, in memory; and the routes and options that go with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from igentai.batch.options import Options
from igentai.batch.route import Route
from igentai.errors import FailureKind, ProviderError
from igentai.prices import Price
from igentai.providers.base import Call, Reply

Answer = Callable[[str, int], Awaitable[str] | str]


def reply(text: str = "ok", **said: Any) -> Reply:
    return Reply(**{"text": text, "model": "m", "finish": "stop", "tokens_in": 10, "tokens_out": 5, **said})


class MadeUp:
    """`answer(prompt, attempt)` gives the text, or raises; counts what is in flight."""

    def __init__(self, answer: Answer = lambda prompt, attempt: f"re {prompt}") -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.in_flight = self.most = 0
        self.cancelled = 0
        self.closed = False
        self._attempts: dict[str, int] = {}

    async def ask(self, call: Call) -> Reply:
        prompt = call.messages[-1][1]
        self.calls.append(call)
        self._attempts[prompt] = attempt = self._attempts.get(prompt, 0) + 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(0)
            text = self.answer(prompt, attempt)
            text = text if isinstance(text, str) else await text
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1
        return reply(text)

    async def close(self) -> None:
        self.closed = True


def route(client: MadeUp | None = None, name: str = "made-up", model: str = "m", **said: Any) -> Route:
    return Route(name, model, client=client or MadeUp(), **said)


def options(**said: Any) -> Options:
    return Options(**{"retry_delay": 0.0, "prices": {"made-up:m": Price(1.0, 1.0)}, **said})


def fault(
    kind: FailureKind = FailureKind.SERVER, status: int | None = 500, after: float | None = None
) -> ProviderError:
    return ProviderError(kind, f"made-up: {kind.value}", status=status, retry_after_s=after)
