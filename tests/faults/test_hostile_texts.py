"""Bar 15: hostile texts stay texts and hostile topic names stay inside outputs/.

The 200 that a browser must not run are in tests/end_to_end/test_page.py.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
import unicodedata
from pathlib import Path
from typing import Final

import pytest

from igentai.errors import TopicError
from igentai.folders import distinct
from igentai.text import clean, key, keys
from igentai_orchestrator.commission import checked_topic
from igentai_orchestrator.core.topic import ModelChoice, TopicSpec
from igentai_orchestrator.shell.archive import Archive, Reader, export, fsck
from igentai_orchestrator.shell.archive.topic_folders import same_topic
from igentai_producer.parse import parse
from tests.doubles.storage import Listener, answer, spec

PIECES: Final = (
    # terminals
    "\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x9b2J",
    "\x90q\x9c", "\x07", "\x08\x08", "\x7f", "\x1bc",
    # lines and files
    "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\ufeff", "\x1a",
    # what is not seen
    "\u202e", "\u2066", "\u200b", "\u200d", "\u00ad",
    "\u2060", "\U000e0041", "\U000e007f", "\ufe0f", "\u3164", "\u115f",
    "\ufdd0", "\uffff", "\ud800", "\udfff", "\ue000",
    # pages, spreadsheets, shells, paths, templates, JSON, SQL
    "<script>alert(1)</script>", "<img src=x onerror=x>", "javascript:x", "&lt;",
    "=HYPERLINK(\"x\")", "@SUM(A1)", "+1", "-2",
    "\t=1", "$(reboot)", "`id`", "; rm -rf ~", "| sh",
    "../../etc/passwd", "/dev/null", "C:\\con", "~root", "%00", "%s%n",
    "{0.__class__}", "{{7*7}}", "${x}", "\\u0000",
    "\"}],\"x\":[{\"", "'; DROP TABLE answers;--", "[1]", "null", "NaN",
    # letters that are many, wide, stacked, joined
    "Z" * 300, "\u0301" * 40, "é", "e\u0301", "ﬁ", "Å", "中", "日本", "𝔘",
    "👩‍👩‍👧", "क्ष", "שלום", "مرحبا", "İ", "ß", "ﷺ", "a", "Item", " ",
)  # fmt: skip


def hostile(rng: random.Random) -> str:
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 9)))


def many(count: int, seed: int = 15) -> list[str]:
    rng = random.Random(seed)
    return [hostile(rng) for _ in range(count)]


def is_harmless(line: str) -> bool:
    """Written down a second time, from RELIABILITY.md G2 and not from the product."""
    if not line or line != line.strip() or "  " in line or len(line.encode()) > 1024:
        return False
    return unicodedata.is_normalized("NFC", line) and not any(
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in "\u202e\u2066\u200b\u00ad\ufeff\U000e0041"
        for char in line
    )


def test_fifty_thousand_hostile_texts_become_harmless_lines_or_nothing() -> None:
    cleaned = [clean(text) for text in many(50_000)]
    kept = [line for line in cleaned if line is not None]
    assert len(kept) > 25_000
    bad = [line for line in kept if not is_harmless(line)]
    assert bad == []
    assert [clean(line) for line in kept] == kept, "what was cleaned is clean"
    assert all(key(line) for line in kept)


async def test_they_are_stored_once_and_read_back_the_same_everywhere(tmp_path: Path) -> None:
    lines = [line for line in map(clean, many(50_000)) if line is not None]
    first: dict[str, str] = {}
    for line, name in zip(lines, keys(lines), strict=True):
        first.setdefault(name, line)
    fresh = list(first.values())
    archive = Archive(tmp_path / "outputs")
    archive.claim()
    archive.open(spec(), "new", listener=Listener())
    for seq, at in enumerate(range(0, len(fresh), 500), 1):
        archive.submit(seq, answer(seq, at + 1, fresh[at : at + 500], partition=fresh[at]))
    await archive.close()
    archive.release()

    folder = tmp_path / "outputs/paris_attractions"
    raw = (folder / "output.txt").read_bytes()
    assert raw.decode().split("\n") == [*fresh, ""]
    assert fsck(folder).findings == []
    reader = Reader(folder)
    jsonl = b"".join(export(reader, "jsonl")).split(b"\n")[:-1]
    assert [json.loads(line)["text"] for line in jsonl] == fresh
    table = list(csv.DictReader(io.StringIO(b"".join(export(reader, "csv")).decode(), newline="")))
    assert [row["text"].removeprefix("'") for row in table] == [text.removeprefix("'") for text in fresh]
    assert not [row["text"] for row in table if row["text"][0] in "=+-@\t\r"]
    assert not [row["partition"] for row in table if row["partition"][0] in "=+-@\t\r"]
    (tmp_path / "copy.db").write_bytes(b"".join(export(reader, "sqlite")))
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert [text for (text,) in copy.execute("SELECT text FROM attributes ORDER BY number")] == fresh
    copy.close()
    reader.close()


@pytest.mark.parametrize("shape", ["lines", "bullets", "numbers", "json", "table", "fence"])
def test_a_reply_made_of_them_gives_harmless_items(shape: str) -> None:
    rng = random.Random(shape)
    for _ in range(150):
        texts = [hostile(rng) for _ in range(20)]
        reply = {
            "lines": "\n".join(texts),
            "bullets": "\n".join(f"- {text}" for text in texts),
            "numbers": "\n".join(f"{n}. **{text}**: what it is" for n, text in enumerate(texts)),
            "json": json.dumps(texts),
            "table": "| name | why |\n|---|---|\n" + "\n".join(f"| {text} | x |" for text in texts),
            "fence": "```json\n" + "\n".join(texts) + "\n```",
        }[shape]
        assert not [item for item in parse(reply).items if not is_harmless(item)]


def topic_names(count: int) -> list[str]:
    names, rng = dict[str, None](), random.Random(5)
    while len(names) < count:
        try:
            names[checked_topic(hostile(rng)[:500])] = None
        except TopicError:
            continue
    return list(names)


def test_a_topic_is_one_harmless_line() -> None:
    names = topic_names(5000)
    assert not [name for name in names if any(unicodedata.category(char) in ("Cc", "Cs") for char in name)]


def test_five_thousand_hostile_topics_are_five_thousand_folders_inside_outputs(tmp_path: Path) -> None:
    outputs = (tmp_path / "outputs").resolve()
    outputs.mkdir()
    taken: dict[str, str] = {}
    for topic in topic_names(5000):
        try:
            folder = distinct(topic, taken)
        except TopicError:
            continue  # no letter and no digit: refused with a word
        if folder in taken:
            assert same_topic(taken[folder], topic)
            continue
        taken[folder] = topic
        (outputs / folder).mkdir()
        assert (outputs / folder).resolve().parent == outputs
    assert len(taken) > 4000
    assert {path.name for path in outputs.iterdir()} == set(taken)
    assert list(tmp_path.iterdir()) == [outputs], "nothing was made beside outputs/"


async def test_hostile_topics_are_kept_apart_by_the_archive(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    archive = Archive(outputs)
    archive.claim()
    folders: dict[str, str] = {}
    for topic in topic_names(16):
        try:
            if archive.existing(topic) is not None:
                continue  # the same topic to a reader: written in another case
            folder = archive.folder_for(topic)
        except TopicError:
            continue
        archive.open(TopicSpec(topic, folder, (ModelChoice("simulated", "small"),)), "new", listener=Listener())
        await archive.close()
        folders[folder] = topic
    assert len(folders) > 8
    assert {summary.folder: summary.topic for summary in archive.topics()} == folders
    assert {path.name for path in outputs.iterdir() if path.is_dir()} == set(folders)
    archive.release()
