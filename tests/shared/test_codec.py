from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.wire import answer, any_message

from igentai.codec import MAX_FRAME, MAX_UNPROVEN_FRAME, Deframer, frame, pack, unpack
from igentai.errors import FrameError
from igentai.messages import MAX_ATTRIBUTES, Ack, Assign, Message, Ready, encode


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@given(any_message())
def test_what_is_framed_comes_out_the_same(message: Message) -> None:
    deframer = Deframer()
    assert list(deframer.feed(frame(message))) == [message]


@given(st.lists(any_message(), max_size=4), st.data())
def test_any_cut_of_the_stream_gives_the_same_messages(messages: list[Message], data: st.DataObject) -> None:
    stream = b"".join(map(frame, messages))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)) | {0, len(stream)})
    deframer = Deframer()
    got = [message for a, b in pairwise(cuts) for message in deframer.feed(stream[a:b])]
    assert got == messages


@given(st.binary(max_size=300))
@example(framed(b"\xc1"))
@example(framed(b"\x91" * 2000))
@example(framed(b"\x81\xa4type\xa5Ready\xa0"))
def test_any_bytes_give_messages_or_a_frame_error(data: bytes) -> None:
    deframer = Deframer()
    try:
        for _ in deframer.feed(data):
            pass
    except FrameError:
        with pytest.raises(FrameError):
            list(deframer.feed(b""))


@given(any_message(), st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_byte_gives_a_message_or_a_frame_error(message: Message, at: int, byte: int) -> None:
    body = bytearray(pack(message))
    body[at % len(body)] = byte
    try:
        unpack(bytes(body))
    except FrameError as fault:
        error: BaseException | None = fault
    else:
        error = None
    assert error is None or error.__cause__ is None, "msgpack's own error may carry the peer's data"


def test_messages_before_a_fault_are_given_however_the_stream_was_cut() -> None:
    stream = frame(Ready(1)) + frame(Ready(2)) + framed(b"\xc1")
    for cut in range(len(stream)):
        deframer, got = Deframer(), list[Message]()
        with pytest.raises(FrameError):  # noqa: PT012  the fault may come with either half
            got += deframer.feed(stream[:cut])
            for message in deframer.feed(stream[cut:]):
                got.append(message)
        assert got == [Ready(1), Ready(2)]


def test_a_frame_that_says_it_is_too_long_is_refused_before_it_comes() -> None:
    with pytest.raises(FrameError, match="1 to 4096"):
        list(Deframer(MAX_UNPROVEN_FRAME).feed(struct.pack(">I", MAX_UNPROVEN_FRAME + 1)))


def test_the_limit_can_be_raised_once_the_peer_is_proven() -> None:
    long = frame(answer(attributes=["x" * 1000] * 5))
    deframer = Deframer(MAX_UNPROVEN_FRAME)
    assert list(deframer.feed(frame(Ready(1)) + long[:3])) == [Ready(1)]
    deframer.limit = MAX_FRAME
    assert list(deframer.feed(long[3:])) == [answer(attributes=["x" * 1000] * 5)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xdc\x10\x01" + b"\xc0" * 4097, id="an array of more than 4,096"),
        pytest.param(b"\xdc\x01\x00" + (b"\xdc\x0f\xff" + b"\x90" * 0xFFF) * 256, id="a million empty arrays, nested"),
        pytest.param(b"\xdc\x01\x00" + (b"\xdc\x0f\xff" + b"\x80" * 0xFFF) * 256, id="a million empty maps, nested"),
        pytest.param(b"\x91" * 100_000, id="nested deeper than the stack"),
        pytest.param(msgpack.packb({str(i): i for i in range(65)}), id="a map of more than 64"),
        pytest.param(msgpack.packb({"type": "Stop", "drain": "x" * 65_537}), id="a string of more than 64 KiB"),
        pytest.param(msgpack.packb(msgpack.ExtType(5, b"x")), id="an extension"),
        pytest.param(msgpack.packb({"type": "Ready", "free": msgpack.Timestamp(1)}), id="a timestamp"),
        pytest.param(msgpack.packb({1: 2}), id="a key that is no string"),
        pytest.param(msgpack.packb({"type": "Ready", "free": 1}) + b"\xc0", id="something after the message"),
        pytest.param(b"\x82\xa4type\xa4Stop\xa5drain\xa1\xff", id="text that is not UTF-8"),
    ],
)
def test_what_is_beyond_the_limits_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError, match="not readable msgpack"):
        unpack(body)


@pytest.mark.parametrize(
    "change",
    [
        {"free": "1"},
        {"free": True},
        {"free": 2**63},
        {"free": None},
        {"more": 1},
        {"type": "Reddy"},
        {"type": 7},
        {"type": "Assign"},
    ],
)
def test_a_map_that_is_no_message_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FrameError):
        unpack(msgpack.packb(encode(Ready(1)) | change))


def test_a_number_that_is_none_is_refused() -> None:
    plain = encode(answer())
    plain["metadata"]["cost_usd"] = float("nan")
    with pytest.raises(FrameError, match=r"AnswerMetadata.cost_usd is not a finite number"):
        unpack(msgpack.packb(plain))


@pytest.mark.parametrize(
    "changed",
    [{"cost_usd": -0.01}, {"cost_usd": 1e9}, {"tokens_in": -1}, {"tokens_out": 2**50}, {"response_time_ms": -5}],
)
def test_an_answer_that_counts_what_cannot_be_is_refused(changed: dict[str, float]) -> None:
    plain = encode(answer())
    plain["metadata"] |= changed
    with pytest.raises(FrameError, match="cannot be counted"):
        unpack(msgpack.packb(plain))


def test_an_answer_holds_a_thousand_attributes_and_not_one_more() -> None:
    most = answer(attributes=["x"] * MAX_ATTRIBUTES)
    assert unpack(pack(most)) == most
    with pytest.raises(FrameError, match="1000 attributes"):
        unpack(msgpack.packb(encode(replace(most, attributes=["x"] * (MAX_ATTRIBUTES + 1)))))


def test_peer_data_is_never_in_an_error() -> None:
    for plain in (
        {"type": "hunter2"},
        {"type": "Ready", "free": "hunter2"},
        {"hunter2": 1, "type": "Ready"},
        "hunter2",
    ):
        with pytest.raises(FrameError) as caught:
            unpack(msgpack.packb(plain))
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(answer(attributes=["x" * 1024] * 1000 + ["y" * 30_000]), id="longer than a frame"),
        pytest.param(
            Assign(1, "openai", "m", "", [("user", "x" * 65_537)], 10, None, 1.0), id="a text the other side refuses"
        ),
        pytest.param(answer(attributes=["x" * 5] * 1001), id="more attributes than the other side takes"),
        pytest.param(Ack("\ud800", 1), id="a lone surrogate"),
    ],
)
def test_what_the_other_side_would_refuse_is_not_sent(message: Message) -> None:
    with pytest.raises(FrameError):
        frame(message)
