"""Bodies of errors as the providers are known to send them, beyond those of the doubles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.errors import FailureKind
from igentai.providers.faults import error_body, http_fault, stream_fault

K = FailureKind


def fault(status: int, body: Any, headers: dict[str, str] | None = None) -> tuple[FailureKind, float | None, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = http_fault(status, headers or {}, raw, provider="acme", now=0.0)
    assert error.status == status
    return error.kind, error.retry_after_s, error.detail


def google(quota: str, delay: str | None) -> dict[str, Any]:
    details: list[dict[str, Any]] = [{"violations": [{"quotaMetric": "m", "quotaId": quota}]}]
    if delay:
        details.append({"retryDelay": delay})
    message = "You exceeded your current quota, please check your plan and billing details."
    return {"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}


def test_google_says_quota_of_a_minutes_limit_too() -> None:
    assert fault(429, google("GenerateRequestsPerMinutePerProject", "13s"))[:2] == (K.RATE_LIMITED, 13.0)
    assert fault(429, google("GenerateRequestsPerDayPerProject-FreeTier", "13s"))[:2] == (K.QUOTA, 13.0)
    assert fault(429, [google("GenerateRequestsPerMinutePerProject", None)])[:2] == (K.RATE_LIMITED, None)


def test_the_same_words_from_openai_mean_an_empty_account() -> None:
    message = "You exceeded your current quota, please check your plan and billing details."
    assert fault(429, {"error": {"message": message, "code": "insufficient_quota"}})[0] is K.QUOTA
    assert fault(429, {"error": {"message": message}})[0] is K.QUOTA
    assert fault(429, {"error": {"message": message + " Please retry in 20s."}})[:2] == (K.RATE_LIMITED, 20.0)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (429, "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000", K.RATE_LIMITED),
        (
            429,
            "Rate limit reached for model x on tokens per day (TPD): Limit 100000. Please try again in 7m12s",
            K.QUOTA,
        ),
        (429, "Rate limit exceeded: free-models-per-day", K.QUOTA),
        (429, "", K.RATE_LIMITED),
        (400, "Your credit balance is too low to access the Anthropic API.", K.QUOTA),
        (400, "API key expired. Please renew the API key.", K.KEY),
        (400, "User location is not supported for the API use.", K.KEY),
        (400, "This model's maximum context length is 8192 tokens.", K.REFUSED),
        (422, "Input should be a valid list", K.REFUSED),
        (402, "Insufficient Balance", K.QUOTA),
        (418, "I am a teapot", K.REFUSED),
        (502, "Bad gateway", K.SERVER),
        (599, "?", K.SERVER),
        (301, "", K.MODEL),
    ],
)
def test_kinds(status: int, message: str, kind: FailureKind) -> None:
    assert fault(status, {"error": {"message": message}})[0] is kind


@pytest.mark.parametrize(
    "body",
    [
        {"error": "model 'llama9' not found"},  # Ollama
        {"object": "error", "message": "model 'llama9' not found", "type": "NotFoundError", "code": 404},  # vLLM
        {"message": "model 'llama9' not found"},
        {"detail": "model 'llama9' not found"},
        [{"error": {"message": "model 'llama9' not found"}}],
        b"model 'llama9' not found",
        b"<html><head><title>model 'llama9' not found</title></head><body>nginx</body>",
    ],
)
def test_what_a_server_says_is_found_wherever_it_says_it(body: Any) -> None:
    assert fault(404, body) == (K.MODEL, None, "acme: HTTP 404: model 'llama9' not found")


def test_an_error_without_words_is_named() -> None:
    assert fault(503, b"")[2] == "acme: HTTP 503: server"


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, K.SERVER, 529),
        ({"type": "rate_limit_error"}, K.RATE_LIMITED, 429),
        ({"code": 502, "message": "Provider returned error"}, K.SERVER, 502),  # OpenRouter
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, K.RATE_LIMITED, 429),
        ({"code": "invalid_api_key", "type": "authentication_error"}, K.KEY, 401),
        ({"message": "who knows"}, K.SERVER, 500),
        ({"code": 1234}, K.SERVER, 500),
    ],
)
def test_errors_inside_a_stream(error: dict[str, Any], kind: FailureKind, status: int) -> None:
    body = b'event: x\ndata: {"id": 1}\n\ndata: ' + json.dumps({"error": error}).encode() + b"\n\n"
    said = error_body(body)
    assert said is not None
    found = stream_fault(said, {"retry-after": "4"}, provider="acme", now=0.0)
    assert (found.kind, found.status, found.retry_after_s) == (kind, status, 4.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "details", "violations", "quotaId", "retryDelay"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.integers(300, 999), JSON)
def test_any_body_is_understood_as_some_error(status: int, body: Any) -> None:
    kind, wait, detail = fault(status, body)
    assert kind in FailureKind
    assert wait is None or 0 <= wait < float("inf")
    assert 0 < len(detail) <= 200


@given(st.integers(300, 999), st.binary(max_size=200))
def test_any_bytes_are_understood_as_some_error(status: int, body: bytes) -> None:
    assert fault(status, body)[2].startswith("acme: HTTP ")


def test_deep_nesting_is_no_way_in() -> None:
    assert fault(500, b"[" * 100_000)[0] is K.SERVER
