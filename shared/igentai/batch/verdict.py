"""The yes or no of a reply, or neither. Pure.

A reply says yes where its first words are a yes and nothing else, or where it closes with one after "Answer:". A word
inside a sentence is no verdict: "I found nothing that says yes" is neither.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Final

YES: Final = ("yes", "true", "y", "correct", "oui", "sí", "ja", "да", "是", "はい")
NO: Final = ("no", "false", "n", "incorrect", "non", "nein", "нет", "否", "不是", "いいえ")
ASK_YES_OR_NO: Final = "Answer with one word: yes or no."

_LABEL: Final = r"(?:(?:final\s+)?(?:answer|verdict|conclusion|result)\s*(?:is)?\s*[:=-]?\s*)?"
_EDGE: Final = "*_\"'`“”‘’()[]<>#> \t"
_AFTER: Final = r"\s*(?:$|[.,;:!?\n–—(]|-(?!\w))"
_LONGEST: Final = 64_000  # characters of a reply that are looked at


def verdict(text: str, yes: tuple[str, ...] = YES, no: tuple[str, ...] = NO) -> bool | None:
    """True for a yes, False for a no, None where the reply gives no clear verdict.

    Args:
        text: the reply.
        yes, no: the words, in any case. Of two that fit the longer counts: "not found" before "not".

    >>> verdict("Yes, it does."), verdict("**No**"), verdict('{"answer": true}')
    (True, False, True)
    >>> verdict("There is no risk that I could find"), verdict("Yes and no."), verdict("Yesterday")
    (None, None, None)
    """
    reply = text[:_LONGEST].strip()
    said = _of_json(reply, yes, no)
    if said is not None:
        return said
    lines = [line for line in reply.splitlines() if line.strip(_EDGE)]
    if not lines:
        return None
    first = _opening(lines[0], yes, no, labelled=False)
    if first is not None or len(lines) == 1:
        return first
    return _opening(lines[-1], yes, no, labelled=True)


@lru_cache(maxsize=32)
def _pattern(yes: tuple[str, ...], no: tuple[str, ...], labelled: bool) -> re.Pattern[str]:
    words = sorted((*yes, *no), key=len, reverse=True)
    label = _LABEL[:-1] if labelled else _LABEL  # without the `?`: at the end of a text only an announced one counts
    return re.compile(rf"{label}({'|'.join(map(re.escape, words))})(?!\w){_AFTER}", re.IGNORECASE)


def _opening(line: str, yes: tuple[str, ...], no: tuple[str, ...], *, labelled: bool) -> bool | None:
    plain = line.translate(str.maketrans("", "", '*_`"“”#>[]')).strip()
    found = _pattern(yes, no, labelled).match(plain)
    if found is None:
        return None
    word = found[1].casefold()
    return word in {w.casefold() for w in yes}


def _of_json(reply: str, yes: tuple[str, ...], no: tuple[str, ...]) -> bool | None:
    """`true`, `{"answer": "yes"}`: one value that is a verdict, and no second that says otherwise."""
    bare = re.sub(r"^```\w*\s*|\s*```$", "", reply)
    if bare[:1] not in ("{", "t", "f"):
        return None
    try:
        value = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    values = list(value.values()) if isinstance(value, dict) else [value]
    verdicts = {_of_value(v, yes, no) for v in values} - {None}
    return verdicts.pop() if len(verdicts) == 1 else None


def _of_value(value: object, yes: tuple[str, ...], no: tuple[str, ...]) -> bool | None:
    if isinstance(value, bool):
        return value
    return _opening(value, yes, no, labelled=False) if isinstance(value, str) and value.strip() else None
