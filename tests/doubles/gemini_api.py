"""Google's Gemini API, as documented at ai.google.dev/api/generate-content."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.doubles.answers import Answer, Ask, tokens
from tests.doubles.script import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.doubles.http import Request

FINISHES = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
ERRORS: dict[str, tuple[int, str, str]] = {
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing"),
    "quota": (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted: insufficient credits"),
    "day_quota": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing"),
    "key": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key"),
    "forbidden": (403, "PERMISSION_DENIED", "Your API key was reported as leaked"),
    "payment": (402, "FAILED_PRECONDITION", "Billing is not enabled"),
    "model": (404, "NOT_FOUND", "models/none is not found for API version v1beta"),
    "bad_request": (400, "INVALID_ARGUMENT", "Unable to submit request because it has an empty text parameter"),
    "too_large": (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit"),
    "request_timeout": (408, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete"),
    "conflict": (409, "ABORTED", "The operation was aborted"),
    "server": (500, "INTERNAL", "An internal error has occurred"),
    "unavailable": (503, "UNAVAILABLE", "The model is overloaded. Please try again later"),
    "overloaded": (529, "UNAVAILABLE", "Overloaded"),
}
_QUOTAS = {
    "rate_limit": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
    "day_quota": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
}
_PATH = re.compile(r"/v1beta/models/([^:/]+):(generateContent|streamGenerateContent\?alt=sse)")


class GeminiApi:
    name = "gemini"
    base_path = ""
    model = "gemini-2.5-flash-lite"

    def ask(self, request: Request) -> Ask | None:
        """The request in our words; None where nothing is to be generated."""
        path = _PATH.fullmatch(request.path)
        if request.method != "POST" or path is None:
            return None
        body = json.loads(request.body)
        said = [(c["role"].replace("model", "assistant"), _text(c)) for c in body["contents"]]
        system = [("system", _text(body["systemInstruction"]))] if body.get("systemInstruction") else []
        return Ask(
            model=path[1],
            messages=(*system, *said),
            max_tokens=body.get("generationConfig", {}).get("maxOutputTokens"),
            stream=path[2].startswith("stream"),
            key=request.headers.get("x-goog-api-key"),
        )

    def plain(self, ask: Ask, answer: Answer, usage: bool) -> dict[str, Any]:
        reply = _reply(ask, answer.text, FINISHES[answer.finish], thought=answer.thoughts > 0)
        return {**reply, "usageMetadata": _usage(answer, answer.tokens_out)} if usage else reply

    def events(self, ask: Ask, answer: Answer, usage: bool) -> Iterator[tuple[str, bytes]]:
        """(what has been said by it, bytes) of a stream."""
        said = ""
        for piece in answer.pieces:
            said += piece
            counts = {"usageMetadata": _usage(answer, tokens(said))} if usage else {}
            yield piece, _event({**_reply(ask, piece, None), **counts})
        counts = {"usageMetadata": _usage(answer, answer.tokens_out)} if usage else {}
        yield "", _event({**_reply(ask, "", FINISHES[answer.finish]), **counts})

    def error(self, fault: Fault, text: str) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        status, name, message = ERRORS[fault.name]
        details: list[dict[str, Any]] = []
        if fault.name == "key":
            details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"})
        if fault.name in _QUOTAS:
            violation = {"quotaMetric": "generate_content_free_tier_requests", "quotaId": _QUOTAS[fault.name]}
            details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]})
        if fault.wait_s is not None and fault.wait_as == "body":
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fault.wait_s:g}s"}
            details.append(retry)
        return status, {"error": {"code": status, "message": f"{message}. {text}", "status": name, "details": details}}

    def error_event(self, fault: Fault) -> bytes:
        return _event(self.error(Fault("unavailable"), "")[1])

    def limits(self, limit: int, remaining: int) -> dict[str, str]:
        return {}


def _text(content: dict[str, Any]) -> str:
    return "".join(part["text"] for part in content["parts"])


def _reply(ask: Ask, text: str, finish: str | None, *, thought: bool = False) -> dict[str, Any]:
    thoughts = [{"text": "Let me think of some.", "thought": True}] if thought else []
    candidate: dict[str, Any] = {"content": {"parts": [*thoughts, {"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": ask.model, "responseId": "r1"}


def _usage(answer: Answer, tokens_out: int) -> dict[str, int]:
    return {
        "promptTokenCount": answer.tokens_in,
        "cachedContentTokenCount": answer.tokens_cached,
        "candidatesTokenCount": tokens_out,
        "thoughtsTokenCount": answer.thoughts,
        "totalTokenCount": answer.tokens_in + tokens_out + answer.thoughts,
    }


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\r\n\r\n".encode()
