"""How many tokens a text is, where nobody has said so yet.

`estimate` is a rule of thumb for byte-pair vocabularies of 100 to 260 thousand pieces; `TokenRatio` learns from the
usage that providers report how far each model is from it, and gives a bound for what a reservation must hold.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE_TOKENS: Final = 4
"""Tokens of a chat template around one message."""

TEMPLATE_BOUND: Final = 64
"""The most a template may add to a request: some models put in a system prompt of their own."""

_WORD: Final = re.compile(r"[A-Za-z]+")
_NUMBER: Final = re.compile(r"[0-9]+")
_ASCII_SIGN: Final = re.compile(r"[!-/:-@\[-`{-~]")
_BREAK: Final = re.compile(r"\s*\n\s*")

# Tokens a character, by script. Scripts that vocabularies were hardly trained on fall apart into bytes.
_SCRIPTS: Final = (
    (re.compile(r"[\u00a1-\u036f\u1e00-\u1eff\u2010-\u2027]"), 1.2),  # Latin with marks, dashes, quotes
    (re.compile(r"[\u0370-\u052f\u0590-\u06ff]"), 0.45),  # Greek, Cyrillic, Hebrew, Arabic
    (re.compile(r"[\u0530-\u058f\u0700-\u1dff]"), 0.6),  # Armenian, the scripts of India, Thai, Georgian …
    (re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]"), 1.0),  # Chinese, Japanese, Korean
)
_OTHER: Final = re.compile(
    r"[^\x00-\u1dff\u1e00-\u1eff\u2010-\u2027\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]"
)


def estimate(text: str) -> int:
    """Tokens of `text`, about. 0 only for an empty text.

    Names and rare words fall into pieces of some five letters, numbers into pieces of three digits; a sign or a
    line break is a token; a single space belongs to the word after it. Against OpenAI's o200k vocabulary: 0.95 to 1.2
    times its count for lists of names, 0.8 to 1.7 in other scripts, more for those of India and Thai.
    """
    if not text:
        return 0
    total = float(sum(1 + (len(word) - 1) // 6 for word in _WORD.findall(text)))
    total += sum(1 + (len(number) - 1) // 3 for number in _NUMBER.findall(text))
    total += len(_ASCII_SIGN.findall(text)) + len(_BREAK.findall(text))
    if not text.isascii():
        total += sum(weight * len(pattern.findall(text)) for pattern, weight in _SCRIPTS)
        total += 2.5 * len(_OTHER.findall(text))
    return max(1, math.ceil(total))


def estimate_messages(messages: Iterable[tuple[str, str]]) -> int:
    """Tokens of (role, content) pairs with the template around them, about."""
    return sum(MESSAGE_TOKENS + estimate(content) for _, content in messages) + MESSAGE_TOKENS


def byte_bound(messages: Iterable[tuple[str, str]]) -> int:
    """Tokens that (role, content) pairs cannot pass: no piece of a byte-pair vocabulary is shorter than a byte."""
    return sum(2 * MESSAGE_TOKENS + len(content.encode("utf-8", "replace")) for _, content in messages) + TEMPLATE_BOUND


class TokenRatio:
    """Reported tokens over estimated ones, for each model: an exponentially weighted mean, and the highest of late.

    Args:
        weight: how much the newest observation counts, in (0, 1].
        safety: what the bound adds on top of the highest ratio seen.
        trusted_after: observations of a model before its ratio is used for the bound; until then the bound is
            that of bytes, about four times the estimate for English.
    """

    def __init__(self, *, weight: float = 0.2, safety: float = 1.25, trusted_after: int = 5) -> None:
        self._weight = weight
        self._safety = safety
        self._trusted_after = trusted_after
        self._mean: dict[str, float] = {}
        self._high: dict[str, float] = {}
        self._seen: dict[str, int] = {}

    def observe(self, model: str, estimated: int, reported: int) -> None:
        """A provider said that what was estimated as `estimated` tokens were `reported`. Zeros teach nothing."""
        if estimated <= 0 or reported <= 0:
            return
        ratio = reported / estimated
        mean = self._mean.get(model, ratio)
        self._mean[model] = mean + self._weight * (ratio - mean)
        # The high mark sinks slowly towards the mean, so that one odd report does not hold money back for ever.
        sunk = self._high.get(model, ratio) * (1 - self._weight / 10) + self._mean[model] * self._weight / 10
        self._high[model] = max(ratio, sunk)
        self._seen[model] = self._seen.get(model, 0) + 1

    def ratio(self, model: str) -> float:
        """Reported over estimated tokens; 1.0 for a model never seen."""
        return self._mean.get(model, 1.0)

    def expected(self, model: str, messages: Iterable[tuple[str, str]]) -> int:
        """Tokens that `messages` will be reported as, most likely."""
        return math.ceil(estimate_messages(messages) * self.ratio(model))

    def expected_text(self, model: str, text: str) -> int:
        """Tokens of one text, such as a reply, most likely."""
        return math.ceil(estimate(text) * self.ratio(model))

    def upper_bound(self, model: str, messages: Iterable[tuple[str, str]]) -> int:
        """Tokens to reserve for `messages`: never more than the bound of bytes, never less than expected."""
        pairs = list(messages)
        bound = byte_bound(pairs)
        if self._seen.get(model, 0) < self._trusted_after:
            return bound
        learned = math.ceil(estimate_messages(pairs) * self._high[model] * self._safety)
        return min(bound, learned)
