"""One assignment: the call to its provider, and the reply as an answer, or what went wrong."""

from __future__ import annotations

import asyncio
import json
import re
import time
import traceback
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from igentai.errors import ConfigurationError, FailureKind, ProviderError
from igentai.messages import MAX_ATTRIBUTES, AnswerMetadata, AttributeBatch, RequestFailed, limits_seen
from igentai.providers import connect
from igentai.providers.base import Call, ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from igentai.messages import Assign, ProviderAccess
    from igentai.providers.base import Provider, Reply
    from igentai.spool import Answer
    from igentai_producer.lines import Log

MOST_TEXT: Final = 900_000  # bytes of attributes in an answer: a frame takes 1 MiB
LONG_REPLY: Final = 64 << 10  # characters; a megabyte takes a second to parse, and the heartbeat goes on meanwhile
OVERTIME_S: Final = 5.0  # beyond the assignment's own timeout, for a client that does not keep to it
CLOSE_S: Final = 2.0
LONGEST_DETAIL: Final = 500  # characters
EMBEDDED: Final = "embedded"

_NUMBERED: Final = re.compile(r"\d+\. (.*)")


class Work:
    """Makes requests with the providers this producer can reach.

    Args:
        specs: providers with their keys, by name.
        log: gets the traceback of what should not happen.
        connect: makes a client from a spec; it may take a second and runs in a thread, for SDKs are heavy to import.
    """

    def __init__(
        self, specs: Mapping[str, ProviderSpec], *, log: Log, connect: Callable[[ProviderSpec], Provider] = connect
    ) -> None:
        self._specs = dict(specs)
        self._log = log
        self._connect = connect
        self._clients: dict[ProviderSpec, Provider] = {}
        self._connecting = asyncio.Lock()

    async def perform(self, assign: Assign, access: Mapping[str, ProviderAccess]) -> Answer:
        """The outcome of an assignment, whatever happens. Ledger, run and seq are left open."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(assign.timeout_s + OVERTIME_S):
                client = await self._client(self._spec(assign.provider, access, assign.key))
                reply = await client.ask(_call(assign))
            if len(reply.text) > LONG_REPLY:
                return await asyncio.to_thread(_answer, assign, reply)
            return _answer(assign, reply)
        except ProviderError as error:
            failure = error
        except TimeoutError:
            failure = ProviderError(FailureKind.TIMEOUT, f"no reply within {assign.timeout_s:g} s")
        except ConfigurationError as error:
            failure = ProviderError(FailureKind.MODEL, str(error))
        except Exception as error:  # whatever it is: the producer lives on, and the log has the traceback
            self._log.error("producer.work_failed", provider=assign.provider, exception=traceback.format_exc())
            failure = ProviderError(FailureKind.INTERNAL, f"{type(error).__name__} at the producer; see its log")
        return _failed(assign, failure, round((time.monotonic() - begun) * 1000))

    async def close(self) -> None:
        """Give back connections; nothing may be in flight any more."""
        for client in self._clients.values():
            try:
                async with asyncio.timeout(CLOSE_S):
                    await client.close()
            except Exception as error:  # a client that cannot even be closed is about to end with the process
                self._log.debug("producer.close_failed", kind=type(error).__name__)
        self._clients.clear()

    def _spec(self, name: str, access: Mapping[str, ProviderAccess], number: int) -> ProviderSpec:
        """How to reach a provider: as configured here, or else as the orchestrator says, then without a key.

        `number` says which key; a producer elsewhere that has fewer takes turns with those it has. A key goes only to
        the address that is configured beside it, never to one that came over the wire. Without one (the embedded
        model, a local server) the orchestrator's word is good where nothing is configured here.
        """
        told = access.get(name)
        own = self._specs.get(name)
        if own is not None:
            base_url = own.base_url if own.key or told is None else own.base_url or told.base_url
            key = own.keys[number % len(own.keys)] if own.keys else None
            return ProviderSpec(own.name, own.kind, key, base_url, told.stream if told else own.stream)
        if told is None:
            raise ConfigurationError(f"this producer knows no provider {name!r}; configure it where the producer runs")
        return ProviderSpec(name, told.kind, None, told.base_url, told.stream)

    async def _client(self, spec: ProviderSpec) -> Provider:
        async with self._connecting:
            client = self._clients.get(spec)
            if client is None:
                client = self._clients[spec] = await asyncio.to_thread(self._prepare, spec)
        return client

    def _prepare(self, spec: ProviderSpec) -> Provider:
        """In a thread: the imports take long enough for a heartbeat to be missed."""
        import igentai_producer.parse  # noqa: F401  imported here so that the first reply finds it ready

        return self._connect(spec)


def _call(assign: Assign) -> Call:
    return Call(
        model=assign.model,
        messages=tuple(assign.messages),  # type: ignore[arg-type]  # roles come from the orchestrator's own prompts
        max_tokens=assign.max_tokens,
        temperature=assign.temperature,
        timeout_s=assign.timeout_s,
    )


def _answer(assign: Assign, reply: Reply) -> AttributeBatch:
    found, refused = _read(assign, reply)
    finish = "refusal" if refused else reply.finish
    metadata = AnswerMetadata(
        prompt_hash=prompt_hash(assign.messages),
        candidates=len(found),
        response_time_ms=reply.latency_ms,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        tokens_cached=reply.tokens_cached,
        usage_reported=reply.usage_reported,
        cost_usd=reply.cost_usd,
        finish=finish,
        limits=limits_seen(reply.limits),
    )
    return AttributeBatch(
        "", "", "", 0, assign.assignment_id, _that_fit(found), assign.provider, assign.model, metadata
    )


def _read(assign: Assign, reply: Reply) -> tuple[Sequence[str], bool]:
    """The items of a reply, and whether it declined to give any. Which reading fits depends on what was asked."""
    from igentai_producer.parse import parse, parse_labels, parse_verdicts

    if assign.purpose == "split":
        return parse_labels(reply.text), False
    if assign.purpose == "verify":
        judged = numbered_items(assign.messages)
        verdicts = parse_verdicts(reply.text, len(judged))
        return [item for item, real in zip(judged, verdicts, strict=True) if real], False
    truncated = reply.finish in ("length", "cut")
    parsed = parse(reply.text, truncated=truncated, small_model=assign.provider == EMBEDDED)
    return parsed.items, parsed.refusal or reply.finish == "refusal"


def _that_fit(items: Sequence[str]) -> list[str]:
    """The first of them that fit in one message: 1,000, and 900,000 bytes."""
    fitting, spent = [], 0
    for item in items[:MAX_ATTRIBUTES]:
        spent += len(item.encode()) + 5
        if spent > MOST_TEXT:
            break
        fitting.append(item)
    return fitting


def numbered_items(messages: Sequence[tuple[str, str]]) -> list[str]:
    """The items a verification asks about: the numbered lines that end its prompt, `1. name`, in their order."""
    _, prompt = messages[-1]
    matches = [_NUMBERED.fullmatch(line) for line in prompt.rpartition("\n\n")[2].split("\n")]
    return [match[1] for match in matches if match]


def prompt_hash(messages: Sequence[tuple[str, str]]) -> str:
    """16 hex digits that name these messages; the orchestrator reckons the same."""
    packed = json.dumps(messages, ensure_ascii=False, separators=(",", ":"))
    return blake2b(packed.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _failed(assign: Assign, error: ProviderError, took_ms: int) -> RequestFailed:
    detail = error.detail.encode(errors="replace").decode()[:LONGEST_DETAIL]
    return RequestFailed(
        "",
        "",
        "",
        0,
        assign.assignment_id,
        error.kind.value,
        error.status,
        error.retry_after_s,
        detail,
        took_ms,
        limits_seen(error.limits),
    )
