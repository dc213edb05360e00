"""Answers received and not yet acknowledged, in a file: how they are written, and how they are read back.

One file a producer run, `<run id>.spool`; records are appended: length, CRC-32 (both 4 bytes big-endian), msgpack. A
record that was cut off by a kill or a full disk ends what can be read; nothing after it was ever sent.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Final, TypeAlias

from igentai.codec import MAX_FRAME, pack, unpack
from igentai.errors import FrameError, ProtocolError
from igentai.messages import AttributeBatch, RequestFailed

if TYPE_CHECKING:
    from pathlib import Path

Answer: TypeAlias = AttributeBatch | RequestFailed  # what is numbered, spooled and acknowledged

SUFFIX: Final = ".spool"
_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_HEAD: Final = struct.Struct(">II")


def is_run_id(text: str) -> bool:
    """Whether `text` is what every producer run calls itself: 128 bits in lower-case hex."""
    return _RUN_ID.fullmatch(text) is not None


def spool_path(folder: Path, run_id: str) -> Path:
    """Where a producer run keeps its spool.

    Raises:
        ProtocolError: `run_id` is none: what a peer says never becomes a path.
    """
    if not is_run_id(run_id):
        raise ProtocolError("a producer's run id must be 32 hexadecimal digits")
    return folder / f"{run_id}{SUFFIX}"


def left_over(folder: Path) -> list[str]:
    """The run ids that have a spool in `folder`, oldest first. Empty where there is no such folder."""
    found = [path for path in folder.glob(f"*{SUFFIX}") if is_run_id(path.stem) and path.is_file()]
    return [path.stem for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))]


def read_spool(path: Path) -> list[Answer]:
    """Every whole record, in the order written. Empty where there is no such file.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return scan_records(data)[0]


def encode_record(answer: Answer) -> bytes:
    """One record.

    Raises:
        FrameError: the answer would not fit in a frame either.
    """
    body = pack(answer)
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def scan_records(data: bytes) -> tuple[list[Answer], int]:
    """The records of a spool up to its end or to the first that is not whole, and how many bytes those are."""
    answers: list[Answer] = []
    at = 0
    while len(data) - at >= _HEAD.size:
        length, checksum = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + length]
        if not 0 < length <= MAX_FRAME or len(body) < length or zlib.crc32(body) != checksum:
            break
        try:
            answer = unpack(body)
        except FrameError:
            break
        if not isinstance(answer, AttributeBatch | RequestFailed):
            break
        answers.append(answer)
        at += _HEAD.size + length
    return answers, at
