"""Chat completions without an SDK: one JSON document out, one in, over connections of our own (`http1`).

For batches, where the SDK's millisecond or more of processor time a request is what a run waits for. The daemon, which
streams and asks a few dozen at once, keeps to the SDK.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from igentai.errors import FailureKind
from igentai.providers.chat import request_body, take_text, take_usage
from igentai.providers.draft import Circumstances, Draft, settle
from igentai.providers.http1 import Lines
from igentai.providers.http1_reply import Malformed
from igentai.providers.sdk import checked_key, checked_url
from igentai.providers.wire import Exchange, Patience, certificates

if TYPE_CHECKING:
    from igentai.providers.base import Call, ProviderSpec, Reply

DEFAULT_URL: Final = "https://api.openai.com/v1"


class DirectProvider:
    """A `Provider` for OpenAI and every server that speaks its chat completions. Replies come whole, never streamed.

    Raises:
        ConfigurationError: the key or the address cannot be one.
    """

    def __init__(self, spec: ProviderSpec, patience: Patience | None = None) -> None:
        self.spec = spec
        self._patience = patience or Patience()
        self._key = checked_key(spec)
        url = checked_url(spec, DEFAULT_URL)
        self._lines = Lines(url, spec.connections, certificates() if url.startswith("https:") else None)
        self._head = _head(url, self._key)

    async def ask(self, call: Call) -> Reply:
        """See `igentai.providers.base.Provider.ask`."""
        exchange = Exchange(self._patience, call.timeout_s)
        draft = Draft()
        failed: Exception | None = None
        body = orjson.dumps(_encodable(request_body(call)))
        began = time.monotonic()
        try:
            async with asyncio.timeout(call.timeout_s):
                await self._lines.post(b"%s%d\r\n\r\n%s" % (self._head, len(body), body), exchange)
            _read(exchange, draft)
        except TimeoutError as error:
            exchange.broke(FailureKind.TIMEOUT, f"no whole reply within {call.timeout_s:g} s")
            failed = error
        except (OSError, Malformed, ValueError, TypeError, LookupError, AttributeError) as error:
            failed = error  # a connection that failed, or a document that is no chat completion
        about = Circumstances(
            provider=self.spec.name,
            call=call,
            secrets=(self._key,) if self.spec.key else (),
            now=time.time(),
            latency_ms=round((time.monotonic() - began) * 1000),
            streamed=False,
            text_key="content",
        )
        return settle(draft, exchange, failed, about)

    async def close(self) -> None:
        """Give back connections."""
        await self._lines.close()


class _Fields(dict[str, Any]):
    """A JSON object read by attribute; what is not there is None."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def _read(exchange: Exchange, draft: Draft) -> None:
    """The parts of a chat completion into `draft`.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: it is none.
    """
    if exchange.status is None or not 200 <= exchange.status < 300:
        return
    reply = json.loads(exchange.body, object_hook=_Fields)
    choice = reply.choices[0]
    draft.model = reply.model
    take_usage(draft, reply.usage)
    take_text(draft, choice.message, choice.finish_reason or "stop")


def _head(url: str, key: str) -> bytes:
    """All of a request's head but the length, which ends it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path = f"{parts.path.rstrip('/')}/chat/completions{f'?{parts.query}' if parts.query else ''}"
    lines = (
        f"POST {path} HTTP/1.1",
        f"host: {host}",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        "accept: application/json",
        "accept-encoding: identity",
        "user-agent: igentai",
        "content-length: ",
    )
    return "\r\n".join(lines).encode("ascii")


def _encodable(body: dict[str, Any]) -> dict[str, Any]:
    """Half a surrogate pair, as a bad split of a text leaves it, is no UTF-8: it is sent as a question mark."""
    for message in body["messages"]:
        content = message["content"]
        if not content.isascii():
            message["content"] = content.encode("utf-8", "replace").decode("utf-8")
    return body
