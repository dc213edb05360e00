"""What a harness plants into a daemon and its producers: a witness, places to be killed at, and bugs.

`FAULT_PLANTS` names them, comma-separated, as NAME or NAME=VALUE; `site/sitecustomize.py` calls `plant` in every
process of the tree. Each of them wraps one function of the product; none changes it otherwise.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

LINGER_S: Final = 0.03  # a slow disk: what must not happen before a commit has time to happen


def role() -> str:
    """producer, daemon or other: what this process is."""
    words = sys.orig_argv
    if "igentai_producer" in words or ("igentai_orchestrator" in words and "producer" in words):
        return "producer"
    return "daemon" if {"igentai_orchestrator", "tests.faults.zygote"} & set(words) else "other"


def slot() -> int | None:
    """The slot of this producer."""
    words = sys.orig_argv
    return int(words[words.index("--slot") + 1]) if "--slot" in words else None


def plant(names: Sequence[str]) -> None:
    """Plant all of `names` that concern this process."""
    if role() == "producer" and slot() is not None:
        _once_tied_to_its_parent(names)
    else:
        _plant_now(names)


def _plant_now(names: Sequence[str]) -> None:
    here = PLANTS.get(role(), {})
    for name in names:
        bare, _, value = name.partition("=")
        if bare in here:
            here[bare](value)


def _once_tied_to_its_parent(names: Sequence[str]) -> None:
    """A producer's first act stays its first: what is planted imports half of it."""
    from igentai_producer import parent

    def make(die_with: Callable[[int], bool]) -> Callable[[int], bool]:
        def then_planted(pid: int) -> bool:
            tied = die_with(pid)
            if tied:
                _plant_now(names)
            return tied

        return then_planted

    around(parent, "die_with", make)


def around(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a function by what `make` builds around it."""
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(make(original)))


# -- a witness ------------------------------------------------------------------------------------------------------


class Witness:
    """Appends one JSON line an event, each in one write: a kill of the process cannot take it back."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def say(self, event: str, **keys: object) -> None:
        import json

        os.write(self._fd, json.dumps({"event": event, **keys}).encode() + b"\n")


def witness(path: str) -> None:
    """Note every answer that reached a spool, and every Ack, before the producer acts on it."""
    from igentai.messages import Ack, AttributeBatch
    from igentai_producer import link, spool
    from igentai_producer.events import Received

    notes = Witness(path)
    run = {"id": ""}

    def noting_spooled(append: Callable[..., Any]) -> Callable[..., Any]:
        def noted(files: Any, folder: str, answer: Any) -> None:
            append(files, folder, answer)
            run["id"] = answer.run_id
            if isinstance(answer, AttributeBatch):
                notes.say("spooled", run=answer.run_id, seq=answer.seq, assignment=answer.assignment_id)

        return noted

    def noting_acks(feed: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, event: Any) -> None:
            if isinstance(event, Received) and isinstance(event.message, Ack):
                notes.say("acked", run=run["id"] or self._session._identity.run_id, seq=event.message.seq)
            feed(self, event)

        return noted

    around(spool.SpoolFiles, "append", noting_spooled)
    around(link.Link, "_feed", noting_acks)


# -- chosen places to be killed at ----------------------------------------------------------------------------------


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Pass:
    """Counts how often a place is passed, and is due once, at the `count`-th time."""

    def __init__(self, text: str) -> None:
        self.place, _, count = text.partition(":")
        self._left = int(count or 1)

    def due(self, *_: Any) -> bool:
        self._left -= 1
        return self._left == 0

    def due_with_answers(self, _: Any, records: Sequence[Any]) -> bool:
        """Only commits that hold an answer count."""
        return any(hasattr(record, "fresh") for record in records) and self.due()


def _killing(due: Callable[..., bool], *, after: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def killed(*args: Any, **keys: Any) -> Any:
            hit = due(*args)
            if hit and not after:
                time.sleep(LINGER_S)
                die()
            result = original(*args, **keys)
            if hit:
                time.sleep(LINGER_S)
                die()
            return result

        return killed

    return make


def _torn(due: Callable[[], bool]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Half of the bytes are written, then the process is killed."""

    def make(write: Callable[..., Any]) -> Callable[..., Any]:
        def torn(where: Any, target: Any, data: bytes, *rest: Any) -> Any:
            if not due():
                return write(where, target, data, *rest)
            write(where, target, data[: max(1, len(data) // 2)], *rest)
            return die()

        return torn

    return make


DAEMON_PLACES: Final = (
    "before_commit", "after_commit", "before_answers", "after_answers", "torn_append", "after_append",
    "before_replace", "after_replace", "before_take_spool", "before_remove_spool",
)  # fmt: skip
PRODUCER_PLACES: Final = ("before_spool", "torn_spool", "after_spool", "before_clear", "after_clear")


def daemon_place(text: str) -> None:
    """`PLACE:COUNT`: be killed there, at the COUNT-th pass."""
    from igentai_orchestrator.daemon import spools
    from igentai_orchestrator.shell.archive import disk, ledger, lines

    place = Pass(text)
    match place.place:
        case "before_commit" | "after_commit":
            around(ledger.Ledger, "commit", _killing(place.due, after=place.place == "after_commit"))
        case "before_answers" | "after_answers":
            due = place.due_with_answers
            around(ledger.Ledger, "commit", _killing(due, after=place.place == "after_answers"))
        case "torn_append":
            around(lines, "write_whole", _torn(place.due))
        case "after_append":
            around(lines.OutputLines, "append", _killing(place.due, after=True))
        case "before_replace" | "after_replace":
            around(disk.SystemDisk, "replace", _killing(place.due, after=place.place == "after_replace"))
        case "before_take_spool":
            around(spools.Spools, "take", _killing(place.due, after=False))
        case "before_remove_spool":
            around(spools.Spools, "remove", _killing(place.due, after=False))
        case _:
            raise ValueError(f"no such place: {text}")


def producer_place(text: str) -> None:
    """The same in the producer of slot 0; the others go on."""
    if slot() != 0:
        return
    from igentai_producer import spool

    place = Pass(text)
    match place.place:
        case "before_spool" | "after_spool":
            around(spool.SpoolFiles, "append", _killing(place.due, after=place.place == "after_spool"))
        case "torn_spool":

            def make(write: Callable[..., None]) -> Callable[..., None]:
                def torn(descriptor: int, data: bytes, offset: int) -> None:
                    if not place.due():
                        write(descriptor, data, offset)
                        return
                    write(descriptor, data[: max(1, len(data) // 2)], offset)
                    die()

                return torn

            around(spool, "_write_at", make)
        case "before_clear" | "after_clear":
            around(spool.SpoolFiles, "clear", _killing(place.due, after=place.place == "after_clear"))
        case _:
            raise ValueError(f"no such place: {text}")


# -- bugs: each breaks one promise, and a harness that does not see it is worth nothing --------------------------------


def ack_first(_: str) -> None:
    """Acknowledge what is only queued."""
    from igentai_orchestrator.shell.archive import writer

    def make(submit: Callable[..., None]) -> Callable[..., None]:
        def early(self: Any, ticket: int, record: Any) -> None:
            submit(self, ticket, record)
            self._listener.committed(ticket)

        return early

    around(writer.Writer, "submit", make)


def no_fsync(_: str) -> None:
    """Nothing is ever synced."""
    from igentai_orchestrator.shell.archive import disk, ledger

    def make(configure: Callable[..., None]) -> Callable[..., None]:
        def unsafe(connection: Any) -> None:
            configure(connection)
            connection.execute("PRAGMA synchronous = OFF")

        return unsafe

    around(ledger, "_configure", make)
    disk.SystemDisk.fsync = lambda self, fd: None  # type: ignore[method-assign]  # the bug


def no_dedup(_: str) -> None:
    """Take an answer that is sent again for a new one: neither the desk nor the ledger knows it."""
    from igentai_orchestrator.core import answers, desk

    def take(original: Callable[..., Any]) -> Callable[..., Any]:
        def forgetful(books: Any, link: int | None, batch: Any, now: float) -> Any:
            books.campaign.last_seq.pop(batch.run_id, None)
            return original(books, link, batch, now)

        return forgetful

    def admit(original: Callable[..., Any]) -> Callable[..., Any]:
        def renumbered(*args: Any) -> Any:
            from dataclasses import replace

            record = original(*args)
            return replace(record, producer_run=f"{record.producer_run}-{os.urandom(4).hex()}")

        return renumbered

    around(desk, "take_answer", take)
    around(answers, "answer_record", admit)


def no_tail_mending(_: str) -> None:
    """Leave the end of output.txt as it was found."""
    from igentai_orchestrator.shell.archive import lines

    def make(mend: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, found: None if found.state in ("short", "torn") else mend(self, found)

    around(lines.OutputLines, "_mend", make)
    lines.OutputLines.touched = lambda self: self._fd < 0  # type: ignore[method-assign]  # it hides behind this otherwise


def no_spool(_: str) -> None:
    """Send without keeping."""
    from igentai_producer import spool

    spool.SpoolFiles.append = lambda self, folder, answer: None  # type: ignore[method-assign]  # the bug


# -- trouble that is nobody's bug --------------------------------------------------------------------------------------


def slow_disk(seconds: str) -> None:
    """Every sync takes this much longer: each commit and each document has one or two."""
    from igentai_orchestrator.shell.archive import disk, ledger

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*args: Any, **keys: Any) -> Any:
            time.sleep(float(seconds))
            return original(*args, **keys)

        return slow

    around(ledger.Ledger, "commit", make)
    around(disk.SystemDisk, "fsync", make)


def crash_loop(text: str) -> None:
    """The producer of this slot ends as soon as it starts."""
    if slot() == int(text):
        sys.stderr.write("planted: this producer ends at once\n")
        sys.stderr.flush()
        os._exit(7)


def busy_loop(trigger: str) -> None:
    """The producer that finds the file `trigger` adds its pid to the name, and hangs."""
    from igentai_producer import work

    def make(perform: Callable[..., Any]) -> Callable[..., Any]:
        async def hanging(self: Any, *args: Any) -> Any:
            try:
                os.rename(trigger, f"{trigger}.{os.getpid()}")  # noqa: PTH104  a producer's start is kept light
            except FileNotFoundError:
                return await perform(self, *args)
            while True:
                pass

        return hanging

    around(work.Work, "perform", make)


PLANTS: Final[dict[str, dict[str, Callable[[str], None]]]] = {
    "daemon": {
        "ack_first": ack_first,
        "no_fsync": no_fsync,
        "no_dedup": no_dedup,
        "no_tail_mending": no_tail_mending,
        "slow_disk": slow_disk,
        "daemon_place": daemon_place,
    },
    "producer": {
        "witness": witness,
        "no_spool": no_spool,
        "crash_loop": crash_loop,
        "busy_loop": busy_loop,
        "producer_place": producer_place,
    },
}
