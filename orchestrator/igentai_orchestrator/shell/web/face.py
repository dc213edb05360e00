"""What the page and the API need of the daemon: one face, implemented by the composition root.

Nothing here blocks: what is not `async` answers from memory. Documents are plain dicts that orjson can write; any key
may be missing early in a run, and readers must cope.

    status     version, pid, uptime_s, outputs, topic (`{id, topic, status}` or None), queue [topic ids],
               storage {ok, detail}, producers [see metrics], alerts [{level, text}], simulated, embedded
    topic row  id (folder), topic, status (running | queued | finished | stopped | interrupted), stop_reason,
               unique_attributes, cost_usd, started, updated (ISO 8601, UTC)
    attribute  number, text, provider, model, partition, producer, at (ISO 8601, UTC), times_named,
               merged_into ({number, text, reason} of the earlier attribute it probably repeats, or None)
    origin     an attribute's, and: named_again [{at, provider, model, partition, producer}] (the first hundred),
               variants [{number, text, reason}] (later ones that probably repeat it), purpose, prompt_hash,
               tokens_in, tokens_out, cost_usd, latency_ms (of the answer that brought it)
    provider   key (`provider:model`), provider, model, kind, state (ok | waiting | open | half-open | out), detail,
               weight (share now, 0 to 1), set_weight (what a person set, or None)
    metrics    topic, status, stop_reason, unique_attributes, candidates, duplicates, requests {ok, failed},
               tokens {input, output}, cost_usd, budget_usd, unique_per_minute, unique_per_dollar, repeats_share,
               elapsed_s, producers [{id, slot, state, pid, cpu, rss, in_flight, requests, unique_attributes,
               restarts}], providers {`provider:model`: {requests, failed, candidates, unique_attributes, cost_usd,
               latency_ms, latency_p95_ms, unique_per_minute, unique_per_dollar, repeats_share, success, weight, state,
               detail}}, partitions [{id, label, parent, depth, kind, state, answers, unique_attributes, fresh_rate,
               coherence, left}], coverage {at_least, estimated_total, low, high, good_turing, support_2,
               gain_next_double, forecast_next_usd, confidence, record}, series [[elapsed_s, unique, requests, cost]],
               windows, near_duplicates {merged, distinct, latest [{number, text, into, reason}]},
               alerts [{level, text}], simulated, embedded
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeAlias

from igentai_orchestrator.shell.web.schemas import TopicRequest

Document: TypeAlias = dict[str, Any]
ExportFormat: TypeAlias = Literal["txt", "jsonl", "csv", "sqlite"]


class ChangeSignal(Protocol):
    """Set whenever something that the page shows has changed; an `asyncio.Event` is one.

    It coalesces: however much happens between two waits, it is one flag.
    """

    async def wait(self) -> Any: ...

    def clear(self) -> None: ...


class DaemonFace(Protocol):
    """The daemon as the page and the API see it."""

    def status(self) -> Document: ...

    def topics(self) -> list[Document]: ...

    async def start_topic(self, request: TopicRequest) -> Document:
        """Start or queue a topic; its topic row.

        Raises:
            UsageError: the request cannot be done; TopicError where the topic stands in the way.
            NoUsableProvider: there is nothing to ask.
        """
        ...

    async def stop_topic(self, topic_id: str) -> Document:
        """Ask a running or queued topic to end; its topic row. Raises UsageError where it is neither."""
        ...

    async def resume_topic(self, topic_id: str) -> Document:
        """Go on with a topic that ended; its topic row. Raises UsageError where it runs already."""
        ...

    def metrics(self, topic_id: str) -> Document | None:
        """The metrics document, None where there is no such topic."""
        ...

    async def attributes(
        self, topic_id: str, after: int, limit: int, search: str | None, partition: str | None, provider: str | None
    ) -> list[Document]:
        """At most `limit` attributes with a number above `after`, ascending, that pass the filters.

        `search` is part of the text in any case; `provider` is `provider:model`, or a provider alone.
        """
        ...

    async def attribute(self, topic_id: str, number: int) -> Document | None:
        """One attribute with its whole origin (`archive.Provenance`, the attribute's own fields beside the others),
        None where there is no such number.
        """
        ...

    async def separate(self, topic_id: str, number: int) -> Document:
        """Take an attribute out of its group of near-duplicates for good; its row afterwards.

        Raises:
            LookupError: there is no such attribute.
            TopicError: it is in no group, or the topic is just being closed.
        """
        ...

    def export(self, topic_id: str, fmt: ExportFormat) -> AsyncIterator[bytes]:
        """The topic as a file, in pieces. CSV comes quoted and with `= + - @` defused."""
        ...

    def providers(self) -> list[Document]: ...

    async def set_weights(self, weights: dict[str, float | None]) -> list[Document]:
        """Set shares by `provider:model`; None gives one back to the policy. The provider rows afterwards.

        Raises:
            UsageError: an unknown model, or shares that cannot be met.
        """
        ...

    def latest(self) -> tuple[int, ...]:
        """`(number,)` of the newest published attribute of the running topic, `()` where none runs."""
        ...

    def subscribe(self) -> AbstractContextManager[ChangeSignal]: ...

    def healthy(self) -> tuple[bool, str]:
        """Whether results can be kept, and one line that says so or why not."""
        ...
