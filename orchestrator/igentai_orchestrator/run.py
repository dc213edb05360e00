"""The composition root: builds the parts, joins them, and runs them in one TaskGroup.

    start:     claim outputs ─▶ listen for producers ─▶ serve the page ─▶ take up what was interrupted
    main loop: facts ─▶ desk ─▶ orders ─▶ archive, listener, processes
    shutdown:  stop asking ─▶ drain ─▶ commit ─▶ let producers go ─▶ release outputs

Signals only set flags; nothing but the desk decides.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import igentai
from igentai import logs
from igentai.errors import ConfigurationError, IgentaiError, NoUsableProvider
from igentai.handover import Handover
from igentai.handover import encode as encode_handover
from igentai.messages import AttributeBatch
from igentai.prices import Price, PriceTable
from igentai.providers import embedded
from igentai.providers.base import ProviderSpec
from igentai.spool import left_over, read_spool, spool_path
from igentai_orchestrator import choice
from igentai_orchestrator.commission import Commission, check_prices, checked_topic, mode_of, spec_of
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.agenda import Agenda, Entry
from igentai_orchestrator.core.arrangement import Arrangement, ProviderTerms
from igentai_orchestrator.core.desk import Desk, Phase
from igentai_orchestrator.core.topic import TopicSpec
from igentai_orchestrator.doorplate import TOKEN, Doorplate
from igentai_orchestrator.settings import KNOWN, Settings, read_secret, service_environment
from igentai_orchestrator.shell import clock, garbage
from igentai_orchestrator.shell.archive import Archive, OpenedTopic, spent_lately
from igentai_orchestrator.shell.listener import Listener
from igentai_orchestrator.shell.notify import Notify
from igentai_orchestrator.shell.processes import Processes
from igentai_orchestrator.tls import TlsFiles, check_expiry, is_loopback, server_context, tls_files
from igentai_orchestrator.tls import load as load_tls

PROJECT_EVERY_S: Final = 1.0
EMBEDDED_TIMEOUT_S: Final = 300.0
INTERRUPTED: Final = 130
SWITCH_INTERVAL_S: Final = 0.0005
BEAT_WITHIN_S: Final = 5.0  # the desk ticks four times a second; one silent for longer does not work


@dataclass(frozen=True, slots=True)
class Ended:
    """How a topic ended."""

    spec: TopicSpec
    status: str
    reason: str
    exit_code: int
    metrics: dict[str, Any]


class Daemon:
    """The orchestrator process.

    Args:
        settings: the configuration.
        reload: reads it again (SIGHUP).
        until_done: end when the agenda is empty (`explore`); otherwise stay.
        watch: called every second with this daemon, for a progress line.
        announce: given the few lines that a person who started it should see.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        reload: Callable[[], Settings] | None = None,
        until_done: bool = False,
        watch: Callable[[Daemon], None] | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.log = logs.get()
        self.started_at = time.monotonic()
        self.prices = price_table(settings)
        self.terms: dict[str, ProviderTerms] = {}
        arrangement = Arrangement(
            producers=settings.producers,
            providers=self.terms,
            share=settings.limit_share,
            optimization_interval_s=settings.optimization_interval,
            wait_when_out=not until_done,
            budget_per_hour=settings.budget_per_hour,
            bloom=settings.bloom,
        )
        self.desk = Desk(arrangement, self.prices, Random(secrets.randbits(64)))
        self.agenda = Agenda()
        self.archive = Archive(settings.outputs)
        self.opened: OpenedTopic | None = None
        self.spec: TopicSpec | None = None
        self.latest = 0
        self.ended: list[Ended] = []
        self.changed: set[asyncio.Event] = set()
        self.document: dict[str, Any] = {}  # metrics.json as it was made last
        self.web_address: str | None = None
        self._reload_web: Callable[[], None] = lambda: None
        self._reload = reload
        self._until_done = until_done
        self._watch = watch
        self._announce = announce
        self._secret = _run_secret(settings)
        links = itertools.count(1)  # one source of numbers: what is sent to a link reaches the listener that has it
        most = max(128, 2 * settings.producers)
        self._listener = Listener(self._secret, self.dispatch, log=self.log, max_connections=most, links=links)
        self._tls_files = _remote_tls(settings)
        self._tls = server_context(self._tls_files) if self._tls_files else None
        self._remote: Listener | None = None  # for producers on other machines; those spawned here speak no TLS
        if self._tls is not None or not is_loopback(settings.producer_host):
            self._remote = Listener(
                self._secret, self.dispatch, log=self.log, max_connections=most, links=links, tls=self._tls
            )
        self._processes = Processes(self.dispatch, log=self.log)
        self._processes.withheld = settings.key_variables()
        self._notify = Notify(*service_environment())
        self._beat_at = time.monotonic()
        self._handed: Mapping[str, ProviderSpec] = {}  # what the producer started last was given
        self._facts: deque[facts.Fact] = deque()
        self._dispatching = False
        self._address = ""
        self._close: orders.CloseTopic | None = None
        self._agenda_changed = asyncio.Event()
        self._done = asyncio.Event()
        self._exit_code: int | None = None
        self._interrupted = False
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # known once `main` runs

    # -- life ---------------------------------------------------------------------------------------------------

    async def main(self, first: list[Commission], *, port: int | None) -> int:
        """Run until told to end. Returns the exit code."""
        self._loop = asyncio.get_running_loop()
        # The archive's thread gives the interpreter lock away at every SQLite step; at the usual 5 ms it waits that
        # long to have it back beside a busy loop (measured: 0.35 against 1.22 M attributes/s).
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self.archive.claim()
        try:
            self._recall_spending()
            return await self._main(first, port)
        finally:
            self.archive.release()

    async def _main(self, first: list[Commission], port: int | None) -> int:
        settings = self.settings
        await self._listen(settings)
        doorplate = Doorplate(settings.outputs)
        try:
            async with asyncio.TaskGroup() as group:
                for listener in self._listeners:
                    group.create_task(listener.serve(), name="listener")
                parts = [group.create_task(self._processes.watch(), name="processes")]
                stop_web = await self._start_web(group, port, doorplate)
                self._take_signals()
                for commission in first:
                    self.commission(commission)
                if not self._until_done:
                    self._take_up_interrupted()
                    self._perform_all(self.desk.books.fleet.resize(settings.producers, self._now()))
                parts += [
                    group.create_task(clock.beat(self._tick), name="clock"),
                    group.create_task(self._run_agenda(), name="agenda"),
                    group.create_task(self._project(), name="projections"),
                    group.create_task(self._notify.watchdog(self.alive), name="watchdog"),
                ]
                self._notify.ready(f"producers on {self._address}")
                self.log.info("daemon.ready", producers_on=self._address, page=self.web_address, pid=os.getpid())
                await self._done.wait()
                self._notify.stopping()
                stop_web()
                for listener in self._listeners:
                    listener.close()
                self._processes.kill_all()
                for part in parts:
                    part.cancel()
        finally:
            doorplate.remove()
            self._drop_signals()
        if self._failure is not None:
            raise self._failure
        return self._outcome()

    async def _listen(self, settings: Settings) -> None:
        """Bind where producers connect: here, and for other machines where that is configured."""
        if self._remote is not None:
            remote = await self._remote.start(settings.producer_host, settings.producer_port)
            self.log.info("daemon.remote_producers_on", host=settings.producer_host, port=remote)
            self._warn_of_expiry()
        here = settings.producer_port if self._remote is None else 0
        host = settings.producer_host if self._remote is None else "127.0.0.1"
        self._address = f"{host}:{await self._listener.start(host, here)}"

    @property
    def _listeners(self) -> list[Listener]:
        return [self._listener] if self._remote is None else [self._listener, self._remote]

    def _warn_of_expiry(self) -> None:
        if self._tls_files is not None and (ends := check_expiry(self._tls_files.cert)) is not None:
            self.log.warning("daemon.certificate_ends_soon", ends=f"{ends:%Y-%m-%d}", todo="igentai cert --renew")

    def alive(self) -> bool:
        """Whether the desk works: what systemd's watchdog is told. A full disk is waited for, not restarted over."""
        return self._failure is None and self._now() - self._beat_at < BEAT_WITHIN_S

    def _outcome(self) -> int:
        if self._interrupted:
            return INTERRUPTED
        if self._exit_code:
            return self._exit_code
        if self._until_done and self.ended:
            return self.ended[-1].exit_code
        return 0

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt)
        loop.add_signal_handler(signal.SIGTERM, self._on_terminate)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _drop_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def _on_interrupt(self) -> None:
        if self._interrupted:  # the second Ctrl-C: at once
            self._exit(INTERRUPTED)
            return
        self._interrupted = True
        self.dispatch(facts.ShutdownRequested())

    def _on_terminate(self) -> None:
        if self._until_done:
            self._interrupted = True
        self.dispatch(facts.ShutdownRequested())

    def _on_hangup(self) -> None:
        if self._reload is None:
            return
        self._notify.reloading(time.monotonic_ns() // 1000)
        try:
            settings = self._reload()
            self._reload_web()  # renewed certificates, in the same files
            if self._tls is not None and self._tls_files is not None:
                load_tls(self._tls, self._tls_files)
                self._warn_of_expiry()
            terms = {name: _terms(settings, name) for name in self.terms}
            if "embedded" in terms:
                terms["embedded"] = replace(terms["embedded"], base_url=self.terms["embedded"].base_url)
            self.settings = settings
            self._processes.withheld = settings.key_variables()
            self.terms.update(terms)
            self.dispatch(facts.ConfigurationReloaded(keys_changed=self._handover().providers != self._handed))
        except IgentaiError as error:
            self.log.error("daemon.reload_refused", reason=str(error))
        self._notify.ready(f"producers on {self._address}")

    def _exit(self, code: int) -> None:
        if self._exit_code is None:
            self._exit_code = code
        self._done.set()

    # -- facts and orders ---------------------------------------------------------------------------------------

    def dispatch(self, fact: facts.Fact) -> None:
        """Give a fact to the desk and do what it orders. Facts that come up meanwhile wait their turn."""
        self._facts.append(fact)
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._facts:
                self._perform_all(self.desk.handle(self._facts.popleft(), self._now()))
        finally:
            self._dispatching = False

    def _perform_all(self, todo: list[orders.Order]) -> None:
        for order in todo:
            self._perform(order)

    def _perform(self, order: orders.Order) -> None:
        match order:
            case orders.RecordThis():
                self.archive.submit(order.ticket, order.record)
            case orders.Send():
                self._send(order)
            case orders.Publish():
                self.latest = order.latest
                self.tell_watchers()
            case orders.Log():
                getattr(self.log, order.level)(order.event, **order.keys)
            case orders.Spawn():
                handover = self._handover()
                self._handed = handover.providers
                self._processes.spawn(order.slot, self._address, encode_handover(handover))
            case orders.Kill():
                self._processes.signal(order.slot, order.pid, order.how)
            case orders.Disconnect():
                self._disconnect(order)
            case orders.TakeSpool():
                self._take_spool(order.run_id)
            case orders.RemoveSpool():
                self._remove_spool(order.run_id)
            case orders.CloseTopic():
                self._close = order
                self._agenda_changed.set()
            case orders.Exit():
                self._exit(order.code)

    def _send(self, order: orders.Send) -> None:
        for listener in self._listeners:  # the one that does not have this link drops it
            listener.send(order.link, order.message)

    def _disconnect(self, order: orders.Disconnect) -> None:
        for listener in self._listeners:
            listener.disconnect(order.link, order.reason)

    def _tick(self) -> float | None:
        self.dispatch(facts.Tick())
        self._beat_at = self._now()
        return self.desk.deadline(self._now())

    @staticmethod
    def _now() -> float:
        return time.monotonic()

    def tell_watchers(self) -> None:
        """Something that people see has changed."""
        for event in self.changed:
            event.set()

    # -- what the archive says, from its own thread ---------------------------------------------------------------

    def committed(self, ticket: int) -> None:
        self._from_thread(facts.Committed(ticket))

    def troubled(self, detail: str) -> None:
        self._from_thread(facts.StorageTroubled(detail))

    def mended(self) -> None:
        self._from_thread(facts.StorageMended())

    def broken(self, error: BaseException) -> None:
        """A failed fsync is never retried: this process ends, and the next one recovers."""
        self._failure = error
        self._call_soon(self._done.set)

    def _from_thread(self, fact: facts.Fact) -> None:
        self._call_soon(lambda: self.dispatch(fact))

    def _call_soon(self, what: Callable[[], None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            pass  # the loop is closed: nobody is left to tell

    # -- topics -------------------------------------------------------------------------------------------------

    def commission(self, asked: Commission) -> TopicSpec:
        """Queue a topic.

        Raises:
            TopicError: it is there already and nothing says what to do with it, or it cannot be a topic.
            ConfigurationError, NoUsableProvider: its providers cannot be used.
        """
        topic = checked_topic(asked.topic)
        existing = self.archive.existing(topic)
        mode = mode_of(asked, existing)
        chosen = choice.choose(asked.providers, self.settings)
        if mode == "resume" and existing is not None and not asked.providers:
            spec = _with_limits(self.archive.load_spec(existing), asked)
        else:
            spec = spec_of(asked, chosen, existing or self.archive.folder_for(topic), self.settings.producers)
        self._know_providers(spec)
        limited = spec.limits.budget_usd if spec.limits.budget_usd is not None else self.settings.budget_per_hour
        check_prices(spec.models, limited, self.prices)
        ahead = self.agenda.add(Entry(spec, mode), self.spec.folder if self.spec else None)
        self._announce(f"{topic}: asking {', '.join(m.key for m in spec.models)} ({chosen.because})")
        self.log.info("agenda.topic_added", topic=spec.topic, mode=mode, ahead=ahead, because=chosen.because)
        self._agenda_changed.set()
        return spec

    def resume(self, folder: str) -> TopicSpec:
        """Queue a topic that ended, as it was started."""
        spec = self.archive.load_spec(folder)
        self._know_providers(spec)
        self.agenda.add(Entry(spec, "resume"), self.spec.folder if self.spec else None)
        self._agenda_changed.set()
        return spec

    def _take_up_interrupted(self) -> None:
        """A daemon that was killed goes on by itself."""
        waiting = set(self.agenda.folders)
        for summary in self.archive.topics():
            if summary.status != "interrupted" or summary.folder in waiting:
                continue
            try:
                self.resume(summary.folder)
            except IgentaiError as error:
                self.log.warning("agenda.not_resumed", topic=summary.topic, reason=str(error))

    def _recall_spending(self) -> None:
        """What earlier daemons spent in the last hour counts against this hour."""
        hour = self.desk.books.hour
        if hour is None:
            return
        now = self._now()
        for seconds_ago, usd in spent_lately(self.settings.outputs, datetime.now(UTC)):
            hour.restore(now - seconds_ago, usd)
        self.log.info("budget.hour_recalled", spent_usd=round(hour.spent(now), 6), limit_usd=hour.limit)

    def _know_providers(self, spec: TopicSpec) -> None:
        for model in spec.models:
            if model.provider not in self.terms:
                self.terms[model.provider] = _terms(self.settings, model.provider)

    async def _run_agenda(self) -> None:
        while True:
            self._agenda_changed.clear()
            if self._close is not None:
                await self._finish_topic(self._close)
            if self.desk.phase is Phase.IDLE and not self.desk.shutting_down:
                entry = self.agenda.next()
                if entry is not None:
                    await self._open_topic(entry)
                elif self._until_done:
                    self.dispatch(facts.ShutdownRequested())
            await self._agenda_changed.wait()

    async def _open_topic(self, entry: Entry) -> None:
        try:
            await self._start_embedded(entry.spec)
            self.opened = self.archive.open(entry.spec, entry.mode, listener=self)
        except IgentaiError as error:
            self.log.error("agenda.topic_not_opened", topic=entry.spec.topic, reason=str(error))
            if self._until_done:
                raise
            self._agenda_changed.set()
            return
        opened, self.spec = self.opened, entry.spec
        self.latest = 0
        for repair in opened.repairs:
            self.log.warning("archive.repaired", topic=entry.spec.topic, what=repair)
        with garbage.held_off():
            self.dispatch(
                facts.TopicOpened(entry.spec, opened.ledger, str(opened.spool), opened.history, opened.elapsed_s)
            )
        campaign = self.desk.books.campaign
        self.latest = len(campaign.admission) if campaign else 0
        for run_id in left_over(opened.spool):
            self._take_spool(run_id)
        self._write_state("running", None)
        self.archive.write_global(self.agenda.folders)
        self.tell_watchers()

    async def _finish_topic(self, close: orders.CloseTopic) -> None:
        self._close = None
        assert self.spec is not None
        document = self.document = self.metrics_document(close.status, close.reason)
        self.archive.write_metrics(document)
        self._write_state(close.status, close.reason)
        self.archive.write_global(self.agenda.folders)
        await self.archive.close()
        self.ended.append(Ended(self.spec, close.status, close.reason, _exit_code(close), document))
        self.log.info("topic.closed", topic=self.spec.topic, status=close.status, reason=close.reason)
        self.spec = self.opened = None
        self.dispatch(facts.TopicClosed())
        garbage.taken_back()
        self.tell_watchers()

    async def _start_embedded(self, spec: TopicSpec) -> None:
        """The embedded model, if this topic asks it and it does not run yet."""
        if "embedded" not in {model.provider for model in spec.models} or self.terms["embedded"].base_url:
            return
        path = embedded.weights_path()
        missing = embedded.available()
        if missing or path is None:
            raise NoUsableProvider(missing or "the embedded model's weights are missing: run scripts/setup --embedded")
        embedded.check_weights(path)
        port = await self._processes.start_embedded(embedded.command(os.getpid()))
        self.terms["embedded"] = replace(self.terms["embedded"], base_url=f"http://127.0.0.1:{port}/v1")
        self.log.info("embedded.ready", port=port, note=embedded.BANNER)

    def _take_spool(self, run_id: str) -> None:
        """What a producer that is gone had received, as facts."""
        if self.opened is None:
            return
        try:
            answers = read_spool(spool_path(self.opened.spool, run_id))
        except (OSError, IgentaiError) as error:
            self.log.error("archive.spool_unreadable", run=run_id, detail=str(error))
            answers = []
        for answer in answers:
            if isinstance(answer, AttributeBatch):
                self.dispatch(facts.AnswerArrived(None, answer))
            else:
                self.dispatch(facts.FailureArrived(None, answer))
        self.dispatch(facts.SpoolTaken(run_id))

    def _remove_spool(self, run_id: str) -> None:
        if self.opened is not None:
            spool_path(self.opened.spool, run_id).unlink(missing_ok=True)

    # -- projections --------------------------------------------------------------------------------------------

    def metrics_document(self, status: str, reason: str | None) -> dict[str, Any]:
        """metrics.json."""
        assert self.spec is not None
        head = {"topic": self.spec.topic, "status": status, "stop_reason": reason}
        return head | self.desk.snapshot(self._now())

    def _write_state(self, status: str, reason: str | None) -> None:
        campaign = self.desk.books.campaign
        spec = self.spec
        assert spec is not None
        totals = campaign.statistics.totals if campaign else None
        self.archive.write_state(
            {
                "status": status,
                "stop_reason": reason,
                "unique_attributes": len(campaign.admission) if campaign else 0,
                "cost_usd": totals.cost if totals else 0.0,
                "requests": campaign.requests if campaign else 0,
                "version": igentai.__version__,
                "pid": os.getpid(),
            }
        )

    async def _project(self) -> None:
        """Write metrics.json and state.json while a topic runs, and keep watchers up to date."""
        while True:
            await asyncio.sleep(PROJECT_EVERY_S)
            # Not while it is being closed: the archive is busy with its last words then and takes no more.
            if self.spec is not None and self.desk.phase in (Phase.RUNNING, Phase.FINISHING):
                self.document = self.metrics_document("running", None)
                self.archive.write_metrics(self.document)
                self._write_state("running", None)
            self.tell_watchers()
            self._notify.status(self._status_line())
            if self._watch is not None:
                self._watch(self)

    @property
    def ending(self) -> bool:
        """Whether the topic asks nothing any more and waits for what is under way."""
        return self.desk.phase in (Phase.FINISHING, Phase.CLOSING)

    def _status_line(self) -> str:
        """What `systemctl status` shows."""
        if self.desk.storage_trouble is not None:
            return f"waiting: {self.desk.storage_trouble}"
        return f"{self.spec.topic}: {self.latest} attributes" if self.spec is not None else "no topic is running"

    # -- parts --------------------------------------------------------------------------------------------------

    async def _start_web(self, group: asyncio.TaskGroup, port: int | None, doorplate: Doorplate) -> Callable[[], None]:
        if port is None:
            return lambda: None
        from igentai_orchestrator.page import open_page  # FastAPI costs 0.3 s: only where there is a page

        page = await open_page(self, group, port, doorplate)
        self.web_address = page.address
        self._reload_web = page.reload_certificate
        # A log may be read by more people than may use the page.
        where = page.sign_in if sys.stderr.isatty() else f"{page.address} (token: {self.settings.outputs / TOKEN})"
        self._announce(f"The page: {where}")
        return page.stop

    def _handover(self) -> Handover:
        specs: dict[str, ProviderSpec] = {}
        for name in {*KNOWN, *self.settings.providers, *self.terms}:
            try:
                specs[name] = self.settings.provider(name)
            except IgentaiError:
                continue  # no key: then nobody can be told to ask it
        return Handover(self._secret, specs, None, self.settings.log_level)


def price_table(settings: Settings) -> PriceTable:
    """The published prices, with those of igentai.toml on top."""
    overrides = {
        key: Price(price.input, price.output, price.cached if price.cached is not None else price.input)
        for key, price in settings.prices.items()
    }
    return PriceTable(overrides)


def _run_secret(settings: Settings) -> bytes:
    path = settings.producer_secret_file
    return secrets.token_bytes(32) if path is None else read_secret(path)


def _remote_tls(settings: Settings) -> TlsFiles | None:
    """The certificates for producers on other machines, None where there are to be none.

    Raises:
        ConfigurationError: some of what they need is not set.
    """
    files = tls_files(settings.producer_ca, settings.producer_cert, settings.producer_key)
    if files is not None and settings.producer_secret_file is None:
        raise ConfigurationError(
            "producers on other machines need the secret: set producer_secret_file, which `igentai cert` makes too"
        )
    return files


def _terms(settings: Settings, name: str) -> ProviderTerms:
    spec = settings.provider(name)
    table = settings.providers.get(name)
    return ProviderTerms(
        kind=spec.kind,
        base_url=spec.base_url,
        stream=spec.stream,
        requests_per_minute=int(table.requests_per_minute) if table and table.requests_per_minute else None,
        tokens_per_minute=int(table.tokens_per_minute) if table and table.tokens_per_minute else None,
        concurrency=settings.concurrency(name),
        keys=settings.key_sources(name),
        timeout_s=EMBEDDED_TIMEOUT_S if name == "embedded" else 120.0,
    )


def _with_limits(spec: TopicSpec, asked: Commission) -> TopicSpec:
    """A topic as it was started, with the limits that were said anew."""
    before = spec.limits
    limits = replace(
        before,
        max_attributes=asked.max_attributes or before.max_attributes,
        max_requests=asked.max_requests or before.max_requests,
        budget_usd=asked.budget if asked.budget is not None else before.budget_usd,
        max_minutes=asked.max_minutes or before.max_minutes,
        until_coverage=asked.until_coverage or before.until_coverage,
        min_yield=asked.min_yield or before.min_yield,
    )
    return replace(spec, limits=limits, producers=asked.producers or spec.producers)


def _exit_code(close: orders.CloseTopic) -> int:
    if close.exit_code:
        return close.exit_code
    return 0 if close.status == "finished" else 4
