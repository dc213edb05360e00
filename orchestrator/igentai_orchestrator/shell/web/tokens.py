"""Who may use the page and the API.

One token for the daemon. A program sends it (`Authorization: Bearer …`). A browser opens an address that holds a
one-time code and gets a cookie, so that the token itself is in no address bar, no history and no script's reach:
the cookie is a MAC of the token, HttpOnly and SameSite=Strict, and stays good while the token does, also across a
restart of the daemon.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum
from typing import Final

COOKIE_DAYS: Final = 30
_MAX_CODES: Final = 16


class Credential(Enum):
    """What a request proved itself with."""

    NOT_NEEDED = 0
    TOKEN = 1
    COOKIE = 2


class Access:
    """The daemon's token and what follows from it. `token` None: everyone is let in (loopback, `--no-auth`)."""

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()
        self._codes: OrderedDict[str, None] = OrderedDict()
        seed = self._token or b""
        # Named after the token: cookies are shared by all ports of a host, and two daemons must not fight over one.
        self.cookie_name: Final = "igentai_" + hashlib.sha256(b"cookie name" + seed).hexdigest()[:8]
        self._cookie_value: Final = hmac.new(seed, b"igentai page session 1", hashlib.sha256).hexdigest()

    @property
    def needed(self) -> bool:
        return self._token is not None

    def credential(self, authorization: str | None, cookies: Mapping[str, str]) -> Credential | None:
        """What the request proved, None where that is nothing. A wrong token is not excused by a good cookie."""
        if self._token is None:
            return Credential.NOT_NEEDED
        if authorization is not None:
            scheme, _, given = authorization.partition(" ")
            right = scheme.lower() == "bearer" and _same(given.strip().encode(), self._token)
            return Credential.TOKEN if right else None
        given_cookie = cookies.get(self.cookie_name)
        if given_cookie is not None and _same(given_cookie.encode(), self._cookie_value.encode()):
            return Credential.COOKIE
        return None

    def one_time_code(self) -> str:
        """A code for an address that signs one browser in, once. The 16 newest are kept."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = None
        while len(self._codes) > _MAX_CODES:
            self._codes.popitem(last=False)
        return code

    def redeem(self, given: str) -> bool:
        """Whether `?token=` is a code not used so far (it is now), or the token itself."""
        if self._token is None:
            return True
        for code in list(self._codes):
            if _same(given.encode(), code.encode()):
                del self._codes[code]
                return True
        return _same(given.encode(), self._token)

    def cookie(self, *, secure: bool) -> str:
        """The value of a Set-Cookie header. `secure` where the page came over TLS."""
        parts = [
            f"{self.cookie_name}={self._cookie_value}",
            "Path=/",
            f"Max-Age={COOKIE_DAYS * 86_400}",
            "HttpOnly",
            "SameSite=Strict",
        ]
        return "; ".join([*parts, "Secure"] if secure else parts)


def _same(given: bytes, wanted: bytes) -> bool:
    return hmac.compare_digest(given, wanted)
