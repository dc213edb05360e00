"""A provider connected to its double, for the tests beside this file."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.doubles import Double, Script, World

from igentai.errors import ProviderError
from igentai.providers import connect
from igentai.providers.base import Call, ProviderSpec, Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.doubles import Fault

    from igentai.providers.base import Reply
    from igentai.providers.sdk import SdkProvider
    from igentai.providers.wire import Patience

KEY = "sk-canary-0123456789abcdefghij"
PROMPT = "Topic: Paris attractions\n\nList 12 different items of it, please, each once and on a line of its own."
WORLD = World(items=200, categories=5, seed=4)
APIS = ("openai", "anthropic", "gemini")
STREAM = pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
API = pytest.mark.parametrize("api", APIS)


class Pair(NamedTuple):
    provider: SdkProvider
    double: Double

    def call(self, prompt: str = PROMPT, **changes: Any) -> Call:
        messages = (("system", "You list things."), ("user", prompt))
        return Call(
            **{"model": self.double.api.model, "messages": messages, "max_tokens": 2000, "timeout_s": 10.0, **changes}
        )

    async def ask(self, **changes: Any) -> Reply:
        return await self.provider.ask(self.call(**changes))

    async def failure(self, **changes: Any) -> ProviderError:
        """The error that asking ends in."""
        with pytest.raises(ProviderError) as caught:
            await self.ask(**changes)
        return caught.value


@asynccontextmanager
async def connected(
    api: str, *, stream: bool = True, fault: Fault | None = None, patience: Patience | None = None, **options: Any
) -> AsyncIterator[Pair]:
    """A double of `api` and a provider that talks to it; every request meets `fault`."""
    script = options.pop("script", Script(always=fault))
    async with Double(api, WORLD, script, style=options.pop("style", "plain"), **options) as double:
        spec = ProviderSpec(api, api, Secret(KEY), double.base_url, stream)
        provider = connect(spec)
        if patience is not None:
            provider = type(provider)(spec, patience)  # type: ignore[call-arg]  # all SDK clients take it
        try:
            yield Pair(provider, double)  # type: ignore[arg-type]  # connect promises less than an SDK client is
        finally:
            await provider.close()
