"""Which 8-byte keys were seen: a Bloom filter that grows, is sent in parts, and is the same on every machine.

Kirsch and Mitzenmacher, "Less hashing, same performance", 2006: two 32-bit halves of a uniform 64-bit key make all the
probes. Almeida et al., "Scalable Bloom filters", 2007: when a slice is full, another begins; slice i may be wrong for
1 % · 6/π²(i+1)², which adds up to 1 % over however many there are.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WRONG_SHARE: Final = 0.01
FIRST_CAPACITY: Final = 1 << 16
LARGEST_CAPACITY: Final = 1 << 18  # keys; with the number of slices it keeps each of them within a frame of 1 MiB
MOST_SLICES: Final = 64  # 16 million keys

_SLICE: Final = b"S"
_KEYS: Final = b"K"
_HEAD: Final = struct.Struct(">cHII")  # kind, slice number, keys in it, bytes that follow
_KEY: Final = struct.Struct("<II")


class _Slice:
    """Part of a filter, for `capacity` keys. Its geometry follows from its number and the first capacity alone."""

    __slots__ = ("bits", "capacity", "count", "probes", "size")

    def __init__(self, number: int, first_capacity: int) -> None:
        self.capacity = min(first_capacity << min(number, 32), max(first_capacity, LARGEST_CAPACITY))
        wrong = WRONG_SHARE * 6 / (math.pi * (number + 1)) ** 2
        # fewer probes than theory asks for: a tenth more memory, a quarter less time
        self.probes = max(1, round(0.7 * -math.log2(wrong)))
        bits = -self.probes * self.capacity / math.log(1 - wrong ** (1 / self.probes))
        self.bits = bytearray(math.ceil(bits / 8))
        self.size = len(self.bits) * 8
        self.count = 0


class Bloom:
    """A set of 8-byte keys that never forgets one and takes at most about 1 % of others for its own.

    Args:
        capacity: keys of the first slice. Filters that are to be merged must have been made with the same.
    """

    __slots__ = ("_capacity", "_slices")

    def __init__(self, capacity: int = FIRST_CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"a filter for {capacity} keys holds nothing; say 1 or more")
        self._capacity = capacity
        self._slices = [_Slice(0, capacity)]

    def __len__(self) -> int:
        """Keys added, those left out that seemed known."""
        return sum(s.count for s in self._slices)

    def __contains__(self, key: bytes) -> bool:
        a, b = _KEY.unpack(key)
        b |= 1
        for s in reversed(self._slices):  # the newest are the largest
            bits, size, at = s.bits, s.size, a
            for _ in range(s.probes):
                place = at % size
                if not bits[place >> 3] >> (place & 7) & 1:
                    break
                at += b
            else:
                return True
        return False

    def add(self, key: bytes) -> bool:
        """Add a key of 8 bytes. False where it seemed known, which leaves the filter as it was."""
        if key in self:
            return False
        last = self._slices[-1]
        if last.count >= last.capacity:
            if len(self._slices) >= MOST_SLICES:
                raise ValueError("the filter is full: it holds as many slices as it may")
            last = _Slice(len(self._slices), self._capacity)
            self._slices.append(last)
        last.count += 1
        a, b = _KEY.unpack(key)
        b |= 1
        bits, size = last.bits, last.size
        for _ in range(last.probes):
            place = a % size
            bits[place >> 3] |= 1 << (place & 7)
            a += b
        return True

    def parts(self) -> list[bytes]:
        """The filter in pieces that fit a frame each (with the default capacity), for `merge`."""
        return [_HEAD.pack(_SLICE, i, s.count, len(s.bits)) + s.bits for i, s in enumerate(self._slices)]

    def to_bytes(self) -> bytes:
        """The whole filter. Another one is made of it by `from_bytes`, or takes it in by `merge`."""
        return b"".join(self.parts())

    @classmethod
    def from_bytes(cls, data: bytes, capacity: int = FIRST_CAPACITY) -> Bloom:
        """The filter that `to_bytes` wrote.

        Raises:
            ValueError: it is damaged, or of a filter of another capacity.
        """
        bloom = cls(capacity)
        bloom.merge(data)
        return bloom

    def merge(self, data: bytes) -> None:
        """Take in what `to_bytes`, `parts` or `delta` wrote, in any order and as often as it comes.

        Raises:
            ValueError: it is damaged, or of a filter of another capacity. What came before the damage is kept.
        """
        view = memoryview(data)
        while view:
            if len(view) < _HEAD.size:
                raise ValueError("the filter's data end within a header")
            kind, number, count, length = _HEAD.unpack_from(view)
            body, view = view[_HEAD.size : _HEAD.size + length], view[_HEAD.size + length :]
            if len(body) != length:
                raise ValueError("the filter's data end too early")
            if kind == _SLICE:
                self._merge_slice(number, count, body)
            elif kind == _KEYS and length % 8 == 0:
                for at in range(0, length, 8):
                    self.add(bytes(body[at : at + 8]))
            else:
                raise ValueError("the filter's data are of no known kind")

    def _merge_slice(self, number: int, count: int, body: memoryview) -> None:
        if number >= MOST_SLICES:
            raise ValueError("the filter's data have more slices than a filter may hold")
        while len(self._slices) <= number:
            self._slices.append(_Slice(len(self._slices), self._capacity))
        own = self._slices[number]
        if len(body) != len(own.bits) or count > own.capacity:
            raise ValueError("the filter's data are of a filter of another capacity")
        both = int.from_bytes(own.bits, "little") | int.from_bytes(body, "little")
        own.bits[:] = both.to_bytes(len(own.bits), "little")
        own.count = max(own.count, count)


def delta(keys: Iterable[bytes]) -> bytes:
    """Some 8-byte keys in a form that `Bloom.merge` takes: what to send when few have come since the last time."""
    body = b"".join(keys)
    return _HEAD.pack(_KEYS, 0, len(body) // 8, len(body)) + body
