"""An arm and what is known → the messages of a request.

Two styles: `full` for models that follow instructions, `small` for those of a few hundred million parameters, which
only carry on what they see begun. The order is the same in all: what never changes first, so that providers with
prompt caching can reuse it, and the list of known items last.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeAlias

from igentai.tokens import estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

Messages: TypeAlias = tuple[tuple[str, str], ...]  # (role, content), as `igentai.messages.Assign` wants them

KNOWN_HEADING: Final = "Already known, do not repeat:"
SPLIT_EXAMPLES: Final = 8  # found items shown when a category is split
SMALL_SIZE: Final = 20  # what a small model is asked for; it gives 10 to 20, then begins to repeat itself

_SMALL_MODEL: Final = re.compile(r"embedded|smollm|tiny|[^\d.](?:\d\d\d?m|0\.\d+b)\b", re.IGNORECASE)

_SYSTEM: Final = (
    "You name the members of a topic, completely and precisely, the little known as well as the famous. "
    "Your reply is the bare list and nothing else."
)
_RULES: Final = (
    "One item a line: its usual full name alone. No numbering, no bullets, no descriptions, no introduction, "
    "no closing remark. Only real items that belong to the topic, each once. If you run out, stop: fewer is better "
    "than invented or repeated ones."
)
# How to go about it. Asked the same way twice a model says much the same twice.
_ANGLES: Final = (
    "",
    "Go beyond the obvious: put the less known ones first.",
    "Take them in random order, not by fame.",
    "Think of different kinds, places and times, and take some of each.",
    "Leave out the most famous ones.",
)

# What a small model is shown. Far from most topics, for it also repeats what it has seen.
_EXAMPLES: Final = tuple(
    (subject, tuple(members.split(", ")))
    for subject, members in (
        ("fruits", "Apple, Mango, Quince, Lychee, Papaya, Fig, Banana, Elderberry, Pear, Kiwi"),
        ("capitals of Europe", "Rome, Lisbon, Vienna, Athens, Oslo, Warsaw, Madrid, Dublin, Prague, Helsinki"),
        ("composers", "Bach, Chopin, Verdi, Ravel, Haydn, Mahler, Puccini, Debussy, Schubert, Vivaldi"),
        ("trees", "Oak, Silver Birch, Maple, Scots Pine, Cedar, Weeping Willow, Ash, Beech, Elm, Larch"),
        ("sports", "Tennis, Water Polo, Judo, Squash, Rowing, Cricket, Fencing, Ice Hockey, Golf, Archery"),
        ("Greek gods", "Zeus, Athena, Apollo, Hera, Hermes, Artemis, Ares, Poseidon, Demeter, Dionysus"),
    )
)


class Style(StrEnum):
    """How much instruction a model can take."""

    full = "full"
    small = "small"


def style_of(model_key: str) -> Style:
    """The style for `provider:model`: small for the embedded model and others below about one billion parameters."""
    return Style.small if _SMALL_MODEL.search(model_key) else Style.full


def listing(
    topic: str,
    *,
    size: int,
    partition: str | None = None,
    known: Sequence[str] = (),
    prompt: str | None = None,
    style: Style = Style.full,
    variant: int = 0,
) -> Messages:
    """Ask for `size` items.

    Args:
        topic: as the person wrote it.
        partition: the slice to stay in, as a phrase: `museums`, `names that begin with A–C`. None: the whole topic.
        known: items not to repeat; the caller has chosen them and cut them with `within`.
        prompt: the person's own instructions, added word for word.
        variant: any number; requests that differ in nothing else should differ in this one.
    """
    if style is Style.small:
        return _small_listing(topic, partition, prompt, variant)
    parts = [f"Topic: {_line(topic)}"]
    if partition:
        parts.append(f"Only: {_line(partition)}")
    if prompt and prompt.strip():
        parts.append(f"Also mind: {prompt.strip()}")
    parts.append(f"List {size} different items of it. {_RULES}")
    if angle := _ANGLES[variant % len(_ANGLES)]:
        parts.append(angle)
    if known:
        parts.append("\n".join((KNOWN_HEADING, *known)))
        parts.append(f"Now list {size} others.")
    return ("system", _SYSTEM), ("user", "\n\n".join(parts))


def _small_listing(topic: str, partition: str | None, prompt: str | None, variant: int) -> Messages:
    """A worked example, another one each time, and the beginning of the reply.

    Without the example such a model writes sentences, tables and descriptions; without another one each time it
    says the same again. It cannot count, keep to initials or leave out what is known, so none of that is asked.
    """
    about = f"{_line(topic)} ({_line(partition)})" if partition else _line(topic)
    own = f" {prompt.strip()}" if prompt and prompt.strip() else ""
    subject, members = _EXAMPLES[variant % len(_EXAMPLES)]
    turn = variant // len(_EXAMPLES) % len(members)
    shown = "\n".join(f"* {member}" for member in members[turn:] + members[:turn])
    return (
        ("user", f"List {SMALL_SIZE} {subject}."),
        ("assistant", f"Examples of {subject}:\n\n{shown}"),
        ("user", f"List {SMALL_SIZE} {about}.{own}"),
        ("assistant", f"Examples of {about}:\n\n*"),
    )


def splitting(
    topic: str,
    label: str | None,
    found: Sequence[str] = (),
    siblings: Sequence[str] = (),
    style: Style = Style.full,
) -> Messages:
    """Ask for the sub-categories of `label`, or of the topic where it is None, as a JSON array of strings.

    Args:
        found: items of the category, the more different the better; the first 8 are shown.
        siblings: categories that stand beside it or above it and must not come back.
    """
    count = "5-8" if label else "15-25"
    whole = f"the category {json.dumps(_line(label), ensure_ascii=False)}" if label else "the topic"
    parts = [
        f"Topic: {_line(topic)}",
        f"Name {count} disjoint sub-categories of {whole} that together cover it. Each is a short plain phrase which "
        "can stand alone, narrow enough that its items can be listed, and no two share items.",
    ]
    if found:
        parts.append(f"It contains for example: {'; '.join(found[:SPLIT_EXAMPLES])}")
    if siblings:
        parts.append(f"Not again: {'; '.join(siblings)}")
    parts.append('Reply with a JSON array of strings and nothing else, such as ["…", "…"].')
    user = "\n\n".join(parts)
    return (("user", user),) if style is Style.small else (("system", _SYSTEM), ("user", user))


def verifying(topic: str, items: Sequence[str]) -> Messages:
    """Ask for each item whether it is real and belongs to the topic: `1. yes`, `2. no`, …"""
    numbered = "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    return (
        (
            "system",
            "You check lists of names strictly: an item passes if it really exists and belongs to the topic.",
        ),
        (
            "user",
            f"Topic: {_line(topic)}\n\nIs each of these a real item of that topic? Reply with one line an item: its "
            f"number and yes or no, nothing else.\n\n{numbered}",
        ),
    )


def within(known: Sequence[str], tokens: int) -> tuple[str, ...]:
    """The longest beginning of `known` whose listing costs at most `tokens`; put the most worthwhile first.

    Each line counts as its `igentai.tokens.estimate` and one token for the line break.
    """
    spent, kept = 0, 0
    for item in known:
        spent += estimate(item) + 1
        if spent > tokens:
            break
        kept += 1
    return tuple(known[:kept])


def max_tokens_for(size: int, style: Style = Style.full) -> int:
    """Room for `size` items: the upper bound that a budget reserves, so generous but not idle.

    A line takes 9 tokens on average (ALGORITHMS.md section 2); names in other scripts take up to twice that.
    A small model is stopped where it begins to repeat itself, whatever the size.
    """
    return 6 * SMALL_SIZE if style is Style.small else 100 + 20 * size


def prompt_hash(messages: Messages) -> str:
    """16 hex digits that name these messages."""
    packed = json.dumps(messages, ensure_ascii=False, separators=(",", ":"))
    return blake2b(packed.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _line(text: str) -> str:
    return " ".join(text.split())
