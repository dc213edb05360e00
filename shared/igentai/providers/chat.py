"""Chat completions as OpenAI and compatible servers word them: the body of a request, the parts of a reply. Pure.

Replies are read by attribute, so that the SDK's objects and plain JSON (`igentai.providers.direct`) are read alike.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from igentai.providers.base import Call, Finish
    from igentai.providers.draft import Draft

# OpenAI's reasoning models, also behind a gateway that keeps their names. They refuse `max_tokens` and a temperature.
_REASONING: Final = re.compile(r"(?:openai/)?(?:o\d|gpt-[5-9])(?!.*chat)")

_FINISHES: Final[dict[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "function_call": "stop",
}
_DECLINED: Final = frozenset({"content_filter", "safety", "refusal"})


def request_body(call: Call) -> dict[str, Any]:
    """What is posted to `/chat/completions`, apart from what asks for a stream."""
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


def take_text(draft: Draft, message: Any, finish_reason: str | None) -> None:
    """The text of a message or of a piece of one, and how it ended."""
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


def take_usage(draft: Draft, usage: Any) -> None:
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
