"""`igentai status`, `start`, `stop` and `resume`: said to the running daemon."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer

from igentai.errors import UsageError
from igentai_orchestrator.commands import flags as flag
from igentai_orchestrator.commands.configuration import configured
from igentai_orchestrator.commands.existing import folder_of


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing it until Ctrl-C.")] = False,
    outputs: flag.Outputs = None,
    as_json: flag.Json = False,
    config: flag.Config = None,
) -> None:
    """What the running daemon is doing.

    [bold]Examples[/bold]

    igentai status --watch
    igentai status --json
    """
    from igentai_orchestrator.client import Client
    from igentai_orchestrator.progress import line
    from igentai_orchestrator.watching import read, watch_status

    settings = configured(outputs=outputs, config=config)
    if watch:
        watch_status(settings.outputs, as_json=as_json)
    document = read(Client(settings.outputs))
    running = document.get("topic")
    if as_json:
        typer.echo(orjson.dumps(document).decode())
        return
    typer.echo(f"daemon {document['version']} · pid {document['pid']} · {len(document['producers'])} producers")
    if running:
        typer.echo(f"{running['topic']}: {line(document['metrics'])}")
    else:
        typer.echo("no topic is running")
    for queued in document["queue"]:
        typer.echo(f"waiting: {queued}")
    for alert in document["alerts"]:
        typer.echo(f"{alert['level']}: {alert['text']}")


def start(
    topic: Annotated[str, typer.Argument(help="What to list.")],
    provider: flag.Providers = None,
    producers: flag.Producers = None,
    max_attributes: flag.MaxAttributes = None,
    max_requests: flag.MaxRequests = None,
    budget: flag.Budget = None,
    max_minutes: flag.MaxMinutes = None,
    prompt: flag.Prompt = None,
    request_size: flag.RequestSize = None,
    overwrite: flag.Overwrite = False,
    resume: flag.Resume = False,
    outputs: flag.Outputs = None,
    config: flag.Config = None,
) -> None:
    """Have the running daemon start a topic, or queue it."""
    from igentai_orchestrator.client import Client

    client = Client(configured(outputs=outputs, config=config).outputs)
    body = {
        "topic": topic, "providers": provider or None, "producers": producers, "max_attributes": max_attributes,
        "max_requests": max_requests, "budget": budget, "max_minutes": max_minutes, "prompt": prompt,
        "request_size": request_size, "overwrite": overwrite, "resume": resume,
    }  # fmt: skip
    row = client.post("/api/topics", {name: value for name, value in body.items() if value is not None})
    typer.echo(f"{row['id']}: {row.get('status', 'queued')}")


def stop(
    topic: Annotated[str | None, typer.Argument(help="Folder of the topic. [default: the running one]")] = None,
    outputs: flag.Outputs = None,
    config: flag.Config = None,
) -> None:
    """Have the running daemon end a topic; what is under way gets a few seconds."""
    from igentai_orchestrator.client import Client

    settings = configured(outputs=outputs, config=config)
    client = Client(settings.outputs)
    running = client.get("/api/status").get("topic")
    name = topic or (running["id"] if running else None)
    if name is None:
        raise UsageError("no topic is running; `igentai topics` lists what there is")
    row = client.post(f"/api/topics/{name}/stop")
    typer.echo(f"{row['id']}: stopping")


def resume(
    topic: Annotated[str, typer.Argument(help="A topic, or the name of its folder.")],
    outputs: flag.Outputs = None,
    config: flag.Config = None,
) -> None:
    """Have the running daemon go on with a topic that ended."""
    from igentai_orchestrator.client import Client

    settings = configured(outputs=outputs, config=config)
    row = Client(settings.outputs).post(f"/api/topics/{folder_of(topic, settings)}/resume")
    typer.echo(f"{row['id']}: {row.get('status', 'queued')}")
