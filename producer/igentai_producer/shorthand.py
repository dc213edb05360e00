"""Answers as they travel: a candidate that the orchestrator knows already goes as its 8-byte key.

Lossless: every candidate is named, by text or by key, and one that the filter only seemed to know is asked for. What
is spooled, and what is sent a second time, has every text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igentai.bloom import Bloom
from igentai.messages import KEY_BYTES, LEDGER_BEGINS, KnownAnswer
from igentai.text import key64, keys

if TYPE_CHECKING:
    from igentai.messages import AttributeBatch


class Shorthand:
    """What is known of the current ledger, as far as the orchestrator has said."""

    def __init__(self) -> None:
        self._filter: Bloom | None = None

    def forget(self) -> None:
        """Another ledger, or another connection: nothing is known until the orchestrator says so."""
        self._filter = None

    def learn(self, part: bytes) -> None:
        """A part of the filter, or keys to add to it.

        Raises:
            ValueError: it is neither.
        """
        if self._filter is None:
            self._filter = Bloom()
        self._filter.merge(part)

    def shortened(self, batch: AttributeBatch) -> AttributeBatch | KnownAnswer:
        """The answer with keys in place of the texts that are known, where that is shorter; else as it is."""
        known = self._filter
        if known is None or not len(known):
            return batch
        texts: list[str] = []
        digests: list[bytes] = []
        for text, key in zip(batch.attributes, keys(batch.attributes), strict=True):
            digest = key64(key)
            if len(text) >= KEY_BYTES and digest in known:
                digests.append(digest)
            else:
                texts.append(text)
        if not digests:
            return batch
        m = batch.metadata
        tokens = m.tokens_in, m.tokens_out, m.tokens_cached
        meta = (m.candidates, m.response_time_ms, *tokens, m.usage_reported, m.cost_usd, m.finish)
        ledger = batch.ledger[:LEDGER_BEGINS]
        return KnownAnswer(ledger, batch.seq, batch.assignment_id, texts, b"".join(digests), meta, m.limits)
