from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from igentai_producer.lines import LONGEST, JsonLines

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    os.set_blocking(writes, False)
    yield reads, writes
    os.close(reads)
    os.close(writes)


def read(descriptor: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in os.read(descriptor, 1 << 20).splitlines()]


def test_a_line_is_an_event_with_its_keys(pipe: tuple[int, int]) -> None:
    JsonLines(pipe[1]).warning("producer.connection_lost", reason="reset", retry_in_s=0.5)
    (line,) = read(pipe[0])
    assert (line["level"], line["event"], line["reason"]) == ("warning", "producer.connection_lost", "reset")


def test_keys_are_never_written(pipe: tuple[int, int]) -> None:
    JsonLines(pipe[1], secrets=["sk-hunter2"]).error("x", exception="ask(key='sk-hunter2') failed")
    assert read(pipe[0])[0]["exception"] == "ask(key='***') failed"


def test_lower_levels_are_left_out(pipe: tuple[int, int]) -> None:
    log = JsonLines(pipe[1], "warning")
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in read(pipe[0])] == ["loud"]


def test_a_long_line_keeps_its_end_and_one_piece(pipe: tuple[int, int]) -> None:
    log = JsonLines(pipe[1])
    log.error("x", exception="a" * 100_000 + "ZeroDivisionError")
    log.error("y", exception="\x00" * 100_000)
    one, other = read(pipe[0])
    assert one["exception"].endswith("ZeroDivisionError")
    assert other["event"] == "y"


def test_a_log_that_nobody_reads_does_not_stop_the_work(pipe: tuple[int, int]) -> None:
    log = JsonLines(pipe[1])
    for _ in range(1000):
        log.info("x", text="y" * 2000)
    os.read(pipe[0], 1 << 20)
    log.info("again")
    (line,) = read(pipe[0])
    assert line["event"] == "again"
    assert line["lines_missed"] > 900
    assert len(json.dumps(line)) < LONGEST
