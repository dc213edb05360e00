"""A reply of HTTP/1.1 (RFC 9112) as its bytes come in. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from igentai.providers.wire import Exchange

HEAD_LIMIT: Final = 64 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |$)")
_CHUNK_LINE: Final = 256  # hexadecimal size and extensions
_WITHOUT_BODY: Final = frozenset({204, 304})


class Malformed(Exception):
    """What came is not HTTP/1.1, or too large. Its text says which."""


class ReplyReader:
    """Fills in the status, headers and body of an exchange.

    The body counts as `exchange.patience.body_limit` bytes at most.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._buffer = bytearray()
        self._left: int | None = None  # bytes of the body, or of the chunk, still to come
        self._chunked = self._until_close = self._trailers = False
        self._done = False
        self.reusable = False

    def feed(self, data: bytes) -> bool:
        """Take bytes. True when the reply is whole.

        Raises:
            Malformed: see there.
        """
        self._buffer += data
        while self._exchange.status is None:
            if not self._head():
                return False
        if not self._done:
            self._done = self._in_chunks() if self._chunked else self._in_one()
        if self._done and self._buffer:
            self.reusable = False  # more than one reply to one request: what follows belongs to nobody
        return self._done

    def ended_by_close(self) -> bool:
        """Whether the reply is whole now that the server has closed the connection."""
        return self._until_close

    def _head(self) -> bool:
        """Read a head, if it is there whole. One of 100 to 199 announces another."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise Malformed(f"the head of the reply is larger than {HEAD_LIMIT} bytes")
            return False
        line, *fields = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        found = _STATUS.match(line)
        if not found:
            raise Malformed("what answers there does not speak HTTP/1.1")
        status = int(found[1])
        if status < 200:
            return True
        headers = {}
        for field in fields:
            name, _, value = field.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        self._exchange.status, self._exchange.headers = status, headers
        self._frame(line, status, headers)
        return True

    def _frame(self, line: bytes, status: int, headers: dict[str, str]) -> None:
        """How long the body is (RFC 9112 section 6.3), and whether the connection stays."""
        if headers.get("content-encoding", "identity") != "identity":
            raise Malformed("the reply is compressed though it was asked for plain")
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "")
        if status in _WITHOUT_BODY:
            self._left, self._chunked = 0, False
        elif not self._chunked:
            if length and not length.isdecimal():
                raise Malformed("the length of the reply is no number")
            self._until_close = not length
            self._left = int(length) if length else None
        connection = headers.get("connection", "").lower()
        kept = "keep-alive" in connection if line.startswith(b"HTTP/1.0") else "close" not in connection
        self.reusable = kept and not self._until_close

    def _in_one(self) -> bool:
        taken = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        self._keep(taken)
        if self._left is None:
            return False
        self._left -= taken
        return self._left == 0

    def _in_chunks(self) -> bool:
        while True:
            if self._left is None and not self._next_chunk():
                return False
            if self._trailers:
                return self._end_of_trailers()
            assert self._left is not None
            taken = min(self._left, len(self._buffer))
            self._keep(taken)
            self._left -= taken
            if self._left or len(self._buffer) < 2:
                return False
            if self._buffer[:2] != b"\r\n":
                raise Malformed("a chunk of the reply has another length than it says")
            del self._buffer[:2]
            self._left = None

    def _next_chunk(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _CHUNK_LINE:
                raise Malformed("the size of a chunk of the reply is no number")
            return False
        size = bytes(self._buffer[:end]).partition(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise Malformed("the size of a chunk of the reply is no number") from None
        if self._left < 0:
            raise Malformed("the size of a chunk of the reply is no number")
        del self._buffer[: end + 2]
        self._trailers = self._left == 0
        return True

    def _end_of_trailers(self) -> bool:
        """The fields after the last chunk, which nobody needs, up to the empty line."""
        while (end := self._buffer.find(b"\r\n")) > 0:
            del self._buffer[: end + 2]
        if end == 0:
            del self._buffer[:2]
            return True
        if len(self._buffer) > HEAD_LIMIT:
            raise Malformed(f"the end of the reply is larger than {HEAD_LIMIT} bytes")
        return False

    def _keep(self, taken: int) -> None:
        body, limit = self._exchange.body, self._exchange.patience.body_limit
        room = limit - len(body)
        body += self._buffer[: min(taken, room)]
        if taken > room:
            raise Malformed(f"the reply is larger than {limit} bytes")
        del self._buffer[:taken]
