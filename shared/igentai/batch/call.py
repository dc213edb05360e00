"""The request that a provider gets for a prompt, and the name under which its answer is kept."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

from igentai.providers.base import Call

if TYPE_CHECKING:
    from igentai.batch.options import Options
    from igentai.batch.request import Query
    from igentai.providers.base import Role


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
