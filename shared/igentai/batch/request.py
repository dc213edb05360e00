"""What is asked: one prompt with what holds for it alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

from igentai.errors import UsageError
from igentai.providers.base import Call

if TYPE_CHECKING:
    from igentai.batch.options import Options
    from igentai.providers.base import Role

Identity: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True)
class Query:
    """One prompt. What is None is taken from the options of the batch.

    Args:
        prompt: the user's words.
        id: a name of your own, given back with the result.
        system: the system prompt.
        max_tokens: the longest reply.
        temperature, seed: as the provider understands them.
        timeout: seconds for one attempt.
        before: earlier turns of the conversation, as (role, content).

    >>> Query("Capital of France?", id="fr", max_tokens=5).prompt
    'Capital of France?'
    """

    prompt: str
    id: Identity = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    timeout: float | None = None
    before: tuple[tuple[Role, str], ...] = ()


Prompt: TypeAlias = str | Query


def as_query(prompt: Prompt) -> Query:
    """`prompt` as a `Query`.

    Raises:
        UsageError: it is neither text nor a Query, or it is empty.
    """
    said: object = prompt  # whatever its type says: prompts come out of files too
    query = Query(said) if isinstance(said, str) else said
    if not isinstance(query, Query):
        raise UsageError(f"a prompt is a text or a Query, not {type(prompt).__name__}")
    if not (query.prompt.strip() or query.before):
        raise UsageError("a prompt is empty; leave it out, or say what is wanted")
    return query


def call_of(query: Query, model: str, options: Options) -> Call:
    """The request that a provider gets."""
    system = query.system if query.system is not None else options.system
    head: tuple[tuple[Role, str], ...] = (("system", system),) if system else ()
    return Call(
        model=model,
        messages=(*head, *query.before, ("user", query.prompt)),
        max_tokens=query.max_tokens or options.max_tokens,
        temperature=query.temperature if query.temperature is not None else options.temperature,
        timeout_s=query.timeout or options.timeout,
        seed=query.seed if query.seed is not None else options.seed,
    )


def fingerprint(call: Call, provider: str = "") -> bytes:
    """16 bytes that name provider, model, prompt and options, and nothing else: the time limit is not in them."""
    asked = [provider, call.model, call.messages, call.max_tokens, call.temperature, call.seed]
    packed = json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return blake2b(packed, digest_size=16).digest()


def with_prompt(query: Query, prompt: str) -> Query:
    """`query` with other words."""
    return replace(query, prompt=prompt)
