"""Which attributes are probably one and the same: the second, reversible layer of DESIGN.md section 4.

Nothing is dropped. `Kinship` proposes, for a new attribute, an earlier one it repeats in other words, and a reason a
person can check: `The Matrix` beside `Matrix` (article). Siblings must stay apart (Perl 5 and Perl 6, Boeing 737 and
747, chocolate milk and milk chocolate), so every rule compares spellings and none compares meanings.

Two keys that could be kin fall on one `kin_key`; the pair is then compared exactly: one look into a table an item.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from igentai.wording import Wording, is_swap, reduced, singular, wording

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMPARED: Final = 8  # earlier attributes of one kin key that a new one is compared with
_DIRECTIONS: Final = frozenset(
    [
        "to",
        "from",
        "vs",
        "versus",
        "over",
        "into",
        "onto",
        "before",
        "after",
        "by",
        "for",
        "than",
        "without",
        "on",
        "under",
    ]
)
_SMALL: Final = frozenset(["of", "the", "and", "in", "at", "de"])
_NUMBERS: Final = re.compile(r"\d+")
_YEAR: Final = re.compile(r"\D*(?:1\d|20)\d\d\D*")
_REORDERED: Final = 4  # so many words that count may change places freely; fewer only around a comma or `of`
_RISKY: Final = ("transposition", "plural", "order", "parenthesis")


def kin_key(key: str) -> str:
    """What all spellings of one attribute that any rule knows have in common; unlike attributes may share it too."""
    return _kin_key(wording(key), key)


def reason(earlier: str, later: str) -> str | None:
    """Why two keys are probably one attribute, None where no rule says so.

    `punctuation`, `article`, `acronym`, `parenthesis`, `order`, `plural` or `transposition`; of several the riskiest,
    and never two risky ones at once.
    """
    return _reason(wording(earlier), wording(later))


class Kinship:
    """Groups of attributes, by number. Deterministic in the order of the calls."""

    __slots__ = ("_above", "_aside", "_entries", "_keys")

    def __init__(self) -> None:
        self._keys: dict[int, str] = {}
        self._entries: dict[int, int | list[int]] = {}  # hash of a kin key -> numbers standing for it
        self._above: dict[int, int] = {}  # number -> the one it was merged under
        self._aside: dict[int, str] = {}  # number -> what the parenthesis of its group says

    def add(self, number: int, key: str) -> tuple[int, str] | None:
        """Takes in attribute `number`; the head of the group it joins and why, None where it stands alone.

        The reason is that for the earlier attribute it resembles, which may be the head or a member.
        """
        if number in self._keys:
            return None
        self._keys[number] = key
        words = wording(key)
        forms = [hash(_kin_key(words, key)), *(hash(alias) for alias in _aliases(words))]
        found = None
        for form in forms:
            known = self._entries.get(form)
            if known is not None and found is None:
                found = self._matched([known] if isinstance(known, int) else known, words)
            self._enter(form, known, number, found is not None)
        if found is None:
            return None
        earlier, why = found
        self._above[number] = earlier
        return self.head(earlier), why

    def undo(self, number: int) -> None:
        """Takes `number` out of its group, with those that joined through it; it stands alone or heads them."""
        self._above.pop(number, None)

    def head(self, number: int) -> int:
        """The first attribute of the group of `number`: itself where it stands alone."""
        while (above := self._above.get(number)) is not None:
            number = above
        return number

    def _matched(self, known: list[int], words: Wording) -> tuple[int, str] | None:
        for earlier in known[:_COMPARED]:
            other = wording(self._keys[earlier])
            aside = self._aside.get(earlier)
            if aside is not None and words.aside and words.aside != aside:
                continue  # Mercury (planet) has joined Mercury: Mercury (element) must not
            if why := _reason(other, words):
                if words.aside and not other.aside:
                    self._aside.setdefault(earlier, words.aside)
                return earlier, why
        return None

    def _enter(self, form: int, known: int | list[int] | None, number: int, is_kin: bool) -> None:
        if known is None:
            self._entries[form] = number
        elif not is_kin:
            if isinstance(known, int):
                self._entries[form] = [known, number]
            elif len(known) < _COMPARED:
                known.append(number)


def _kin_key(words: Wording, key: str) -> str:
    kept = sorted(reduced(word) for word in words.words if word not in _SMALL)
    return " ".join(kept) or " ".join(words.words) or key


def _aliases(words: Wording) -> list[str]:
    """`hypertext markup language (html)` is also found as html, and html (hypertext markup language) as its words."""
    if not words.aside:
        return []
    inner = wording(words.aside)
    if _are_initials(words.aside, words.words) or _are_initials("".join(words.words), inner.words):
        return [_kin_key(inner, words.aside)]
    return []


def _are_initials(short: str, words: tuple[str, ...]) -> bool:
    """Whether `short` abbreviates the words: their initials are in it in order, and its letters in theirs (html)."""
    if not 2 <= len(short) <= 8 or not short.isalpha() or len(words) < 2 or short[0] != words[0][0]:
        return False
    initials = (word[0] for word in words if word not in _SMALL)
    return _is_within(initials, short) and _is_within(short, "".join(words))


def _is_within(part: Iterable[str], whole: str) -> bool:
    """Whether the letters of `part` stand in `whole` in their order."""
    rest = iter(whole)
    return all(letter in rest for letter in part)


def _reason(one: Wording, two: Wording) -> str | None:
    if one.aside and two.aside and one.aside != two.aside:
        return None
    why = _words_differ(one, two)
    if why is None:
        return _is_expansion(one, two)
    differences = [why] if why else []
    if one.aside != two.aside:
        aside = one.aside or two.aside
        if _NUMBERS.search(aside) and not _YEAR.fullmatch(aside):
            return None
        differences.append("parenthesis")
    if sum(1 for name in differences if name in _RISKY) > 1:
        return None
    differences += ["article"] if one.article != two.article else []
    differences += ["acronym"] if one.is_spelled != two.is_spelled else []
    return (differences or ["punctuation"])[0]


def _words_differ(one: Wording, two: Wording) -> str | None:
    """How the words differ: "" not at all, None in a way no rule allows."""
    a, b = one.words, two.words
    if a == b:
        return ""
    if len(a) == len(b):
        unlike = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
        if all(singular(x) == singular(y) for x, y in unlike):
            return "plural"
        if len(unlike) == 1 and is_swap(*unlike[0]):
            return "transposition"
    return "order" if _is_reordered(one, two) else None


def _is_reordered(one: Wording, two: Wording) -> bool:
    a, b = one.words, two.words
    if one.inverted == b or two.inverted == a:
        return True
    if _of_turned(a) == b or _of_turned(b) == a:
        return True
    kept = [sorted(word for word in words if word not in _SMALL) for words in (a, b)]
    return (
        kept[0] == kept[1]
        and len(kept[0]) >= _REORDERED
        and not _DIRECTIONS & set(a + b)
        and sum(1 for word in a if _NUMBERS.search(word)) <= 1
    )


def _of_turned(words: tuple[str, ...]) -> tuple[str, ...]:
    """`museum of modern art` as `modern art museum`; () where there is not exactly one `of` inside."""
    if words.count("of") != 1:
        return ()
    at = words.index("of")
    tail = words[at + 1 :]
    tail = tail[1:] if tail[:1] == ("the",) else tail
    return tail + words[:at] if at and tail else ()


def _is_expansion(one: Wording, two: Wording) -> str | None:
    for full, short in ((one, two), (two, one)):
        if not full.aside or short.aside:
            continue
        inner = wording(full.aside).words
        if short.words == inner and (
            _are_initials("".join(inner), full.words) or _are_initials("".join(full.words), inner)
        ):
            return "acronym"
    return None
