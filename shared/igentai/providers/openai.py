"""OpenAI and every server that speaks its chat completions: Ollama, vLLM, llama.cpp, LM Studio, OpenRouter, Groq …"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import openai

from igentai.providers.sdk import SdkProvider

if TYPE_CHECKING:
    from igentai.providers.base import Call, Finish, ProviderSpec
    from igentai.providers.draft import Draft
    from igentai.providers.wire import Patience

# OpenAI's reasoning models, also behind a gateway that keeps their names. They refuse `max_tokens` and a temperature.
_REASONING: Final = re.compile(r"(?:openai/)?(?:o\d|gpt-[5-9])(?!.*chat)")

_FINISHES: Final[dict[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "function_call": "stop",
}
_DECLINED: Final = frozenset({"content_filter", "safety", "refusal"})


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
        stream = await self._completions.create(**_request(call), stream=True, stream_options={"include_usage": True})
        async with stream:
            async for chunk in stream:
                draft.model = chunk.model or draft.model
                _take_usage(draft, chunk.usage)
                for choice in (chunk.choices or [])[:1]:
                    _take_text(draft, choice.delta, choice.finish_reason)

    async def _plain(self, call: Call, draft: Draft) -> None:
        reply = await self._completions.create(**_request(call), stream=False)
        draft.model = reply.model
        _take_usage(draft, reply.usage)
        choice = reply.choices[0]
        _take_text(draft, choice.message, choice.finish_reason or "stop")


def _request(call: Call) -> dict[str, Any]:
    reasoning = _REASONING.match(call.model) is not None
    request: dict[str, Any] = {
        "model": call.model,
        "messages": [{"role": role, "content": content} for role, content in call.messages],
        "max_completion_tokens" if reasoning else "max_tokens": call.max_tokens,
    }
    if call.temperature is not None and not reasoning:
        request["temperature"] = call.temperature
    if call.seed is not None:
        request["seed"] = call.seed
    return request


def _take_text(draft: Draft, message: Any, finish_reason: str | None) -> None:
    if message is not None and message.content:
        draft.parts.append(message.content)
    refusal = getattr(message, "refusal", None)
    if refusal:
        draft.parts.append(refusal)
        draft.finish = "refusal"
    if finish_reason and draft.finish != "refusal":
        if finish_reason in _DECLINED:
            draft.declined()
        else:
            draft.finish = _FINISHES.get(finish_reason, "cut")


def _take_usage(draft: Draft, usage: Any) -> None:
    """Counts of this reply. Servers that send them with every piece send totals, so the last ones stand."""
    if usage is None:
        return
    draft.tokens_in = usage.prompt_tokens
    draft.tokens_out = usage.completion_tokens
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None) or getattr(usage, "prompt_cache_hit_tokens", None)  # DeepSeek
    draft.tokens_cached = cached or 0
    cost = getattr(usage, "cost", None)  # OpenRouter
    if isinstance(cost, (int, float)) and not isinstance(cost, bool):
        draft.cost_usd = float(cost)
