"""What is known, as 8-byte keys: the filter that producers are sent, and the numbers that their keys stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from igentai.bloom import Bloom, delta
from igentai.messages import KEY_BYTES
from igentai.text import key64, keys

DELTA_KEYS = 256  # so many new ones are sent on at once, fewer after a while
MOST_IN_A_DELTA = 100_000  # keys; a frame takes 1 MiB


class Known:
    """A filter and an exact index of the same keys: the filter travels, the index answers.

    A key in an answer stands for an attribute that some producer saw again. One that is not in the index is a false
    positive of the filter; whoever asks for its text loses nothing.
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._filter = Bloom()
        self._numbers: dict[bytes, int] = {}
        self._latest = 0
        self._unsent: list[bytes] = []
        self.learn(texts)
        self._unsent.clear()

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def unsent(self) -> int:
        """Keys that producers have not been told of."""
        return len(self._unsent)

    def learn(self, texts: Sequence[str]) -> None:
        """The next attributes, in the order of their numbers."""
        for number, key in enumerate(keys(list(texts)), self._latest + 1):
            digest = key64(key)
            if self._numbers.setdefault(digest, number) == number and self._filter.add(digest):
                self._unsent.append(digest)
        self._latest += len(texts)

    def numbers(self, known: bytes) -> list[int] | None:
        """The attributes that the keys of an answer stand for; None where one of them stands for none."""
        found: list[int] = []
        for at in range(0, len(known), KEY_BYTES):
            number = self._numbers.get(known[at : at + KEY_BYTES])
            if number is None:
                return None
            found.append(number)
        return found

    def parts(self) -> list[bytes]:
        """The whole filter, in pieces of a frame each, for a producer that has none yet."""
        return self._filter.parts()

    def deltas(self) -> list[bytes]:
        """What came since the last time, in pieces of a frame each."""
        fresh, self._unsent = self._unsent, []
        return [delta(fresh[at : at + MOST_IN_A_DELTA]) for at in range(0, len(fresh), MOST_IN_A_DELTA)]

    def plant(self, wrong: Iterable[bytes]) -> None:
        """Make the filter take `wrong` for known: what a false positive is. For measurements and tests."""
        for digest in wrong:
            if self._filter.add(digest):
                self._unsent.append(digest)
