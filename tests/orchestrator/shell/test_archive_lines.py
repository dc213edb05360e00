from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import LedgerDamaged
from igentai_orchestrator.shell.archive.lines import OutputLines, compare
from tests.doubles.storage import FaultyDisk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCKS = (b"Louvre\nOrsay\n", "Île de la Cité\n".encode(), b"Arc de Triomphe\n")
WHOLE = b"".join(BLOCKS)


@pytest.fixture
def disk() -> FaultyDisk:
    return FaultyDisk()


def _lines(folder: Path, disk: FaultyDisk, blocks: tuple[bytes, ...] = BLOCKS) -> OutputLines:
    return OutputLines(folder, disk, lambda: iter(blocks))


def _foreign(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("output.txt.foreign-*"))]


@pytest.fixture
def opened(tmp_path: Path, disk: FaultyDisk) -> Iterator[OutputLines]:
    (tmp_path / "output.txt").write_bytes(WHOLE)
    lines = _lines(tmp_path, disk)
    assert lines.open() is None
    yield lines
    lines.close()


@pytest.mark.parametrize(
    ("content", "state", "agrees_to"),
    [
        (WHOLE, "whole", len(WHOLE)),
        (b"", "short", 0),
        (WHOLE[:-1], "short", len(WHOLE) - 1),
        (WHOLE[:16], "short", 16),  # in the middle of a letter
        (WHOLE[:13] + b"\0\0\0\0\0\0\0\0", "torn", 13),
        (WHOLE[:20] + b"\xff\xfe", "torn", 13),
        (WHOLE + b"half a li", "torn", len(WHOLE)),
        (WHOLE + b"mine\n", "foreign", len(WHOLE)),
        (WHOLE.replace(b"Orsay", b"ORSAY"), "foreign", 7),
        (WHOLE.replace(b"\n", b"\r\n"), "foreign", 0),
        (WHOLE[7:], "foreign", 0),
    ],
)
def test_how_a_file_stands_against_the_ledger(tmp_path: Path, content: bytes, state: str, agrees_to: int) -> None:
    path = tmp_path / "output.txt"
    path.write_bytes(content)
    found = compare(path, iter(BLOCKS))
    assert (found.state, found.agrees_to) == (state, agrees_to)


@given(
    keep=st.integers(0, len(WHOLE)),
    tail=st.binary(max_size=12),
    size=st.integers(1, 40),
)
@settings(deadline=None, max_examples=150)
def test_whatever_the_file_was_it_becomes_what_the_ledger_says(
    keep: int, tail: bytes, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("topic")
    (folder / "output.txt").write_bytes(WHOLE[:keep] + tail)
    texts = WHOLE.splitlines(keepends=True)
    blocks = tuple(b"".join(texts[i : i + size]) for i in range(0, len(texts), size))
    lines = _lines(folder, FaultyDisk(), blocks)
    lines.open()
    lines.append(b"Sacre-Coeur\n")
    lines.close()
    assert (folder / "output.txt").read_bytes() == WHOLE + b"Sacre-Coeur\n"
    assert all(copy == WHOLE[:keep] + tail for copy in _foreign(folder))


def test_a_foreign_edit_is_kept_and_told_and_earlier_copies_stay(tmp_path: Path, disk: FaultyDisk) -> None:
    for note in (b"my own line\n", b"another\n"):
        (tmp_path / "output.txt").write_bytes(WHOLE + note)
        lines = _lines(tmp_path, disk)
        assert "kept as output.txt.foreign-" in (lines.open() or "")
        lines.close()
    assert _foreign(tmp_path) == [WHOLE + b"my own line\n", WHOLE + b"another\n"]
    assert (tmp_path / "output.txt").read_bytes() == WHOLE


def test_a_link_is_moved_away_and_its_target_left_alone(tmp_path: Path, disk: FaultyDisk) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"do not touch\n")
    (tmp_path / "output.txt").symlink_to(target)
    lines = _lines(tmp_path, disk)
    lines.open()
    lines.append(b"more\n")
    lines.close()
    assert target.read_bytes() == b"do not touch\n"
    assert (tmp_path / "output.txt").read_bytes() == WHOLE + b"more\n"


def test_a_missing_file_is_written_again(tmp_path: Path, disk: FaultyDisk) -> None:
    lines = _lines(tmp_path, disk)
    assert "written again" in (lines.open() or "")
    lines.close()
    assert (tmp_path / "output.txt").read_bytes() == WHOLE


def test_short_writes_are_carried_on(opened: OutputLines, disk: FaultyDisk) -> None:
    disk.short = 3
    opened.append(b"Sacre-Coeur\n")
    assert opened.path.read_bytes() == WHOLE + b"Sacre-Coeur\n"


@pytest.mark.parametrize("got", [0, 1, 11])
def test_a_failed_append_leaves_no_part_of_it(opened: OutputLines, disk: FaultyDisk, got: int) -> None:
    disk.fail("write")
    disk.written_before_failing = got
    with pytest.raises(OSError, match="ENOSPC"):
        opened.append(b"Sacre-Coeur\n")
    assert opened.path.read_bytes() == WHOLE
    opened.append(b"Sacre-Coeur\n")
    assert opened.path.read_bytes() == WHOLE + b"Sacre-Coeur\n"


def test_what_could_not_be_taken_back_at_once_is_before_the_next_append(opened: OutputLines, disk: FaultyDisk) -> None:
    disk.fail("write")
    disk.fail("truncate", errno.EIO)
    disk.written_before_failing = 5
    with pytest.raises(OSError, match="ENOSPC"):
        opened.append(b"Sacre-Coeur\n")
    assert opened.path.read_bytes() == WHOLE + b"Sacre"
    assert not opened.touched()
    opened.append(b"Sacre-Coeur\n")
    assert opened.path.read_bytes() == WHOLE + b"Sacre-Coeur\n"


def test_a_touched_file_is_noticed(opened: OutputLines) -> None:
    assert not opened.touched()
    opened.append(b"one more\n")
    assert not opened.touched()
    with opened.path.open("ab") as file:
        file.write(b"mine\n")
    assert opened.touched()


def test_a_replaced_or_removed_file_is_noticed(opened: OutputLines) -> None:
    other = opened.path.with_name("saved-by-an-editor")
    other.write_bytes(WHOLE)
    other.replace(opened.path)
    assert opened.touched()
    opened.path.unlink()
    assert opened.touched()


def test_a_failed_sync_is_not_tried_again(opened: OutputLines, disk: FaultyDisk) -> None:
    disk.calls.clear()
    disk.fail("fsync", errno.EIO)
    with pytest.raises(LedgerDamaged, match="fsync"):
        opened.sync()
    assert disk.calls == {"fsync": 1}


def test_a_full_disk_while_mending_leaves_the_old_file_to_be_mended_later(tmp_path: Path, disk: FaultyDisk) -> None:
    (tmp_path / "output.txt").write_bytes(WHOLE + b"mine\n")
    lines = _lines(tmp_path, disk)
    disk.fail("write")
    with pytest.raises(OSError, match="ENOSPC"):
        lines.open()
    lines.open()
    lines.close()
    assert (tmp_path / "output.txt").read_bytes() == WHOLE
    assert _foreign(tmp_path) == [WHOLE + b"mine\n"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.txt", "output.txt.foreign-1"]
