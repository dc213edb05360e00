"""The embedded model for the time of one batch."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from igentai.batch.route import Route
from igentai.errors import NoUsableProvider
from igentai.providers import embedded

READY_S: Final = 60.0


@asynccontextmanager
async def with_embedded(routes: tuple[Route, ...]) -> AsyncIterator[tuple[Route, ...]]:
    """The routes, with the embedded model running where one of them asks it."""
    if all(route.provider != "embedded" for route in routes):
        yield routes
        return
    missing = embedded.available()
    if missing is not None:
        raise NoUsableProvider(missing)
    sys.stderr.write(f"igentai: asking {embedded.BANNER}\n")
    process = await asyncio.create_subprocess_exec(
        *embedded.command(os.getpid()), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                ready = await process.stdout.readline()
        except TimeoutError:
            raise NoUsableProvider(f"the embedded model was not ready in {READY_S:g} s; run again") from None
        url = embedded.base_url(ready)
        yield tuple(
            replace(r, spec=replace(r.spec, base_url=url)) if r.provider == "embedded" and r.spec else r for r in routes
        )
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
