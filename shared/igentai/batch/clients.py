"""The connected clients of a batch, closed when it ends."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from igentai.batch.accounts import reached_directly
from igentai.errors import ConfigurationError
from igentai.providers import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from igentai.batch.route import Route
    from igentai.providers.base import Provider, ProviderSpec


@asynccontextmanager
async def connected(routes: Sequence[Route], concurrency: int) -> AsyncIterator[list[Provider]]:
    """A client for each route, one a provider, with as many connections as calls may be in flight.

    Raises:
        ConfigurationError: a route without client and spec, or a key or address that cannot be one.
    """
    clients: dict[ProviderSpec, Provider] = {}
    async with AsyncExitStack() as stack:
        found = []
        for route in routes:
            if route.client is not None:
                found.append(route.client)
                continue
            if route.spec is None:
                raise ConfigurationError(f"the route {route.key} has neither a client nor a spec; give one")
            # A reply in one piece costs a fraction of the processor time of a streamed one.
            spec = replace(route.spec, stream=False, connections=concurrency)
            if spec not in clients:
                clients[spec] = _client(spec)
                stack.push_async_callback(clients[spec].close)
            found.append(clients[spec])
        yield found


def _client(spec: ProviderSpec) -> Provider:
    if reached_directly(spec):
        from igentai.providers.direct import DirectProvider

        return DirectProvider(spec)
    return connect(spec)
