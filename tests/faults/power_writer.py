"""The process that loses its power: writes a topic through the archive and tells, by a pipe, what is acknowledged.

One line an acknowledgement on standard output: how many answers are durable, counted over all processes.
"""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path
from random import Random

from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.shell.archive import Archive
from tests.doubles.storage import answer, spec

TOPIC = "Paris attractions"
RUN = "cd" * 16
CREDIT = 8  # a producer's


class Telling:
    """Says each commit to the pipe: whoever reads it is on another disk."""

    def __init__(self) -> None:
        self._base = 0
        self.durable = 0

    def begin(self, base: int) -> None:
        """So many answers were there before."""
        self._base = base
        os.write(1, f"{base}\n".encode())

    def committed(self, ticket: int) -> None:
        self.durable = ticket
        os.write(1, f"{self._base + ticket}\n".encode())

    def troubled(self, detail: str) -> None:
        pass  # what a disk without power answers

    def mended(self) -> None:
        pass

    def broken(self, error: BaseException) -> None:
        os._exit(3)


def texts(number: int) -> list[str]:
    """The fresh attributes of the `number`-th answer, the same in every process."""
    rng = Random(number)
    return [f"attribute {number}.{place} {'x' * rng.randint(0, 60)}é" for place in range(rng.randint(0, 6))]


def write(outputs: Path, rng: Random) -> None:
    """Write until the power goes, and tell each acknowledgement."""
    archive = Archive(outputs, retry_s=0.05)
    archive.claim()
    telling = Telling()
    opened = archive.open(spec(TOPIC), "resume" if archive.existing(TOPIC) else "new", listener=telling)
    held = [record for record in opened.history if isinstance(record, AnswerRecord)]
    number = sum(len(record.fresh) for record in held) + 1
    telling.begin(len(held))
    for ticket in count(1):
        fresh = texts(len(held) + ticket)
        archive.submit(ticket, answer(len(held) + ticket, number, fresh, producer_run=RUN))
        number += len(fresh)
        if rng.random() < 0.1:
            archive.write_state({"status": "running", "unique_attributes": number - 1, "cost_usd": 0.0})
            archive.write_metrics({"topic": TOPIC, "filler": "y" * rng.randint(0, 20_000)})
        if rng.random() < 0.02:
            archive.write_global()
        while ticket - telling.durable > CREDIT:
            time.sleep(0.0005)
