"""The composition root: builds the parts, joins them, and runs them in one TaskGroup.

    start:     claim outputs ─▶ listen for producers ─▶ serve the page ─▶ take up what was interrupted
    main loop: facts ─▶ desk ─▶ orders ─▶ archive, listener, processes
    shutdown:  stop asking ─▶ drain ─▶ commit ─▶ let producers go ─▶ release outputs

Each part is a file of `daemon/`. Signals only set flags; nothing but the desk decides.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from typing import TYPE_CHECKING, Any, Final

from igentai_orchestrator.daemon import documents
from igentai_orchestrator.daemon.commissions import Commissions
from igentai_orchestrator.daemon.commits import Commits
from igentai_orchestrator.daemon.face import Face
from igentai_orchestrator.daemon.listeners import Listeners
from igentai_orchestrator.daemon.local_producers import LocalProducers
from igentai_orchestrator.daemon.outcome import Outcome
from igentai_orchestrator.daemon.performer import Performer
from igentai_orchestrator.daemon.pulse import Pulse
from igentai_orchestrator.daemon.reload import Reload
from igentai_orchestrator.daemon.signals import Signals
from igentai_orchestrator.daemon.spending import recall_spending
from igentai_orchestrator.daemon.spools import Spools
from igentai_orchestrator.daemon.state import State
from igentai_orchestrator.daemon.topics import Topics
from igentai_orchestrator.doorplate import TOKEN, Doorplate
from igentai_orchestrator.key_files import read_secret
from igentai_orchestrator.settings import service_environment
from igentai_orchestrator.shell import clock
from igentai_orchestrator.shell.notify import Notify
from igentai_orchestrator.shell.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from igentai_orchestrator.commission import Commission
    from igentai_orchestrator.page import Page
    from igentai_orchestrator.settings import Settings

SWITCH_INTERVAL_S: Final = 0.0005


class Daemon:
    """The orchestrator process.

    Args:
        settings: the configuration.
        reload: reads it again (SIGHUP).
        until_done: end when the agenda is empty (`explore`); otherwise stay.
        watch: called every second with metrics.json and what else there is to say, for a progress line.
        announce: given the few lines that a person who started it should see.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        reload: Callable[[], Settings] | None = None,
        until_done: bool = False,
        watch: Callable[[dict[str, Any], str], None] | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        secret = _run_secret(settings)
        state = self.state = State.of(settings, until_done=until_done)
        self.outcome = Outcome()
        self.performer = Performer(state, self.outcome)
        dispatch = self.performer.dispatch
        self.listeners = Listeners(settings, secret, dispatch, state.log)
        self.processes = Processes(dispatch, log=state.log)
        self.producers = LocalProducers(state, self.processes, secret)
        self.spools = Spools(state, dispatch)
        self.commits = Commits(dispatch, self.outcome)
        self.topics = Topics(state, dispatch, self.spools, self.processes, self.commits)
        self.performer.join(self.listeners, self.producers, self.spools, self.topics)
        self.commissions = Commissions(state, announce, self.topics.look)
        self.notify = Notify(*service_environment())
        self.reload = Reload(state, dispatch, self.listeners, self.producers, self.notify, reload)
        self.signals = Signals(state, dispatch, self.outcome, self.reload)
        self.pulse = Pulse(state, dispatch, self.outcome)
        self._watch = watch
        self._announce = announce

    async def main(self, first: Sequence[Commission], *, port: int | None) -> int:
        """Run until told to end. Returns the exit code."""
        self.commits.loop = asyncio.get_running_loop()
        # The archive's thread gives the interpreter lock away at every SQLite step; at the usual 5 ms it waits that
        # long to have it back beside a busy loop (measured: 0.35 against 1.22 M attributes/s).
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self.state.archive.claim()
        try:
            recall_spending(self.state)
            await self.listeners.start()
            await self._run(first, port)
            return self.outcome.exit_code(self.state)
        finally:
            self.state.archive.release()

    async def _run(self, first: Sequence[Commission], port: int | None) -> None:
        doorplate = Doorplate(self.state.settings.outputs)
        try:
            async with asyncio.TaskGroup() as group:
                self.listeners.serve_in(group)
                parts = [group.create_task(self.processes.watch(), name="processes")]
                page = await self._open_page(group, port, doorplate)
                self.signals.take()
                self._take_up(first)
                parts += self._main_loop(group)
                self._say_ready(page)
                await self.outcome.decided()
                self._shut_down(page, parts)
        finally:
            doorplate.remove()
            self.signals.drop()

    async def _open_page(self, group: asyncio.TaskGroup, port: int | None, doorplate: Doorplate) -> Page | None:
        """Serve the page, where one is wanted."""
        if port is None:
            return None
        from igentai_orchestrator.page import open_page  # FastAPI costs 0.3 s: only where there is a page

        settings = self.state.settings
        face = Face(self.state, self.commissions, self.performer.dispatch)
        page = await open_page(face, settings, group, port, doorplate)
        self.reload.reload_page = page.reload_certificate
        # A log may be read by more people than may use the page.
        where = page.sign_in if sys.stderr.isatty() else f"{page.address} (token: {settings.outputs / TOKEN})"
        self._announce(f"The page: {where}")
        return page

    def _take_up(self, first: Sequence[Commission]) -> None:
        """What there is to do from the start. One that stays spawns its producers at once."""
        for commission in first:
            self.commissions.take(commission)
        if not self.state.until_done:
            self.commissions.take_up_interrupted()
            fleet = self.state.desk.books.fleet
            self.performer.perform_all(fleet.resize(self.state.settings.producers, self.state.now()))

    def _main_loop(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        return [
            group.create_task(clock.beat(self.pulse.beat), name="clock"),
            group.create_task(self.topics.run(), name="agenda"),
            group.create_task(documents.keep_up_to_date(self.state, self._tell), name="projections"),
            group.create_task(self.notify.watchdog(self.pulse.alive), name="watchdog"),
        ]

    def _say_ready(self, page: Page | None) -> None:
        where, address = self.listeners.address, page.address if page else None
        self.notify.ready(f"producers on {where}")
        self.state.log.info("daemon.ready", producers_on=where, page=address, pid=os.getpid())

    def _shut_down(self, page: Page | None, parts: Sequence[asyncio.Task[None]]) -> None:
        """All is recorded, or nobody wants to wait for it: end every task of the group."""
        self.notify.stopping()
        if page is not None:
            page.stop()
        self.listeners.close()
        self.processes.kill_all()
        for part in parts:
            part.cancel()

    def _tell(self) -> None:
        """Once a second, to systemd and to whoever watches."""
        self.notify.status(documents.status_line(self.state))
        if self._watch is not None and self.state.document:
            self._watch(self.state.document, "ending: waiting for what is under way" if self.state.ending else "")


def _run_secret(settings: Settings) -> bytes:
    path = settings.producer_secret_file
    return secrets.token_bytes(32) if path is None else read_secret(path)
