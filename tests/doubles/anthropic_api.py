"""Anthropic's Messages API of version 2026-10-21, as documented at docs.anthropic.com/en/api/messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.doubles.answers import Answer, Ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.doubles.http import Request
    from tests.doubles.script import Fault

FINISHES = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}
ERRORS: dict[str, tuple[int, str, str]] = {
    "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit"),
    "quota": (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API"),
    "day_quota": (429, "rate_limit_error", "This request would exceed your organization's daily rate limit"),
    "key": (401, "authentication_error", "invalid x-api-key"),
    "forbidden": (403, "permission_error", "Your API key does not have permission to use the specified resource"),
    "payment": (402, "billing_error", "There is an issue with your billing"),
    "model": (404, "not_found_error", "model: claude-none"),
    "bad_request": (400, "invalid_request_error", "max_tokens: must be greater than 0"),
    "too_large": (413, "request_too_large", "Request exceeds the maximum size"),
    "request_timeout": (408, "timeout_error", "Request timed out"),
    "conflict": (409, "conflict_error", "Conflict"),
    "server": (500, "api_error", "Internal server error"),
    "unavailable": (503, "api_error", "Service unavailable"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}


class AnthropicApi:
    name = "anthropic"
    base_path = ""
    model = "claude-haiku-4-5"

    def ask(self, request: Request) -> Ask | None:
        """The request in our words; None where it is no message."""
        if request.method != "POST" or request.path.partition("?")[0] != "/v1/messages":
            return None
        body = json.loads(request.body)
        if (
            any(m["role"] not in ("user", "assistant") for m in body["messages"])
            or "anthropic-version" not in request.headers
        ):
            raise ValueError("roles are user and assistant; the version header is required")
        if "temperature" in body:
            raise ValueError("temperature: Extra inputs are not permitted")
        system = [("system", body["system"])] if body.get("system") else []
        return Ask(
            model=body["model"],
            messages=(*system, *((m["role"], m["content"]) for m in body["messages"])),
            max_tokens=body["max_tokens"],
            stream=body.get("stream", False),
            key=request.headers.get("authorization", "").removeprefix("Bearer ") or None,
        )

    def plain(self, ask: Ask, answer: Answer, usage: bool) -> dict[str, Any]:
        content = [{"type": "text", "text": answer.text}] if answer.text else []
        return {**_message(ask, answer), "content": content, "stop_reason": FINISHES[answer.finish]}

    def events(self, ask: Ask, answer: Answer, usage: bool) -> Iterator[tuple[str, bytes]]:
        """(what has been said by it, bytes) of a stream."""
        start = _message(ask, answer)
        start["usage"] = {**start["usage"], "output_tokens": 1}
        yield "", _event("message_start", message=start)
        yield "", _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield "", _event("ping")
        for piece in answer.pieces:
            yield piece, _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
        yield "", _event("content_block_stop", index=0)
        delta = {"stop_reason": FINISHES[answer.finish], "stop_sequence": None}
        yield "", _event("message_delta", delta=delta, usage={"output_tokens": answer.tokens_out + answer.thoughts})
        yield "", _event("message_stop")

    def error(self, fault: Fault, text: str) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        status, kind, message = ERRORS[fault.name]
        error = {"type": kind, "message": f"{message}. {text}".strip()}
        return status, {"type": "error", "error": error, "request_id": "req_1"}

    def error_event(self, fault: Fault) -> bytes:
        return _event("error", error={"type": "overloaded_error", "message": "Overloaded"})

    def limits(self, limit: int, remaining: int) -> dict[str, str]:
        return {
            "anthropic-ratelimit-requests-limit": str(limit),
            "anthropic-ratelimit-requests-remaining": str(remaining),
            "anthropic-ratelimit-requests-reset": "2999-01-01T00:00:00Z",
            "anthropic-ratelimit-tokens-limit": "150000000",
            "anthropic-ratelimit-tokens-remaining": "149984000",
            "anthropic-ratelimit-tokens-reset": "2020-01-01T00:00:00Z",
        }


def _message(ask: Ask, answer: Answer) -> dict[str, Any]:
    """Their `input_tokens` are those that came from no cache."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer.tokens_in - answer.tokens_cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": answer.tokens_cached,
            "output_tokens": answer.tokens_out + answer.thoughts,
        },
    }


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()
