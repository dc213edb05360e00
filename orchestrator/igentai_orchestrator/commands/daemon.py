"""`igentai status`, `start`, `stop` and `resume`: said to the running daemon."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from igentai.errors import UsageError
from igentai_orchestrator.commands import flags as flag
from igentai_orchestrator.commands.configuration import configured
from igentai_orchestrator.commands.existing import folder_of

if TYPE_CHECKING:
    from igentai_orchestrator.commission import Commission


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
    until_coverage: flag.UntilCoverage = None,
    min_yield: flag.MinYield = None,
    saturation: flag.Saturation = True,
    prompt: flag.Prompt = None,
    request_size: flag.RequestSize = None,
    concurrency: flag.Concurrency = None,
    temperature: flag.Temperature = None,
    optimise: flag.OptimiseFor = flag.Optimise.cost,
    policy: flag.PolicyName = flag.PolicyChoice.learned,
    partition: flag.Partition = flag.PartitionChoice.auto,
    categories: flag.Categories = None,
    verify: flag.Verify = False,
    near_duplicates: flag.NearDuplicates = flag.Near.group,
    seed: flag.Seed = 0,
    overwrite: flag.Overwrite = False,
    resume: flag.Resume = False,
    outputs: flag.Outputs = None,
    config: flag.Config = None,
) -> None:
    """Have the running daemon start a topic, or queue it.

    [bold]Examples[/bold]

    igentai start "sci-fi movies" --max-requests 200
    igentai start cities --provider openai:gpt-4o-mini --budget 0.50
    """
    from igentai_orchestrator.client import Client
    from igentai_orchestrator.commission import Commission, read_categories

    client = Client(configured(outputs=outputs, config=config).outputs)
    asked = Commission(
        topic, tuple(provider or ()), producers, concurrency, request_size, prompt, temperature, max_attributes,
        max_requests, budget, max_minutes, until_coverage, min_yield, saturation, optimise.value, policy.value,
        partition.value, read_categories(categories) if categories else (), verify, near_duplicates.value, seed,
        overwrite, resume,
    )  # fmt: skip
    row = client.post("/api/topics", _said(asked))
    ahead = _ahead(client.get("/api/status"), row["id"])
    typer.echo(f"{row['id']}: {'waits behind ' + ', '.join(ahead) if ahead else 'starting'}")


def _ahead(status: dict[str, Any], folder: str) -> list[str]:
    """The topics that are worked on before this one."""
    running, queue = status.get("topic"), status["queue"]
    if folder not in queue:
        return []
    return [*([running["id"]] if running else []), *queue[: queue.index(folder)]]


def _said(asked: Commission) -> dict[str, Any]:
    """What was said, in the words of `POST /api/topics`; what has its default is left out."""
    said = {f.name: getattr(asked, f.name) for f in fields(asked) if getattr(asked, f.name) != f.default}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value != ()}


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
