"""The flags that several commands share, in one place."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

TOPIC = "Topic"
LIMITS = "When to stop"
ASKING = "What to ask"


class Optimise(StrEnum):
    cost = "cost"
    speed = "speed"
    requests = "requests"


class PolicyChoice(StrEnum):
    learned = "learned"
    fixed = "fixed"
    round_robin = "round_robin"


class PartitionChoice(StrEnum):
    auto = "auto"
    none = "none"
    alphabetical = "alphabetical"
    categories = "categories"


class Near(StrEnum):
    keep = "keep"
    group = "group"


Producers = Annotated[int | None, typer.Option("-n", "--producers", min=1, max=256, help="Producer processes.")]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        metavar="NAME:MODEL[=WEIGHT]",
        help="Whom to ask; repeatable. Default: those with a key, else a local server, else the embedded model.",
    ),
]
Outputs = Annotated[Path | None, typer.Option("--outputs", help="Folder for results. [default: outputs]")]
Config = Annotated[Path | None, typer.Option("--config", help="Configuration file. [default: igentai.toml]")]
Port = Annotated[int | None, typer.Option("-p", "--port", min=0, max=65535, help="Serve the page on this port.")]
Host = Annotated[str | None, typer.Option("--host", help="Address for the page. [default: 127.0.0.1]")]
NoAuth = Annotated[bool, typer.Option("--no-auth", help="Let everyone on this machine use the page (loopback only).")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Serve other machines without TLS.")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON for scripts.")]
LogLevel = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.")]

MaxAttributes = Annotated[int | None, typer.Option(min=1, help="Stop at so many attributes.", rich_help_panel=LIMITS)]
MaxRequests = Annotated[int | None, typer.Option(min=1, help="Make at most so many requests.", rich_help_panel=LIMITS)]
Budget = Annotated[
    float | None, typer.Option(min=0.0, metavar="USD", help="Spend at most so much.", rich_help_panel=LIMITS)
]
BudgetPerHour = Annotated[
    float | None,
    typer.Option(
        min=0.0, metavar="USD", help="Spend at most so much in any hour, over all topics.", rich_help_panel=LIMITS
    ),
]
MaxMinutes = Annotated[float | None, typer.Option(min=0.0, help="Work at most so long.", rich_help_panel=LIMITS)]
UntilCoverage = Annotated[
    float | None,
    typer.Option(
        min=0.0, max=1.0, help="Stop when this share of the estimated total is found.", rich_help_panel=LIMITS
    ),
]
MinYield = Annotated[
    float | None,
    typer.Option(min=0.0, help="Stop below so many fresh attributes an answer.", rich_help_panel=LIMITS),
]
Saturation = Annotated[
    bool,
    typer.Option("--saturation/--no-saturation", help="Stop when there is too little left.", rich_help_panel=LIMITS),
]
Prompt = Annotated[
    str | None, typer.Option(help="Your own instructions, added to each prompt.", rich_help_panel=ASKING)
]
RequestSize = Annotated[
    int | None,
    typer.Option(
        min=1, max=500, help="Attributes asked for in a request. Default: learned, from 40.", rich_help_panel=ASKING
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Requests in flight a producer. [default: 2]", rich_help_panel=ASKING),
]
Temperature = Annotated[float | None, typer.Option(min=0.0, max=2.0, rich_help_panel=ASKING)]
OptimiseFor = Annotated[
    Optimise,
    typer.Option("--optimise", "--optimize", help="What a fresh attribute is paid in.", rich_help_panel=ASKING),
]
PolicyName = Annotated[
    PolicyChoice, typer.Option("--policy", help="Who decides what is asked next.", rich_help_panel=ASKING)
]
Partition = Annotated[PartitionChoice, typer.Option(help="How the topic is cut into slices.", rich_help_panel=ASKING)]
Categories = Annotated[
    Path | None, typer.Option(help="A file with your own categories, one a line.", rich_help_panel=ASKING)
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Have models spot-check each other's finds.", rich_help_panel=ASKING)
]
NearDuplicates = Annotated[
    Near, typer.Option(help="Group near-duplicates, or keep them apart.", rich_help_panel=ASKING)
]
Seed = Annotated[int, typer.Option(help="Seed of the choices.", rich_help_panel=ASKING)]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Start a topic again and drop what it found.", rich_help_panel=TOPIC)
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a topic that ended.", rich_help_panel=TOPIC)]
