"""Topics are queued: as a person asks for them, as they were started, or because a daemon was killed over them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from igentai.errors import IgentaiError
from igentai_orchestrator import choice
from igentai_orchestrator.commission import Commission, check_prices, checked_topic, mode_of, spec_of
from igentai_orchestrator.core.agenda import Entry, Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.core.topic import TopicSpec
    from igentai_orchestrator.daemon.state import State


class Commissions:
    """Puts topics on the agenda.

    Args:
        announce: given the line that a person who started the daemon should see.
        changed: called when the agenda has changed.
    """

    def __init__(self, state: State, announce: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._state = state
        self._announce = announce
        self._changed = changed

    def take(self, asked: Commission) -> TopicSpec:
        """Queue a topic.

        Raises:
            TopicError: it is there already and nothing says what to do with it, or it cannot be a topic.
            ConfigurationError, NoUsableProvider: its providers cannot be used.
        """
        state, settings = self._state, self._state.settings
        topic = checked_topic(asked.topic)
        existing = state.archive.existing(topic)
        mode = mode_of(asked, existing)
        chosen = choice.choose(asked.providers, settings)
        if mode == "resume" and existing is not None and not asked.providers:
            spec = _with_limits(state.archive.load_spec(existing), asked)
        else:
            spec = spec_of(asked, chosen, existing or state.archive.folder_for(topic), settings.producers)
        state.know_providers(spec)
        limited = spec.limits.budget_usd if spec.limits.budget_usd is not None else settings.budget_per_hour
        check_prices(spec.models, limited, state.prices)
        ahead = self._queue(spec, mode)
        self._announce(f"{topic}: asking {', '.join(m.key for m in spec.models)} ({chosen.because})")
        state.log.info("agenda.topic_added", topic=spec.topic, mode=mode, ahead=ahead, because=chosen.because)
        self._changed()
        return spec

    def resume(self, folder: str) -> TopicSpec:
        """Queue a topic that ended, as it was started."""
        spec = self._state.archive.load_spec(folder)
        self._state.know_providers(spec)
        self._queue(spec, "resume")
        self._changed()
        return spec

    def take_up_interrupted(self) -> None:
        """A daemon that was killed goes on by itself."""
        state = self._state
        waiting = set(state.agenda.folders)
        for summary in state.archive.topics():
            if summary.status != "interrupted" or summary.folder in waiting:
                continue
            try:
                self.resume(summary.folder)
            except IgentaiError as error:
                state.log.warning("agenda.not_resumed", topic=summary.topic, reason=str(error))

    def _queue(self, spec: TopicSpec, mode: Mode) -> int:
        running = self._state.spec
        return self._state.agenda.add(Entry(spec, mode), running.folder if running else None)


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
