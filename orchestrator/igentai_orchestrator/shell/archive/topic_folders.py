"""The folders inside outputs/: which are topics, how one is made, and how one is taken away.

Both happen in one rename: a new topic is prepared under a name of ours and gets its own when it is complete; one that
is overwritten loses its own first and is deleted afterwards. What a kill leaves is swept at the next claim.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from igentai.errors import TopicError
from igentai_orchestrator.shell.archive import documents, ledger
from igentai_orchestrator.shell.archive.disk import Disk, sync_folder
from igentai_orchestrator.shell.archive.history import connect_readonly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = structlog.get_logger(__name__)

_PREPARED: Final = ".new-"
_TRASH: Final = ".trash-"


def read_meta(folder: Path) -> dict[str, str] | None:
    """The meta table of a folder's ledger, None where it cannot be read."""
    path = folder / ledger.FILE
    if path.is_symlink() or not path.is_file():
        return None
    try:
        connection = connect_readonly(path)
        try:
            return dict(connection.execute("SELECT key, value FROM meta"))
        finally:
            connection.close()
    except sqlite3.Error:
        return None


def topic_of(folder: Path) -> str | None:
    """The topic a folder holds by its ledger, or else by its state.json; None where neither says."""
    meta = read_meta(folder)
    if meta is not None and "topic" in meta:
        return meta["topic"]
    topic = (documents.read_document(folder / documents.STATE) or {}).get("topic")
    return topic if isinstance(topic, str) else None


def same_topic(one: str, other: str) -> bool:
    """Whether two texts say one topic, as `igentai.folders.distinct` sees it: case and signs matter."""
    return unicodedata.normalize("NFC", one).strip() == unicodedata.normalize("NFC", other).strip()


def topic_folders(outputs: Path) -> Iterator[Path]:
    """Every folder that holds a ledger or a state.json, by name. Symbolic links are not followed."""
    try:
        entries = sorted(os.scandir(outputs), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        folder = Path(entry.path)
        if (folder / ledger.FILE).exists() or (folder / documents.STATE).exists():
            yield folder


def taken(outputs: Path) -> dict[str, str]:
    """Every name in `outputs` with its topic, the empty text for what is no topic's folder."""
    return {name: topic_of(outputs / name) or "" for name in _names(outputs) if not name.startswith(".")}


def path_of(outputs: Path, folder: str) -> Path:
    """The path of `folder` in `outputs`.

    Raises:
        TopicError: not a plain name, or a symbolic link.
    """
    path = outputs / folder
    if not folder or folder.startswith(".") or Path(folder).name != folder or "\0" in folder:
        raise TopicError(f"{folder!r} is not the name of a topic's folder; see `igentai topics`")
    if path.is_symlink():
        raise TopicError(f"{path} is a symbolic link, which igentai does not follow; remove it")
    return path


def create(outputs: Path, name: str, disk: Disk, fill: Callable[[Path], None]) -> Path:
    """A new folder, seen under its name only once `fill` has put everything into it."""
    prepared = outputs / f"{_PREPARED}{secrets.token_hex(8)}"
    prepared.mkdir(mode=0o700)
    try:
        fill(prepared)
        sync_folder(disk, prepared)
        disk.replace(prepared, outputs / name)
    except BaseException:
        shutil.rmtree(prepared, ignore_errors=True)
        raise
    sync_folder(disk, outputs)
    return outputs / name


def discard(outputs: Path, name: str, topic: str, disk: Disk) -> None:
    """Take away the folder `name`, which must hold `topic`.

    Raises:
        TopicError: it is a symbolic link, holds another topic, or does not say what it holds.
    """
    path = path_of(outputs, name)
    held = topic_of(path)
    if held is None and any(path.iterdir()):
        raise TopicError(f"{path} does not say which topic it holds and is left alone; move it away, then start again")
    if held is not None and not same_topic(held, topic):
        raise TopicError(f"{path} holds another topic, {held[:80]!r}, and is left alone")
    trash = outputs / f"{_TRASH}{secrets.token_hex(8)}"
    disk.replace(path, trash)
    sync_folder(disk, outputs)
    _remove(trash)


def sweep(outputs: Path) -> None:
    """Remove what a killed daemon had begun to make or to take away."""
    for name in _names(outputs):
        if name.startswith((_PREPARED, _TRASH)):
            _remove(outputs / name)


def _names(outputs: Path) -> list[str]:
    try:
        return sorted(os.listdir(outputs))  # noqa: PTH208  names, not paths
    except FileNotFoundError:
        return []


def _remove(path: Path) -> None:
    """Delete what has lost its name already. Where that fails it is in nobody's way until the next claim."""
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)  # never follows symbolic links
    except OSError as error:
        _log.warning("archive.left_over_kept", name=path.name, reason=error.strerror)
