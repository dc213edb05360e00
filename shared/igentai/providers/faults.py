"""From what an HTTP reply says to the `ProviderError` it means. Pure, and the same for all providers.

Read from the status, the headers and the body, not from the exceptions of the SDKs: those differ, change, and carry
the request (and so the prompt) with them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from igentai.errors import FailureKind, ProviderError
from igentai.providers.rate_headers import advised_wait_s, duration_s, rate_headers, retry_after_s
from igentai.providers.scrubbing import scrub

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KINDS: Final = {
    401: FailureKind.KEY,
    402: FailureKind.QUOTA,
    403: FailureKind.KEY,
    404: FailureKind.MODEL,
    405: FailureKind.MODEL,
    408: FailureKind.TIMEOUT,
    409: FailureKind.RESET,
    410: FailureKind.MODEL,
    425: FailureKind.SERVER,
    429: FailureKind.RATE_LIMITED,
    498: FailureKind.SERVER,  # Groq: flex capacity exceeded
}

# Errors inside a stream that began with 200 have no status of their own; Anthropic, OpenAI and Google name them.
_NAMED: Final = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "insufficient_quota": 429,
    "authentication_error": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "billing_error": 402,
    "not_found_error": 404,
    "not_found": 404,
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "request_too_large": 413,
    "timeout_error": 408,
    "deadline_exceeded": 408,
    "api_error": 500,
    "server_error": 500,
    "internal": 500,
    "unavailable": 503,
    "overloaded_error": 529,
}

_QUOTA_CODES: Final = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded", "billing_error"}
)
_DAILY: Final = re.compile(r"per[ _-]?day|daily|\b[RT]PD\b", re.IGNORECASE)
_MONEY: Final = re.compile(
    r"credit balance is too low|insufficient (?:balance|credits|quota|funds)|out of credits|billing hard limit",
    re.IGNORECASE,
)
_SPENT: Final = re.compile(r"exceeded your current quota", re.IGNORECASE)
_BAD_KEY: Final = re.compile(r"api key (?:not valid|expired|not found)|invalid api key|location is not supported", re.I)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error object said: its text, its code, type and status in lower case, and Google's details."""

    message: str = ""
    names: frozenset[str] = frozenset()
    number: int | None = None
    details: tuple[Mapping[str, Any], ...] = ()


def error_body(body: bytes) -> ErrorBody | None:
    """The error object in a JSON document, in a list of one, or in the last event of a stream that has one."""
    text = body.decode("utf-8", "replace").strip()
    documents = [text] if text[:1] in ("{", "[") else [ln[5:] for ln in reversed(text.split("\n")) if ln[:5] == "data:"]
    for document in documents:
        found = _error_in(document)
        if found is not None:
            return found
    return None


def http_fault(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    provider: str,
    now: float,
    secrets: Iterable[str] = (),
    prompt: str = "",
) -> ProviderError:
    """The error of a reply whose status is not 2xx.

    Args:
        status: of HTTP.
        headers: of the reply.
        body: of the reply, or what came of it.
        provider: the name people know it by.
        now: Unix time in seconds, for waits that are given as dates.
        secrets: values that must not show in the detail.
        prompt: what was sent, which must not show either.
    """
    said = error_body(body) or ErrorBody(message=_plain_text(body))
    kind = _kind(status, said)
    detail = scrub(f"{provider}: HTTP {status}: {said.message or _meaning(kind)}", secrets, prompt)
    limits = rate_headers(headers, now)
    return ProviderError(kind, detail, status=status, retry_after_s=_wait_s(headers, said, now), limits=limits)


def stream_fault(
    said: ErrorBody,
    headers: Mapping[str, str],
    *,
    provider: str,
    now: float,
    secrets: Iterable[str] = (),
    prompt: str = "",
) -> ProviderError:
    """The error of a reply that began with 200 and then held an error object instead of text."""
    status = said.number if said.number and 400 <= said.number < 600 else None
    status = status or next((_NAMED[name] for name in sorted(said.names) if name in _NAMED), 500)
    kind = _kind(status, said)
    detail = scrub(f"{provider}: {said.message or _meaning(kind)}", secrets, prompt)
    return ProviderError(kind, detail, status=status, retry_after_s=_wait_s(headers, said, now))


def _kind(status: int, said: ErrorBody) -> FailureKind:
    if status == 429 and _is_quota(said):
        return FailureKind.QUOTA
    if status in (400, 422):
        return _kind_of_refused(said)
    if status in _KINDS:
        return _KINDS[status]
    if status >= 500:
        return FailureKind.SERVER
    # Redirects are not followed: the address in the configuration is not that of an API.
    return FailureKind.MODEL if status < 400 else FailureKind.REFUSED


def _kind_of_refused(said: ErrorBody) -> FailureKind:
    """Providers answer 400 also for a bad key (Google), an empty account (Anthropic) and an unknown model (several)."""
    reasons = {str(detail.get("reason", "")).lower() for detail in said.details}
    if "api_key_invalid" in reasons or _BAD_KEY.search(said.message):
        return FailureKind.KEY
    if said.names & _QUOTA_CODES or _MONEY.search(said.message):
        return FailureKind.QUOTA
    if said.names & {"model_not_found", "model_not_available"}:
        return FailureKind.MODEL
    return FailureKind.REFUSED


def _is_quota(said: ErrorBody) -> bool:
    """Whether waiting a moment cannot help: an empty account or a day's allowance.

    Google says "exceeded your current quota" of a minute's limit too; there the id of the quota tells.
    """
    if said.names & _QUOTA_CODES or _MONEY.search(said.message):
        return True
    quotas = [str(violation.get("quotaId", "")) for violation in _violations(said)]
    if any(quotas):
        return any(_DAILY.search(quota) for quota in quotas)
    if _DAILY.search(said.message):
        return True
    return bool(_SPENT.search(said.message)) and _advice(said) is None


def _violations(said: ErrorBody) -> list[Mapping[str, Any]]:
    lists = [detail.get("violations") for detail in said.details]
    return [v for found in lists if isinstance(found, list) for v in found if isinstance(v, dict)]


def _advice(said: ErrorBody) -> float | None:
    """Seconds to wait as the body says: Google's RetryInfo, or words."""
    for detail in said.details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (wait := duration_s(delay)) is not None:
            return wait
    return advised_wait_s(said.message)


def _wait_s(headers: Mapping[str, str], said: ErrorBody, now: float) -> float | None:
    wait = retry_after_s(headers, now)
    return wait if wait is not None else _advice(said)


def _error_in(document: str) -> ErrorBody | None:
    try:
        data = json.loads(document)
    except (ValueError, RecursionError):
        return None
    if isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, dict):
        return None
    error = data.get("error", data if data.get("object") == "error" else None)
    if isinstance(error, str):
        return ErrorBody(message=error)
    if not isinstance(error, dict):
        message = data.get("message", data.get("detail"))
        return ErrorBody(message=message) if isinstance(message, str) else None
    return _read(error)


def _read(error: Mapping[str, Any]) -> ErrorBody:
    said = [error.get(name) for name in ("code", "type", "status")]
    code = error.get("code")
    message = error.get("message")
    details = error.get("details")
    return ErrorBody(
        message=message if isinstance(message, str) else "",
        names=frozenset(value.lower() for value in said if isinstance(value, str)),
        number=code if isinstance(code, int) else None,
        details=tuple(d for d in details if isinstance(d, dict)) if isinstance(details, list) else (),
    )


def _plain_text(body: bytes) -> str:
    """The body of an error that is no JSON: the title of a page, or its words."""
    text = body[:4096].decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return title[1] if title else re.sub(r"<[^>]*>", " ", text)


def _meaning(kind: FailureKind) -> str:
    return kind.value.replace("_", " ")
