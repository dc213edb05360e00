"""Near-duplicates of a real topic: shown with their reason, and separated for good, while it runs and after."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx

from igentai_orchestrator.core.records import EventRecord, Record
from igentai_orchestrator.core.topic import ModelChoice, TopicSpec
from igentai_orchestrator.shell.archive import Archive
from tests.doubles.storage import Listener, answer
from tests.end_to_end.command import daemon, until
from tests.end_to_end.test_daemon import api

TEXTS = ["Matrix", "The Matrix", "Apple", "Apples"]
MERGES = ((2, 1, "article"), (4, 3, "plural"))


async def write_topic(outputs: Path) -> None:
    """A topic that a daemon has worked on: four attributes, two of them merged."""
    archive = Archive(outputs, retry_s=0.1)
    archive.claim()
    spec = TopicSpec("films", "films", (ModelChoice("simulated", "large?latency=0.3"),), producers=1)
    archive.open(spec, "new", listener=Listener())
    records: list[Record] = [answer(1, 1, TEXTS)]
    records += [EventRecord("merge", why, json.dumps({"number": n, "head": head})) for n, head, why in MERGES]
    for ticket, record in enumerate(records, 1):
        archive.submit(ticket, record)
    archive.write_metrics(
        {"topic": "films", "status": "stopped", "near_duplicates": {"merged": 2, "distinct": 2, "latest": []}}
    )
    archive.write_state({"status": "stopped", "unique_attributes": 4})
    await archive.close()
    archive.release()


def rows_of(client: httpx.Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get("/api/topics/films/attributes?limit=4").json()["attributes"]
    return rows


async def test_a_merge_is_shown_with_its_reason_and_undone_for_good(tmp_path: Path) -> None:
    await write_topic(tmp_path / "outputs")
    separate = "/api/topics/films/attributes/{}/separate"
    async with daemon("-n", "1", "-p", "0", cwd=tmp_path) as running:
        await until(running.plate, 15, "the doorplate")
        with api(running) as client:
            assert [row["merged_into"] for row in rows_of(client)] == [
                None,
                {"number": 1, "text": "Matrix", "reason": "article"},
                None,
                {"number": 3, "text": "Apple", "reason": "plural"},
            ]
            exported = client.get("/api/topics/films/export?format=csv").text
            assert [row["merged_into"] for row in csv.DictReader(io.StringIO(exported))] == ["", "1", "", "3"]

            undone = client.post(separate.format(2))
            assert (undone.status_code, undone.json()["merged_into"]) == (200, None)
            assert rows_of(client)[1]["merged_into"] is None
            near = client.get("/api/topics/films/metrics").json()["near_duplicates"]
            assert (near["merged"], near["distinct"]) == (1, 3)
            assert client.post(separate.format(2)).status_code == 409
            assert client.post(separate.format(99)).status_code == 404
            assert client.post(separate.format(0)).status_code == 422

            assert client.post("/api/topics/films/resume").status_code == 200
            await until(lambda: client.get("/api/status").json()["topic"], 15, "the topic runs")
            await until(lambda: len(running.lines("films")) > 4, 20, "it finds more")
            assert client.post(separate.format(2)).status_code == 409
            assert client.post(separate.format(4)).json()["merged_into"] is None
            await until(lambda: rows_of(client)[3]["merged_into"] is None, 5, "the ledger says so")
            client.post("/api/topics/films/stop")
            await until(lambda: running.metrics("films")["status"] == "stopped", 15, "it ends")
            assert not [row for row in rows_of(client) if row["merged_into"]]
