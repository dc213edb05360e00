"""A daemon in this process: its event loop, and the lines it has for the person who started it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import typer


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run it to its end. Returns the exit code."""
    import uvloop

    return uvloop.run(main)


def announce(text: str) -> None:
    """Standard output stays for results."""
    typer.echo(text, err=True)
