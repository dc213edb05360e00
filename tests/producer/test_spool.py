from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.wire import answer

from igentai.spool import encode_record, read_spool, spool_path
from igentai_producer.spool import SpoolFiles, Tenancy, new_run_id

if TYPE_CHECKING:
    from pathlib import Path

RUN = "a" * 32
ANSWERS = [replace(answer(n), seq=n) for n in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return spool_path(tmp_path, RUN)


def fill(spool: SpoolFiles, folder: str) -> None:
    for kept in ANSWERS:
        spool.append(folder, kept)


def test_what_is_appended_can_be_read_while_the_producer_lives_and_after(folder: str, path: Path) -> None:
    spool = SpoolFiles(RUN)
    fill(spool, folder)
    assert read_spool(path) == ANSWERS
    assert spool.read(folder, "ledger") == ANSWERS
    assert spool.read(folder, "another") == []
    spool.close()
    successor = SpoolFiles(RUN)
    assert successor.read(folder, "ledger") == ANSWERS
    successor.close()


def test_nobody_else_may_read_it(folder: str, path: Path) -> None:
    spool = SpoolFiles(RUN)
    fill(spool, folder)
    assert path.stat().st_mode & 0o777 == 0o600
    spool.close()


def test_what_is_acknowledged_leaves_the_file(folder: str, path: Path) -> None:
    spool = SpoolFiles(RUN)
    fill(spool, folder)
    spool.clear(folder, ANSWERS[2:], remove=True)
    spool.append(folder, replace(answer(4), seq=4))
    assert [kept.seq for kept in read_spool(path)] == [3, 4]
    spool.clear(folder, [], remove=False)
    assert path.stat().st_size == 0
    spool.append(folder, ANSWERS[0])
    assert read_spool(path) == ANSWERS[:1]
    spool.clear(folder, [], remove=True)
    assert not path.exists()
    spool.close()


def test_an_empty_spool_goes_with_its_producer(folder: str, path: Path) -> None:
    spool = SpoolFiles(RUN)
    fill(spool, folder)
    spool.clear(folder, [], remove=False)
    spool.close()
    assert not path.exists()


def test_a_torn_tail_is_cut_off_before_anything_is_added(folder: str, path: Path) -> None:
    whole, torn = encode_record(ANSWERS[0]), encode_record(ANSWERS[1])[:-1]
    path.write_bytes(whole + torn)
    spool = SpoolFiles(RUN)
    assert spool.read(folder, "ledger") == ANSWERS[:1]
    spool.append(folder, ANSWERS[2])
    assert read_spool(path) == [ANSWERS[0], ANSWERS[2]]
    spool.close()


def test_a_write_that_fails_halfway_leaves_no_half_record(
    folder: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = SpoolFiles(RUN)
    spool.append(folder, ANSWERS[0])
    write, room = os.pwrite, 20

    def filling_disk(descriptor: int, data: bytes, offset: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[:room], offset)
        room -= written
        return written

    monkeypatch.setattr(os, "pwrite", filling_disk)
    with pytest.raises(OSError, match="No space left"):
        spool.append(folder, ANSWERS[1])
    assert path.stat().st_size == len(encode_record(ANSWERS[0]))
    monkeypatch.undo()
    spool.append(folder, ANSWERS[2])
    assert read_spool(path) == [ANSWERS[0], ANSWERS[2]]
    spool.close()


def test_a_spool_that_was_taken_in_and_removed_is_begun_anew(folder: str, path: Path) -> None:
    spool = SpoolFiles(RUN)
    spool.append(folder, ANSWERS[0])
    path.unlink()
    spool.append(folder, ANSWERS[1])
    assert read_spool(path) == ANSWERS[1:2]
    spool.close()


def test_a_topics_folder_is_not_made_again_when_the_topic_is_gone(tmp_path: Path) -> None:
    spool = SpoolFiles(RUN)
    with pytest.raises(FileNotFoundError):
        spool.append(str(tmp_path / "gone"), ANSWERS[0])
    assert spool.read(str(tmp_path / "gone"), "ledger") == []


def test_a_link_in_the_place_of_a_spool_is_not_followed(folder: str, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        SpoolFiles(RUN).append(folder, ANSWERS[0])
    assert target.read_text() == "precious"


# -- a folder of its own --------------------------------------------------------------------------------------


def test_its_own_folders_are_made_and_removed(tmp_path: Path) -> None:
    own = tmp_path / "own"
    spool = SpoolFiles(RUN, own)
    spool.append(str(own / "x"), ANSWERS[0])
    assert read_spool(spool_path(own / "x", RUN)) == ANSWERS[:1]
    spool.clear(str(own / "x"), [], remove=True)
    assert list(own.iterdir()) == []


def test_a_successor_takes_over_the_run_of_a_dead_producer(tmp_path: Path) -> None:
    spool = SpoolFiles(RUN, tmp_path)
    spool.append(str(tmp_path / "x"), ANSWERS[0])
    spool.close()
    tenancy = Tenancy(tmp_path)
    assert tenancy.run_id == RUN
    tenancy.close()


def test_two_living_producers_never_share_a_run(tmp_path: Path) -> None:
    spool = SpoolFiles(RUN, tmp_path)
    spool.append(str(tmp_path / "x"), ANSWERS[0])
    spool.close()
    first, second, third = Tenancy(tmp_path), Tenancy(tmp_path), Tenancy(tmp_path)
    assert first.run_id == RUN
    assert len({first.run_id, second.run_id, third.run_id}) == 3
    for tenancy in (first, second, third):
        tenancy.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x"], "no locks are left"


def test_run_ids_are_never_alike() -> None:
    assert len({new_run_id() for _ in range(100)}) == 100
