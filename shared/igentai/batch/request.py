"""What is asked: one prompt with what holds for it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from igentai.errors import UsageError

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class Unasked:
    """A row of the input that is no prompt: it gets its place in the output and is never sent."""

    reason: str
    id: Identity = None


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


def with_prompt(query: Query, prompt: str) -> Query:
    """`query` with other words."""
    return replace(query, prompt=prompt)
