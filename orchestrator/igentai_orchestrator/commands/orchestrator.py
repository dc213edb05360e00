"""`igentai orchestrator`: the daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from igentai_orchestrator.commands import flags as flag
from igentai_orchestrator.commands.configuration import configured
from igentai_orchestrator.commands.existing import ask_what_to_do, resume_by_itself
from igentai_orchestrator.commands.loop import announce, run_loop
from igentai_orchestrator.commission import Commission
from igentai_orchestrator.settings import load


def orchestrator(
    producers: flag.Producers = None,
    port: flag.Port = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Start with this topic.")] = None,
    provider: flag.Providers = None,
    outputs: flag.Outputs = None,
    max_attributes: flag.MaxAttributes = None,
    max_requests: flag.MaxRequests = None,
    budget: flag.Budget = None,
    budget_per_hour: flag.BudgetPerHour = None,
    max_minutes: flag.MaxMinutes = None,
    prompt: flag.Prompt = None,
    request_size: flag.RequestSize = None,
    concurrency: flag.Concurrency = None,
    overwrite: flag.Overwrite = False,
    resume: flag.Resume = False,
    host: flag.Host = None,
    no_auth: flag.NoAuth = False,
    insecure: flag.Insecure = False,
    producer_host: Annotated[str | None, typer.Option(help="Where producers connect. [default: 127.0.0.1]")] = None,
    producer_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port for producers.")] = None,
    seed: flag.Seed = 0,
    config: flag.Config = None,
    log_level: flag.LogLevel = None,
) -> None:
    """The daemon: keeps producers at work on one topic after the other, with a page on -p.

    [bold]Examples[/bold]

    igentai orchestrator -n 8 -p 8080
    igentai orchestrator -p 8080 --topic "dog breeds"
    """
    from igentai_orchestrator.run import Daemon

    flags = {
        "producers": producers, "port": port, "outputs": outputs, "host": host, "auth": False if no_auth else None,
        "insecure": insecure or None, "producer_host": producer_host, "producer_port": producer_port,
        "config": config, "log_level": log_level, "budget_per_hour": budget_per_hour,
    }  # fmt: skip
    settings = configured(**flags)
    first = []
    if topic is not None:
        asked = Commission(
            topic, tuple(provider or ()), None, concurrency, request_size, prompt, None, max_attributes, max_requests,
            budget, max_minutes, seed=seed, overwrite=overwrite, resume=resume,
        )  # fmt: skip
        first.append(ask_what_to_do(resume_by_itself(asked, settings), settings))
    daemon = Daemon(settings, reload=lambda: load(**flags), announce=announce)
    raise typer.Exit(run_loop(daemon.main(first, port=settings.port)))
