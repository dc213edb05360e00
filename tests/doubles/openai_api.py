"""OpenAI's chat completions, as documented at platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.doubles.answers import Answer, Ask
from tests.doubles.script import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.doubles.http import Request

FINISHES = {"stop": "stop", "length": "length", "refusal": "content_filter"}
ERRORS: dict[str, tuple[int, str, str | None, str]] = {
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests per min (RPM)"),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan",
    ),
    "day_quota": (429, "requests", "rate_limit_exceeded", "Rate limit reached on requests per day (RPD): Limit 200"),
    "key": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided"),
    "forbidden": (403, "invalid_request_error", "unsupported_country", "Country, region, or territory not supported"),
    "payment": (402, "billing", None, "Insufficient credits"),
    "model": (404, "invalid_request_error", "model_not_found", "The model does not exist or you do not have access"),
    "bad_request": (400, "invalid_request_error", "invalid_value", "Unsupported value"),
    "too_large": (413, "invalid_request_error", None, "Request too large"),
    "request_timeout": (408, "timeout", None, "Request timed out"),
    "conflict": (409, "conflict", None, "Conflict"),
    "server": (500, "server_error", None, "The server had an error while processing your request"),
    "unavailable": (503, "service_unavailable", None, "That model is currently overloaded with other requests"),
    "overloaded": (529, "overloaded", None, "Overloaded"),
}


class OpenAIApi:
    name = "openai"
    base_path = "/v1"
    model = "gpt-4o-mini"

    def __init__(self) -> None:
        self.extra_usage: dict[str, Any] = {}  # laid over the usage: what compatible servers add

    def ask(self, request: Request) -> Ask | None:
        """The request in our words; None where it is no chat completion."""
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            return None
        body = json.loads(request.body)
        return Ask(
            model=body["model"],
            messages=tuple((m["role"], m["content"]) for m in body["messages"]),
            max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
            stream=body.get("stream", False),
            key=request.headers.get("authorization", "").removeprefix("Bearer ") or None,
            usage_wanted=bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def plain(self, ask: Ask, answer: Answer, usage: bool) -> dict[str, Any]:
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        reply = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": ask.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": FINISHES[answer.finish]}],
        }
        return {**reply, "usage": self._usage(answer)} if usage else reply

    def events(self, ask: Ask, answer: Answer, usage: bool) -> Iterator[tuple[str, bytes]]:
        """(what has been said by it, bytes) of a stream."""
        yield "", _chunk(ask, {"role": "assistant", "content": ""})
        for piece in answer.pieces:
            yield piece, _chunk(ask, {"content": piece})
        yield "", _chunk(ask, {}, finish=FINISHES[answer.finish])
        if usage and ask.usage_wanted:
            yield "", _event({**_frame(ask), "choices": [], "usage": self._usage(answer)})
        yield "", b"data: [DONE]\n\n"

    def error(self, fault: Fault, text: str) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        status, kind, code, message = ERRORS[fault.name]
        if fault.wait_s is not None and fault.wait_as == "body":
            text += f" Please try again in {fault.wait_s:g}s."
        return status, {"error": {"message": f"{message}. {text}".strip(), "type": kind, "param": None, "code": code}}

    def error_event(self, fault: Fault) -> bytes:
        return _event(self.error(Fault("overloaded"), "")[1])

    def _usage(self, answer: Answer) -> dict[str, Any]:
        return {**_usage(answer), **self.extra_usage}

    def limits(self, limit: int, remaining: int) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": str(limit),
            "x-ratelimit-remaining-requests": str(remaining),
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-limit-tokens": "150000000",
            "x-ratelimit-remaining-tokens": "149984000",
            "x-ratelimit-reset-tokens": "20ms",
        }


def _usage(answer: Answer) -> dict[str, Any]:
    out = answer.tokens_out + answer.thoughts
    return {
        "prompt_tokens": answer.tokens_in,
        "completion_tokens": out,
        "total_tokens": answer.tokens_in + out,
        "prompt_tokens_details": {"cached_tokens": answer.tokens_cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.thoughts},
    }


def _frame(ask: Ask) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": ask.model}


def _chunk(ask: Ask, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event({**_frame(ask), "choices": [choice], "usage": None})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
