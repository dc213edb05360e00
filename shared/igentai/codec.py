"""Messages to bytes and back: 4-byte big-endian length, then one msgpack map (`igentai.messages`).

Pure: whoever holds the socket feeds what came and gets messages. Every bound is checked before memory is spent on
what it bounds: the length as soon as its four bytes are there, the rest inside msgpack.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import msgpack  # used in this file alone

from igentai.errors import FrameError
from igentai.messages import Message, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FRAME: Final = 1 << 20  # bytes
MAX_UNPROVEN_FRAME: Final = 4 << 10  # bytes, from a peer that has not proved itself

# Lists and maps in one frame: 1 MiB of empty ones, nested to stay below 4,096 each, would take 71 MB and a second.
MAX_CONTAINERS: Final = 8192
_CHECK_ABOVE: Final = 4 << 10  # a frame of more bytes is read back before it leaves: only such can break a limit
_LENGTH: Final = struct.Struct(">I")


def frame(message: Message) -> bytes:
    """The message as it goes on the wire.

    Raises:
        FrameError: it is longer than the other side accepts, as a whole or in one of its texts or lists.
    """
    body = pack(message)
    return _LENGTH.pack(len(body)) + body


def pack(message: Message) -> bytes:
    """The message without its length.

    Raises:
        FrameError: as `frame`.
    """
    try:
        body: bytes = msgpack.packb(encode(message))
    except (ValueError, OverflowError, TypeError) as error:  # a lone surrogate, a number beyond 64 bits
        raise FrameError(f"a {type(message).__name__} cannot be written ({type(error).__name__})") from None
    if len(body) > MAX_FRAME:
        raise FrameError(f"a {type(message).__name__} of {len(body)} bytes does not fit in a frame of {MAX_FRAME}")
    if len(body) > _CHECK_ABOVE:
        unpack(body)
    return body


def unpack(body: bytes | bytearray | memoryview) -> Message:
    """The validated message in a frame's body.

    Raises:
        FrameError: not msgpack, beyond a limit, or not a known message. The text holds nothing of the peer's data.
    """
    return decode(_unpacked(body))


def _unpacked(body: bytes | bytearray | memoryview) -> Any:
    containers = 0

    def count(value: Any) -> Any:
        nonlocal containers
        containers += 1
        if containers > MAX_CONTAINERS:
            raise ValueError
        return value

    try:
        return msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=True,
            list_hook=count,
            object_hook=count,
            ext_hook=_no_ext,
            max_str_len=64 << 10,
            max_bin_len=MAX_FRAME,
            max_array_len=4096,
            max_map_len=64,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        # StackError (nesting), ExtraData and FormatError are ValueErrors; ExtraData carries the data, so no chaining
        raise FrameError(f"a frame is not readable msgpack within the limits ({type(error).__name__})") from None


def _no_ext(_code: int, _data: bytes) -> Any:
    raise ValueError


class Deframer:
    """Cuts a byte stream into messages.

    Holds at most one unfinished frame beside what was fed last. After a FrameError the stream has no further meaning:
    every later `feed` raises it again.
    """

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._fault: FrameError | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Message]:
        """Take `data` in; the messages that are whole now, one by one.

        The messages before a malformed frame are given before it is complained about, however the stream was cut.

        Raises:
            FrameError: while iterating, at the first frame that is too long or malformed.
        """
        self._buffer += data
        return self._messages()

    def _messages(self) -> Iterator[Message]:
        if self._fault is not None:
            raise self._fault
        buffer, at = self._buffer, 0
        try:
            while len(buffer) - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, at)
                if not 0 < length <= self.limit:
                    raise FrameError(f"a frame says it is {length} bytes long; 1 to {self.limit} are accepted")
                start = at + _LENGTH.size
                if len(buffer) - start < length:
                    break
                at = start + length
                yield unpack(bytes(memoryview(buffer)[start:at]))
        except FrameError as fault:
            self._fault = fault
            at = len(buffer)
            raise
        finally:
            del buffer[:at]
