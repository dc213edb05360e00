"""A topic's folder, made, or taken up where an earlier daemon left it: whole, synced and mended before anybody relies
on it."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from igentai.errors import TopicError
from igentai_orchestrator.shell.archive import documents, ledger, topic_folders
from igentai_orchestrator.shell.archive.disk import Disk, replace_whole, sweep_unfinished
from igentai_orchestrator.shell.archive.ledger import Ledger
from igentai_orchestrator.shell.archive.lines import OutputLines
from igentai_orchestrator.shell.archive.specification import spec_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from igentai_orchestrator.core.records import Record
    from igentai_orchestrator.core.topic import TopicSpec

SPOOL: Final = "spool"

OpenMode: TypeAlias = Literal["new", "overwrite", "resume"]


@dataclass(frozen=True, slots=True)
class OpenedTopic:
    """A topic that is ready to be worked on.

    `ledger` names its ledger for ever. `spool` is where local producers keep their answers. `history` is every record
    so far, oldest first; it may be iterated more than once. `elapsed_s` is the working time of earlier daemons.
    `repairs` says in words what had to be mended.
    """

    ledger: str
    folder: Path
    spool: Path
    history: Iterable[Record]
    elapsed_s: float
    resumed: bool
    repairs: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TakenUp:
    """The files of a topic, open for its writer. Whoever has it closes `book`."""

    book: Ledger
    lines: OutputLines
    meta: Mapping[str, str]
    repairs: list[str]


def make(spec: TopicSpec, outputs: Path, path: Path, disk: Disk, wall: float, *, overwrite: bool) -> None:
    """A folder with an empty ledger.

    Raises:
        TopicError: it is there, and is not to be overwritten.
    """
    if path.exists():
        if not overwrite:
            raise TopicError(f"{path} is there already; say --resume to go on with it or --overwrite to start again")
        topic_folders.discard(outputs, spec.folder, spec.topic, disk)
    topic_folders.create(outputs, spec.folder, disk, lambda folder: _fill(spec, folder, disk, wall))


def _fill(spec: TopicSpec, folder: Path, disk: Disk, wall: float) -> None:
    started = documents.iso_time(wall)
    meta = {
        "ledger": secrets.token_hex(16), "topic": spec.topic, "spec": spec_to_json(spec), "started": started,
        "started_wall": repr(wall), "elapsed_s": "0.0",
    }  # fmt: skip
    Ledger.create(folder / ledger.FILE, meta).close()
    state = {"status": "running", "started": started, "unique_attributes": 0, "cost_usd": 0.0}
    replace_whole(disk, folder / documents.STATE, (documents.state_bytes(spec, state, started),))


def take_up(spec: TopicSpec, path: Path, disk: Disk, *, resumed: bool) -> TakenUp:
    """Open the ledger, and bring everything that follows from it in line with it.

    Raises:
        TopicError: it is another topic's folder, or one that is not to be trusted.
    """
    book = Ledger.open(path / ledger.FILE)
    try:
        meta = book.meta()
        held = meta.get("topic", "")
        if not topic_folders.same_topic(held, spec.topic):
            raise TopicError(f"{path} holds another topic, {held[:80]!r}, and is left alone")
        repairs = [f"{name} was left unfinished: removed" for name in sweep_unfinished(path)]
        lines = OutputLines(path, disk, book.blocks)
        repair = lines.open()
        if repair and resumed:
            repairs.append(repair)
        book.set_meta({"spec": spec_to_json(spec)})
        _complete(spec, path, disk, float(meta["started_wall"]))
    except BaseException:
        book.close()
        raise
    return TakenUp(book, lines, meta, repairs)


def _complete(spec: TopicSpec, path: Path, disk: Disk, started_wall: float) -> None:
    """What else belongs into a topic's folder."""
    if (path / SPOOL).is_symlink():
        raise TopicError(f"{path / SPOOL} is a symbolic link, which igentai does not follow; remove it")
    (path / SPOOL).mkdir(mode=0o700, exist_ok=True)
    os.chmod(path, 0o700)  # noqa: PTH101  folders made by hand or by a copy, too
    os.chmod(path / SPOOL, 0o700)  # noqa: PTH101
    if not (path / documents.TOPIC).exists():
        replace_whole(disk, path / documents.TOPIC, (documents.topic_text(spec, started_wall),))
