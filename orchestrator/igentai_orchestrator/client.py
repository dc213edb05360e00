"""Talks to a running daemon over its HTTP API, as `igentai status` and its kin do."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx2

from igentai.errors import ConfigurationError, IgentaiError
from igentai_orchestrator.doorplate import find

TIMEOUT_S = 10.0


def trusting(certificate: Path) -> ssl.SSLContext:
    """TLS to whoever holds the key of this very certificate, under whatever name it is reached.

    Raises:
        ConfigurationError: it cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is known, no authority vouches for a name
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        first, end, _ = certificate.read_text().partition("-----END CERTIFICATE-----")
        context.load_verify_locations(cadata=first + end + "\n")
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise ConfigurationError(f"the certificate of the page, {certificate}, cannot be read: {error}") from None
    return context


class Client:
    """The daemon that works in `outputs`.

    Raises:
        ConfigurationError: none does, or it serves no page.
    """

    def __init__(self, outputs: Path) -> None:
        found = find(outputs)
        if found is None:
            raise ConfigurationError(
                f"no daemon with a page works in {outputs}; start one with `igentai orchestrator -p 8080`, "
                "or say --outputs"
            )
        headers = {"Authorization": f"Bearer {found.token}"} if found.token else {}
        verify = trusting(found.certificate) if found.certificate else True
        self._http = httpx2.Client(
            base_url=found.address, headers=headers, timeout=TIMEOUT_S, trust_env=False, verify=verify
        )
        self._outputs = outputs
        self.pid = found.pid

    def get(self, path: str) -> Any:
        return self._said("GET", path, None)

    def post(self, path: str, body: Any = None) -> Any:
        return self._said("POST", path, body if body is not None else {})

    def patch(self, path: str, body: Any) -> Any:
        return self._said("PATCH", path, body)

    def _said(self, method: str, path: str, body: Any) -> Any:
        """The reply's document.

        Raises:
            IgentaiError: the daemon said no, in its own words, or does not answer.
        """
        try:
            reply = self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise ConfigurationError(
                f"the daemon (pid {self.pid}) of {self._outputs} does not answer: {error}; is it still running?"
            ) from None
        if reply.is_success:
            return reply.json()
        try:
            said = str(reply.json()["error"])
        except (ValueError, KeyError, TypeError):
            said = f"HTTP {reply.status_code}"
        raise IgentaiError(said)
