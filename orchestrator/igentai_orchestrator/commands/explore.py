"""`igentai explore`: one topic in this process, from its start to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from igentai_orchestrator.commands import flags as flag
from igentai_orchestrator.commands.configuration import configured
from igentai_orchestrator.commands.existing import ask_what_to_do
from igentai_orchestrator.commands.loop import announce, run_loop
from igentai_orchestrator.commission import Commission, read_categories
from igentai_orchestrator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igentai_orchestrator.daemon.state import Ended


def explore(
    topic: Annotated[str, typer.Argument(help='What to list, for instance "Paris attractions".')],
    producers: flag.Producers = None,
    provider: flag.Providers = None,
    outputs: flag.Outputs = None,
    max_attributes: flag.MaxAttributes = None,
    max_requests: flag.MaxRequests = None,
    budget: flag.Budget = None,
    budget_per_hour: flag.BudgetPerHour = None,
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
    overwrite: flag.Overwrite = False,
    resume: flag.Resume = False,
    port: flag.Port = None,
    host: flag.Host = None,
    no_auth: flag.NoAuth = False,
    insecure: flag.Insecure = False,
    as_json: flag.Json = False,
    seed: flag.Seed = 0,
    config: flag.Config = None,
    log_level: flag.LogLevel = None,
) -> None:
    """Get every item of one topic, then end.

    [bold]Examples[/bold]

    igentai explore "dog breeds"
    igentai explore "Paris attractions" --provider openai:gpt-4o-mini --budget 0.50
    igentai explore "cities" -n 8 --max-requests 200 --json
    """
    from igentai_orchestrator.live_view import LiveView
    from igentai_orchestrator.run import Daemon

    settings = configured(
        outputs=outputs, host=host, auth=False if no_auth else None, insecure=insecure or None, config=config,
        log_level=log_level or "warning", budget_per_hour=budget_per_hour,
    )  # fmt: skip
    asked = Commission(
        topic, tuple(provider or ()), producers, concurrency, request_size, prompt, temperature, max_attributes,
        max_requests, budget, max_minutes, until_coverage, min_yield, saturation, optimise.value, policy.value,
        partition.value, read_categories(categories) if categories else (), verify, near_duplicates.value, seed,
        overwrite, resume,
    )  # fmt: skip
    asked = ask_what_to_do(asked, settings)
    view = LiveView()
    daemon = Daemon(settings, until_done=True, watch=None if as_json else view.show, announce=announce)
    try:
        code = run_loop(daemon.main([asked], port=port))
    finally:
        view.done()
    _tell_end(daemon.state.ended, settings, as_json)
    raise typer.Exit(code)


def _tell_end(topics: Sequence[Ended], settings: Settings, as_json: bool) -> None:
    """On standard output: where each topic's attributes are and what they came to, or its metrics.json."""
    from igentai_orchestrator.progress import line

    for ended in topics:
        if as_json:
            typer.echo(orjson.dumps(ended.metrics).decode())
            continue
        path = settings.outputs / ended.spec.folder / "output.txt"
        typer.echo(f"{path}: {line(ended.metrics)}")
        typer.echo(f"{ended.status}: {ended.reason}")
