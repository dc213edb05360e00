"""What the clients of all providers share: one request, its limits, its record and its outcome."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

import httpx2

from igentai.errors import ConfigurationError, FailureKind
from igentai.providers.draft import Circumstances, Draft, settle
from igentai.providers.wire import Exchange, MeteredClient, Patience, recorded

if TYPE_CHECKING:
    from igentai.providers.base import Call, ProviderSpec, Reply

NO_KEY: Final = "none"
"""Sent where a server needs no key; the SDKs insist on one, or would look for it in the environment."""


class SdkProvider(ABC):
    """A provider reached through its official SDK.

    Args:
        spec: name, key and address.
        patience: timeouts and the size limit of a reply.

    Raises:
        ConfigurationError: the key or the address cannot be one.
    """

    default_url: ClassVar[str]
    text_key: ClassVar[str]

    def __init__(self, spec: ProviderSpec, patience: Patience | None = None) -> None:
        self.spec = spec
        self._patience = patience or Patience()
        self._key = checked_key(spec)
        self._url = checked_url(spec, self.default_url)
        self._http = MeteredClient(spec.connections)

    async def ask(self, call: Call) -> Reply:
        """See `igentai.providers.base.Provider.ask`."""
        patience = self._patience
        first_byte_s = min(patience.first_byte_s, call.timeout_s) if self.spec.stream else call.timeout_s
        exchange = Exchange(patience, first_byte_s)
        draft = Draft()
        failed: Exception | None = None
        began = time.monotonic()
        try:
            with recorded(exchange):
                async with asyncio.timeout(call.timeout_s):
                    await (self._stream(call, draft) if self.spec.stream else self._plain(call, draft))
        except TimeoutError as error:
            exchange.broke(FailureKind.TIMEOUT, f"no whole reply within {call.timeout_s:g} s")
            failed = error
        except Exception as error:  # the SDKs raise types of many libraries; `settle` tells them apart
            failed = error
        about = Circumstances(
            provider=self.spec.name,
            call=call,
            secrets=(self._key,) if self.spec.key else (),
            now=time.time(),
            latency_ms=round((time.monotonic() - began) * 1000),
            streamed=self.spec.stream,
            text_key=self.text_key,
        )
        # Outside the `except`: what is raised here must not drag the SDK's exception along, which carries the request.
        return settle(draft, exchange, failed, about)

    async def close(self) -> None:
        """Give back connections."""
        await self._http.aclose()

    @abstractmethod
    async def _stream(self, call: Call, draft: Draft) -> None:
        """Ask for a streamed reply and put every piece into `draft` as it comes."""

    @abstractmethod
    async def _plain(self, call: Call, draft: Draft) -> None:
        """Ask for the reply in one piece."""


def checked_key(spec: ProviderSpec) -> str:
    """The key as it is sent: one line of printable ASCII, or `none`."""
    key = spec.key.reveal().strip() if spec.key else NO_KEY
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            f"the key of provider {spec.name!r} holds characters that no key has; copy it again, without quotes"
        )
    return key or NO_KEY


def checked_url(spec: ProviderSpec, default: str) -> str:
    """The address of `spec`, else `default`; http or https."""
    url = (spec.base_url or default).strip()
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            f"the address of provider {spec.name!r} is not of the form http(s)://host[:port][/path]"
        )
    return url
