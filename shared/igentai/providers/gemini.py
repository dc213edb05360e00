"""Google's Gemini API (the one with a key; not Vertex)."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Final

import httpx2
from google import genai
from google.genai import types

from igentai.providers.sdk import SdkProvider

if TYPE_CHECKING:
    from igentai.providers.base import Call, ProviderSpec
    from igentai.providers.draft import Draft
    from igentai.providers.wire import Patience

_DECLINED: Final = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY", "MODEL_ARMOR"}
)


class GeminiProvider(SdkProvider):
    """generateContent and streamGenerateContent."""

    default_url: ClassVar[str] = "https://generativelanguage.googleapis.com"
    text_key: ClassVar[str] = "text"

    def __init__(self, spec: ProviderSpec, patience: Patience | None = None) -> None:
        super().__init__(spec, patience)
        # The SDK builds a client for blocking calls too; given one, it does not read certificates a second time.
        self._unused = httpx2.Client(verify=False)
        self._client = genai.Client(
            api_key=self._key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=self._url,
                api_version="v1beta",
                httpx_client=self._unused,
                httpx_async_client=self._http,
            ),
        )

    async def close(self) -> None:
        """Give back connections."""
        self._unused.close()
        await super().close()

    async def _stream(self, call: Call, draft: Draft) -> None:
        chunks = await self._client.aio.models.generate_content_stream(**_request(call))
        async with aclosing(chunks):  # type: ignore[type-var]  # annotated as an iterator, made by a generator
            async for chunk in chunks:
                _take(draft, chunk)

    async def _plain(self, call: Call, draft: Draft) -> None:
        reply = await self._client.aio.models.generate_content(**_request(call))
        _take(draft, reply)


def _request(call: Call) -> dict[str, Any]:
    system = "\n\n".join(content for role, content in call.messages if role == "system")
    return {
        "model": call.model,
        "contents": [
            types.Content(role="model" if role == "assistant" else "user", parts=[types.Part(text=content)])
            for role, content in call.messages
            if role != "system"
        ],
        "config": types.GenerateContentConfig(
            system_instruction=system or None,
            max_output_tokens=call.max_tokens,
            temperature=call.temperature,
            seed=call.seed,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        ),
    }


def _take(draft: Draft, reply: types.GenerateContentResponse) -> None:
    draft.model = reply.model_version or draft.model
    _take_usage(draft, reply.usage_metadata)
    for candidate in (reply.candidates or [])[:1]:
        parts = (candidate.content.parts if candidate.content else None) or []
        draft.parts.extend(part.text for part in parts if part.text and not part.thought)
        if candidate.finish_reason is not None:
            _take_finish(draft, candidate.finish_reason.name)
    if reply.prompt_feedback is not None and reply.prompt_feedback.block_reason is not None:
        draft.declined()


def _take_finish(draft: Draft, reason: str) -> None:
    if reason == "STOP":
        draft.finish = "stop"
    elif reason == "MAX_TOKENS":
        draft.finish = "length"
    elif reason in _DECLINED:
        draft.declined()
    elif reason != "FINISH_REASON_UNSPECIFIED":
        draft.finish = "cut"


def _take_usage(draft: Draft, usage: types.GenerateContentResponseUsageMetadata | None) -> None:
    """Counts are totals of what came so far. Thoughts are billed as output; tool prompts as input."""
    if usage is None or usage.prompt_token_count is None:
        return
    draft.tokens_in = usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0)
    draft.tokens_out = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    draft.tokens_cached = usage.cached_content_token_count or 0
