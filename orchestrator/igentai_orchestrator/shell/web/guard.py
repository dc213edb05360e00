"""The gate before every request and every WebSocket.

    refused with                  when
    403                           the Host header is missing or not on the allow-list
    403                           a write or a WebSocket from a page of another origin
    403                           a write or a WebSocket with the cookie and without an Origin header
    401                           no good token and no good cookie, but for the page's own files and the health checks
    413                           a body above 64 KiB
    500                           a fault of ours; its text is in the log alone

A request without an Origin header comes from a program, not from a browser; it needs the token, not the cookie.
Everything that is answered carries the security headers.
"""

from __future__ import annotations

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from igentai_orchestrator.shell.web.origins import AllowedHosts, same_origin
from igentai_orchestrator.shell.web.replies import json_bytes
from igentai_orchestrator.shell.web.tokens import Access, Credential

MAX_BODY_BYTES: Final = 64 * 1024

SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

_READING: Final = frozenset({"GET", "HEAD"})
# The page's own files hold nothing of a run; "/" itself answers 401 with a page that says how to sign in.
OPEN_PATHS: Final = frozenset({"/", "/healthz", "/readyz", "/favicon.svg"})
_OPEN_FOLDER: Final = "/page/"

log = structlog.get_logger("igentai.web")


class Refusal(HTTPException):
    """A request that goes no further; `detail` is one line for people.

    An HTTPException, because FastAPI takes any other error while it reads a body for a broken body.
    """


class Guard:
    """ASGI middleware; pure per request, so that it can be tested as a table."""

    def __init__(self, app: ASGIApp, access: Access, allowed_hosts: Iterable[str]) -> None:
        self._app = app
        self._access = access
        self._hosts = AllowedHosts(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, receive, send)
        try:
            self.check(scope)
            await self._app(scope, passage.receive, passage.send)
        except Refusal as refusal:
            await passage.refuse(refusal)
        except Exception as fault:
            # The last line: nothing a client sends may end a connection task with a traceback on its wire.
            log.error("web.request_failed", method=scope.get("method", "WEBSOCKET"), exc_info=fault)
            await passage.refuse(Refusal(500, "the daemon failed to answer this request; the reason is in its log"))

    def check(self, scope: Scope) -> None:
        """Raise `Refusal` for a request that may not pass."""
        headers = Headers(scope=scope)
        reading = scope["type"] == "http" and scope["method"] in _READING
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.host_allowed(hosts[0]):
            raise Refusal(403, "the daemon does not answer to this host name; use an address it was started with")
        origin = headers.get("origin")
        if not reading and origin is not None and not same_origin(origin, hosts[0]):
            raise Refusal(403, "requests from pages of other origins are refused")
        credential = self._access.credential(headers.get("authorization"), _cookies(headers))
        if credential is None and not _open(scope["path"], reading):
            raise Refusal(401, "a token is needed: send Authorization: Bearer, or open the address the daemon printed")
        if credential is Credential.COOKIE and not reading and origin is None:
            raise Refusal(403, "a write with the cookie needs an Origin header; programs send the token instead")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 15 or int(length) > MAX_BODY_BYTES:
            raise Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")


class _Passage:
    """One request on its way through: counts its body, adds the headers, answers refusals."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._received = 0
        self._answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > MAX_BODY_BYTES:
                raise Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        if message["type"] != "websocket.receive":
            self._answered = True
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if self._answered:
            return
        body = json_bytes({"error": refusal.detail})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if refusal.status_code == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if refusal.status_code == 413:
            # The rest of the body is still on its way and nobody will read it.
            headers.append((b"connection", b"close"))
        prefix = "http"
        if self._scope["type"] == "websocket":
            if "websocket.http.response" not in self._scope.get("extensions", {}):
                await self._send({"type": "websocket.close", "code": 1008})
                return
            prefix = "websocket.http"
        await self.send({"type": f"{prefix}.response.start", "status": refusal.status_code, "headers": headers})
        await self.send({"type": f"{prefix}.response.body", "body": body})


def _open(path: str, reading: bool) -> bool:
    return reading and (path in OPEN_PATHS or path.startswith(_OPEN_FOLDER))


def _cookies(headers: Headers) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load("; ".join(headers.getlist("cookie")))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}
