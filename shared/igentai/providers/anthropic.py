"""Anthropic's Messages API, version 2026-10-21.

A temperature is not sent: this version answers 400 to any, and the SDK has no such argument any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import anthropic

from igentai.providers.sdk import SdkProvider

if TYPE_CHECKING:
    from igentai.providers.base import Call, Finish, ProviderSpec
    from igentai.providers.draft import Draft
    from igentai.providers.wire import Patience

_FINISHES: Final[dict[str, Finish]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class AnthropicProvider(SdkProvider):
    """Messages, with the system prompt as their API wants it: beside the conversation."""

    default_url: ClassVar[str] = "https://api.anthropic.com"
    text_key: ClassVar[str] = "text"

    def __init__(self, spec: ProviderSpec, patience: Patience | None = None) -> None:
        super().__init__(spec, patience)
        self._client = anthropic.AsyncAnthropic(
            api_key=self._key,
            base_url=self._url,
            max_retries=0,
            timeout=None,
            http_client=self._http,
            # Stated, so that ANTHROPIC_CUSTOM_HEADERS cannot put another key in its place. The old header is for the
            # gateways that look for the key there; the API itself wants none but the new one.
            default_headers={
                "Authorization": f"Bearer {self._key}",
                **({"X-Api-Key": self._key} if spec.base_url else {}),
            },
            open_telemetry=False,
        )
        # Imports that take a while, here rather than inside the time limit of the first call.
        self._messages = self._client.messages

    async def _stream(self, call: Call, draft: Draft) -> None:
        stream = await self._messages.create(**_request(call), stream=True)
        async with stream:
            async for event in stream:
                if event.type == "message_start":
                    draft.model = event.message.model
                    _take_input(draft, event.message.usage)
                elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                    draft.parts.append(event.delta.text)
                elif event.type == "message_delta":
                    draft.tokens_out = event.usage.output_tokens
                    _take_finish(draft, event.delta.stop_reason)

    async def _plain(self, call: Call, draft: Draft) -> None:
        # With a timeout of its own the SDK does not refuse long replies that are not streamed.
        reply = await self._messages.create(**_request(call), stream=False, timeout=call.timeout_s)
        draft.model = reply.model
        draft.parts.extend(block.text for block in reply.content if block.type == "text")
        _take_input(draft, reply.usage)
        draft.tokens_out = reply.usage.output_tokens
        _take_finish(draft, reply.stop_reason)


def _request(call: Call) -> dict[str, Any]:
    system = "\n\n".join(content for role, content in call.messages if role == "system")
    request: dict[str, Any] = {
        "model": call.model,
        "messages": [{"role": role, "content": content} for role, content in call.messages if role != "system"],
        "max_tokens": call.max_tokens,
    }
    if system:
        request["system"] = system
    return request


def _take_input(draft: Draft, usage: Any) -> None:
    """Their `input_tokens` leaves out what was written to and read from the cache; ours counts it."""
    read = usage.cache_read_input_tokens or 0
    draft.tokens_in = usage.input_tokens + read + (usage.cache_creation_input_tokens or 0)
    draft.tokens_cached = read


def _take_finish(draft: Draft, stop_reason: str | None) -> None:
    if stop_reason == "refusal":
        draft.declined()
    elif stop_reason is not None:
        draft.finish = _FINISHES.get(stop_reason, "cut")
