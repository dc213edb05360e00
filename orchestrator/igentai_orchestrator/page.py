"""How the page is opened: who may, where it listens, and what is written down for browsers and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from igentai.errors import ConfigurationError
from igentai_orchestrator.doorplate import Doorplate
from igentai_orchestrator.face import Face
from igentai_orchestrator.page_names import EVERYWHERE, in_address, names_of, page_tls
from igentai_orchestrator.shell.web.app import create_app
from igentai_orchestrator.shell.web.serving import serve
from igentai_orchestrator.tls import is_loopback

if TYPE_CHECKING:
    from igentai_orchestrator.run import Daemon

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Page:
    """The served page: its address, the one that signs a browser in, once, how to end it, and how to have it read a
    renewed certificate.
    """

    address: str
    sign_in: str
    stop: Callable[[], None]
    reload_certificate: Callable[[], None]


async def open_page(daemon: Daemon, group: asyncio.TaskGroup, port: int, doorplate: Doorplate) -> Page:
    """Serve the page and put up the doorplate.

    Raises:
        ConfigurationError: another address than loopback with neither TLS nor `--insecure`, or `--no-auth` on one; a
            certificate that cannot be used.
        OutputsBusy: the port is taken.
    """
    settings = daemon.settings
    local = is_loopback(settings.host)
    tls = page_tls(settings.page_cert, settings.page_key)
    if not local and tls is None and not settings.insecure:
        raise ConfigurationError(
            f"the page on {settings.host} would travel unencrypted; set page_cert and page_key, keep host = 127.0.0.1 "
            "behind a proxy with TLS, or say --insecure"
        )
    if not local and not settings.auth:
        raise ConfigurationError("--no-auth is for loopback alone; leave it out or listen on 127.0.0.1")
    token = doorplate.token() if settings.auth else None
    names = names_of(settings.host, tls, settings.page_hosts)
    app = create_app(Face(daemon), token=token, allowed_hosts={*names, *LOOPBACK}, insecure=not local and tls is None)
    server = await serve(
        app, settings.host, port, group, certificate=tls.cert if tls else None, key=tls.key if tls else None
    )
    scheme = "https" if tls else "http"
    address = f"{scheme}://{in_address(names[0])}:{server.port}"
    code = f"/?token={app.state.access.one_time_code()}" if token else "/"
    here = "127.0.0.1" if settings.host in EVERYWHERE else settings.host
    doorplate.put_up(f"{scheme}://{in_address(here)}:{server.port}", token, address + code, tls.cert if tls else None)
    return Page(address, address + code, server.stop, server.reload_certificate)
