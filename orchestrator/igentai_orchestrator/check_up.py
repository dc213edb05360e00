"""What `igentai doctor` and `igentai providers` look at."""

from __future__ import annotations

import platform
import shutil
import sys
from typing import Any, Final
from urllib.parse import urlsplit

from igentai.errors import IgentaiError
from igentai.providers import embedded
from igentai_orchestrator.choice import LOOPBACK, choose, served_model
from igentai_orchestrator.known_providers import KNOWN
from igentai_orchestrator.settings import Settings
from igentai_orchestrator.shell.archive import Archive

ROOM_BYTES: Final = 200 << 20


def provider_rows(settings: Settings) -> list[dict[str, Any]]:
    """Every provider that igentai knows or igentai.toml names, and whether it can be asked from here."""
    rows = []
    for name in dict.fromkeys([*KNOWN, *settings.providers]):
        model = settings.default_model(name)
        try:
            spec = settings.provider(name)
        except IgentaiError as error:
            rows.append({"name": name, "usable": False, "model": model, "detail": str(error)})
            continue
        usable, detail = True, host_of(spec.base_url) if spec.base_url else "at its own address"
        if name == "embedded":
            missing = embedded.available()
            usable, detail = missing is None, missing or embedded.BANNER
        elif name == "simulated":
            detail = "a made-up world for tests and demonstrations"
        elif name in LOOPBACK:
            model = served_model(name, settings)
            usable, detail = model is not None, host_of(spec.base_url or "")
        rows.append({"name": name, "usable": usable, "model": model, "detail": detail})
    return rows


def host_of(address: str) -> str:
    """Scheme, host and port of an address: what else is in it may be a key."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        return "an address that cannot be read: say http(s)://host[:port][/path]"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def check_up(settings: Settings) -> list[dict[str, Any]]:
    """Findings: what was looked at, whether it is right, in words, and whether a run needs it."""
    return [
        _finding("Python", sys.version_info >= (3, 11), platform.python_version()),
        _finding("system", sys.platform == "linux", f"{platform.system()} {platform.release()}"),
        _outputs(settings),
        _room(settings),
        _models(settings),
        _embedded(),
    ]


def _outputs(settings: Settings) -> dict[str, Any]:
    archive = Archive(settings.outputs)
    try:
        archive.claim()
    except IgentaiError as error:
        return _finding("outputs", False, str(error))
    archive.release()
    return _finding("outputs", True, f"{settings.outputs} can be written")


def _room(settings: Settings) -> dict[str, Any]:
    folder = settings.outputs if settings.outputs.is_dir() else settings.outputs.absolute().parent
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    return _finding("room", free >= ROOM_BYTES, f"{free >> 20} MiB free, at least {ROOM_BYTES >> 20} wanted")


def _models(settings: Settings) -> dict[str, Any]:
    try:
        chosen = choose((), settings)
    except IgentaiError as error:
        return _finding("models", False, str(error))
    return _finding("models", True, ", ".join(m.key for m in chosen.models) + f" ({chosen.because})")


def _embedded() -> dict[str, Any]:
    missing = embedded.available()
    return _finding("embedded model", missing is None, missing or "installed", needed=False)


def _finding(what: str, ok: bool, detail: str, *, needed: bool = True) -> dict[str, Any]:
    return {"what": what, "ok": ok, "detail": detail, "needed": needed}
