"""`igentai batch`: many prompts out of a file, answered in order into another."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from igentai_orchestrator.commands import flags as flag

ASKING = "What to ask"
PACE = "How fast, how much"
FAILURES = "When something fails"


class InputKind(StrEnum):
    jsonl = "jsonl"
    csv = "csv"
    text = "text"


Source = Annotated[
    Path, typer.Argument(metavar="IN", help="Prompts: .jsonl, .csv or .txt; - reads standard input.", allow_dash=True)
]
Out = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="OUT", allow_dash=True,
        help="Answers: .jsonl, .csv or .db (SQLite); - writes JSONL to standard output.",
    ),
]  # fmt: skip
InputFormat = Annotated[InputKind | None, typer.Option(help="What IN holds, where its name does not say it.")]
Provider = Annotated[
    list[str] | None,
    typer.Option(
        "--provider", metavar="NAME:MODEL[=WEIGHT]", rich_help_panel=ASKING,
        help="Whom to ask; repeatable. Default: the first with a key, else a local server, else the embedded model.",
    ),
]  # fmt: skip
Template = Annotated[
    str | None, typer.Option(help="The prompt, with {field} for a row's fields or {text}.", rich_help_panel=ASKING)
]
System = Annotated[str | None, typer.Option(help="The system prompt.", rich_help_panel=ASKING)]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Longest reply. [default: 1024]", rich_help_panel=ASKING)]
Temperature = Annotated[float | None, typer.Option(min=0.0, max=2.0, rich_help_panel=ASKING)]
Seed = Annotated[int | None, typer.Option(help="Sent to the provider.", rich_help_panel=ASKING)]
Parallel = Annotated[
    bool | None, typer.Option("--parallel/--sequential", help="5 at once, or one by one.", rich_help_panel=PACE)
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=10_000, help="So many at once. [default: 1]", rich_help_panel=PACE)
]
RateLimit = Annotated[
    str | None, typer.Option(metavar="N[/s|/min|/h]", help="Requests a minute, or 20/s.", rich_help_panel=PACE)
]
Burst = Annotated[int | None, typer.Option(min=1, help="Requests that may go at once.", rich_help_panel=PACE)]
TokensPerMinute = Annotated[
    int | None, typer.Option(min=1, help="Of prompts and replies together.", rich_help_panel=PACE)
]
Budget = Annotated[
    float | None, typer.Option(min=0.0, metavar="USD", help="Spend at most so much.", rich_help_panel=PACE)
]
Cache = Annotated[Path | None, typer.Option(metavar="DIR", help="Ask nothing twice.", rich_help_panel=PACE)]
Metrics = Annotated[
    Path | None, typer.Option(metavar="FILE", help="SQLite file that gets one row a run.", rich_help_panel=PACE)
]
FailFast = Annotated[bool | None, typer.Option("--fail-fast", help="Stop at the first.", rich_help_panel=FAILURES)]
RetryOn = Annotated[
    str | None,
    typer.Option(metavar="429,503,…", help="Statuses and kinds to ask again on.", rich_help_panel=FAILURES),
]
RetryDelay = Annotated[
    float | None, typer.Option(min=0.0, metavar="S", help="First delay; it doubles.", rich_help_panel=FAILURES)
]
Retries = Annotated[int | None, typer.Option(min=0, help="Further tries. [default: 5]", rich_help_panel=FAILURES)]
Timeout = Annotated[
    float | None, typer.Option(metavar="S", help="For one attempt. [default: 60]", rich_help_panel=FAILURES)
]
Failed = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Rows that failed, as JSONL input.", rich_help_panel=FAILURES)
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a run ended; ask only what is missing.", rich_help_panel=FAILURES)
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Start again and drop what OUT holds.", rich_help_panel=FAILURES)
]


def batch(
    source: Source,
    output: Out = Path("-"),
    input_format: InputFormat = None,
    provider: Provider = None,
    template: Template = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    seed: Seed = None,
    parallel: Parallel = None,
    concurrency: Concurrency = None,
    rate_limit: RateLimit = None,
    burst: Burst = None,
    tokens_per_minute: TokensPerMinute = None,
    budget: Budget = None,
    cache: Cache = None,
    metrics: Metrics = None,
    fail_fast: FailFast = None,
    retry_on: RetryOn = None,
    retry_delay: RetryDelay = None,
    retries: Retries = None,
    timeout: Timeout = None,
    failed: Failed = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: flag.Json = False,
    config: flag.Config = None,
    log_level: flag.LogLevel = None,
) -> None:
    """Ask every prompt of a file; answers come in its order, whatever answered first.

    [bold]Examples[/bold]

    igentai batch prompts.jsonl -o answers.jsonl
    igentai batch prompts.jsonl -o answers.jsonl --concurrency 50 --budget 2 --resume
    igentai batch reviews.csv -o answers.db --template 'Summarise: {text}' --parallel --rate-limit 20/s

    Exit codes: 0 all answered, 2 wrong use, 3 nobody to ask, 4 some rows failed (they say why), 130 interrupted.
    """
    from igentai_orchestrator.batch_plan import Asked
    from igentai_orchestrator.batch_run import run

    asked = Asked(
        source=source, output=output, input_format=input_format.value if input_format else None,
        providers=tuple(provider or ()), template=template, system=system, max_tokens=max_tokens,
        temperature=temperature, seed=seed, parallel=parallel, concurrency=concurrency, rate_limit=rate_limit,
        burst=burst, tokens_per_minute=tokens_per_minute, budget=budget, cache=cache, metrics=metrics,
        fail_fast=fail_fast, retry_on=retry_on, retry_delay=retry_delay, retries=retries, timeout=timeout,
        failed=failed, resume=resume, overwrite=overwrite,
    )  # fmt: skip
    raise typer.Exit(run(asked, config=config, log_level=log_level, as_json=as_json))
