"""The page's own files, read once: no path of a request ever becomes a path on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.responses import Response

_FOLDER: Final = Path(__file__).parent / "page"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    media_type: str
    etag: str

    def response(self, if_none_match: str | None = None, status: int = 200) -> Response:
        """The file, or 304 where the browser has it. It always asks: an upgraded daemon must not meet an old page."""
        headers = {"etag": self.etag, "cache-control": "no-cache"}
        if status == 200 and if_none_match == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.body, status_code=status, media_type=self.media_type, headers=headers)


def load_assets() -> dict[str, Asset]:
    """Every file of the page by its name."""
    assets = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            etag = '"' + hashlib.sha256(body).hexdigest()[:24] + '"'
            assets[path.name] = Asset(body, _TYPES[path.suffix], etag)
    return assets
