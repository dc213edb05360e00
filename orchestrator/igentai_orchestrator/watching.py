"""`igentai status --watch`: the daemon's numbers, asked for every second until Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import orjson
import typer

from igentai.errors import IgentaiError
from igentai_orchestrator.client import Client
from igentai_orchestrator.live_view import LiveView

EVERY_S: Final = 1.0


def read(client: Client) -> dict[str, Any]:
    """The status document, with the metrics of the running topic under `metrics`."""
    document: dict[str, Any] = client.get("/api/status")
    if running := document.get("topic"):
        document["metrics"] = client.get(f"/api/topics/{running['id']}/metrics")
    return document


def watch_status(outputs: Path, *, as_json: bool) -> NoReturn:
    """Show what the daemon does, through its restarts, until a person ends it.

    `as_json`: one document a line.

    Raises:
        ConfigurationError: no daemon works in `outputs` now.
        typer.Abort: Ctrl-C.
    """
    client: Client | None = Client(outputs)
    document, note = read(Client(outputs)), ""
    view = LiveView()
    try:
        with _interrupts() as told:
            while not told:
                if not as_json:
                    view.show(_numbers(document), note or _waiting(document))
                elif not note:
                    typer.echo(orjson.dumps(document).decode())
                time.sleep(EVERY_S)
                try:
                    if client is None:  # one that was started again has another address
                        client = Client(outputs)
                    document, note = read(client), ""
                except IgentaiError:
                    client, note = None, "the daemon does not answer; trying again"
    except KeyboardInterrupt:
        pass
    finally:
        view.done()
    raise typer.Abort


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Every Ctrl-C so far. It raises KeyboardInterrupt as ever, but what is raised while an object is torn down ends
    nothing: a loop has to look here as well.
    """
    told: list[int] = []

    def tell(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, tell)
    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)


def _numbers(document: dict[str, Any]) -> dict[str, Any]:
    """What there is to show, as in metrics.json."""
    if document.get("topic"):
        return document.get("metrics") or {}
    alone = {"topic": "no topic is running", "status": "idle", "elapsed_s": document.get("uptime_s")}
    return alone | {"producers": document.get("producers"), "alerts": document.get("alerts")}


def _waiting(document: dict[str, Any]) -> str:
    queue = document.get("queue") or []
    return f"waiting: {', '.join(queue)}" if queue else ""
