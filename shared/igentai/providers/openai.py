"""OpenAI and every server that speaks its chat completions: Ollama, vLLM, llama.cpp, LM Studio, OpenRouter, Groq …"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import openai

from igentai.providers.chat import request_body, take_text, take_usage
from igentai.providers.sdk import SdkProvider

if TYPE_CHECKING:
    from igentai.providers.base import Call, ProviderSpec
    from igentai.providers.draft import Draft
    from igentai.providers.wire import Patience


class OpenAIProvider(SdkProvider):
    """Chat completions, for that is what compatible servers have in common."""

    default_url: ClassVar[str] = "https://api.openai.com/v1"
    text_key: ClassVar[str] = "content"

    def __init__(self, spec: ProviderSpec, patience: Patience | None = None) -> None:
        super().__init__(spec, patience)
        self._client = openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._url,
            max_retries=0,
            timeout=None,
            http_client=self._http,
            # Stated, so that OPENAI_CUSTOM_HEADERS cannot put another key in its place.
            default_headers={"Authorization": f"Bearer {self._key}"},
        )
        # Imports that take a while, here rather than inside the time limit of the first call.
        self._completions = self._client.chat.completions
        if spec.base_url is not None:
            self._client.organization = self._client.project = None  # of the environment; no business of other servers

    async def _stream(self, call: Call, draft: Draft) -> None:
        stream = await self._completions.create(
            **request_body(call), stream=True, stream_options={"include_usage": True}
        )
        async with stream:
            async for chunk in stream:
                draft.model = chunk.model or draft.model
                take_usage(draft, chunk.usage)
                for choice in (chunk.choices or [])[:1]:
                    take_text(draft, choice.delta, choice.finish_reason)

    async def _plain(self, call: Call, draft: Draft) -> None:
        reply = await self._completions.create(**request_body(call), stream=False)
        draft.model = reply.model
        take_usage(draft, reply.usage)
        choice = reply.choices[0]
        take_text(draft, choice.message, choice.finish_reason or "stop")
