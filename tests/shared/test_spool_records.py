from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import answer, failure

from igentai.codec import pack
from igentai.errors import ProtocolError
from igentai.messages import Ready
from igentai.spool import Answer, encode_record, left_over, read_spool, scan_records, spool_path

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS: list[Answer] = [answer(1, attributes=["Louvre", "Musée d’Orsay"]), failure(2, seq=2), answer(3, seq=3)]
DATA = b"".join(map(encode_record, ANSWERS))


def test_records_are_read_back_in_order() -> None:
    assert scan_records(DATA) == (ANSWERS, len(DATA))


@given(st.integers(0, len(DATA) - 1))
def test_a_torn_tail_loses_nothing_before_it(cut: int) -> None:
    answers, whole = scan_records(DATA[:cut])
    assert answers == ANSWERS[: len(answers)]
    assert b"".join(map(encode_record, answers)) == DATA[:whole]
    assert len(encode_record(ANSWERS[len(answers)])) > cut - whole, "what is left is less than the next record"


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_damaged_record_is_never_taken_for_a_whole_one(at: int, flip: int) -> None:
    damaged = bytearray(DATA)
    damaged[at] ^= flip
    answers, _ = scan_records(bytes(damaged))
    assert answers == ANSWERS[: len(answers)]
    assert len(answers) < len(ANSWERS)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data: bytes) -> None:
    assert scan_records(data)[1] <= len(data)


def test_only_answers_belong_in_a_spool() -> None:
    body = pack(Ready(1))
    record = encode_record(answer())
    other = record[:8].replace(record[:8], encode_record(answer())[:8]) + body
    assert scan_records(other)[0] == []


def test_a_spool_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_spool(tmp_path / "none.spool") == []
    assert left_over(tmp_path / "none") == []


@pytest.mark.parametrize("run_id", ["", "../../etc/passwd", "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "/"])
def test_a_run_id_never_becomes_another_path(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ProtocolError):
        spool_path(tmp_path, run_id)


def test_left_over_spools_are_found_by_their_run(tmp_path: Path) -> None:
    for name in ("a" * 32, "b" * 32):
        spool_path(tmp_path, name).write_bytes(DATA)
    (tmp_path / "notes.spool").touch()
    assert sorted(left_over(tmp_path)) == ["a" * 32, "b" * 32]
    assert read_spool(spool_path(tmp_path, "a" * 32)) == ANSWERS
