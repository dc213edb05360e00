"""What a double did, and the file it keeps of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Served:
    """One request and what became of it: `delivered` whole, `broken` by us on purpose, `abandoned` by the client,
    `refused`.

    `tokens_out` and `cost_usd` are of what was written to the client; a provider charges for that in any case.
    """

    index: int
    at: float
    model: str
    prompt_hash: str
    stream: bool
    prompt: str = field(default="", repr=False)
    outcome: str = "refused"
    status: int = 0
    fault: str | None = None
    items: list[str] = field(default_factory=list, repr=False)
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost_usd: float = 0.0


class Ledger:
    """One JSON line a request, appended in one write when the request is over; no file where `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def append(self, api: str, served: Served) -> None:
        if self._file is not None:
            line = {"api": api, **asdict(served)}
            del line["prompt"]
            os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
