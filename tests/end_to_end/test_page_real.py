"""The page in a real browser on the real daemon: everything a person does with it, and a restart in the middle."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.end_to_end.browser import Tab, chromium, program
from tests.end_to_end.command import daemon, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(program() is None, reason="no Chromium on this machine"),
]

MODELS = "simulated:large?latency=0.2, simulated:large-b?latency=0.2&items=40000&categories=30&knows=0.5"


async def number(tab: Tab, selector: str) -> int:
    return int((await tab.text(selector)).replace(",", "").replace("–", "0") or 0)


async def test_start_watch_search_weigh_restart_stop_and_export(tmp_path: Path) -> None:
    async with chromium() as tab:
        async with daemon("-n", "2", "-p", "0", cwd=tmp_path) as first:
            await until(first.plate, 15, "the doorplate")
            port = first.plate()["address"].rpartition(":")[2]
            await tab.open(first.plate()["sign_in"])
            await tab.until("document.body.dataset.state === 'empty'")
            await tab.fill("#quick-topic", "Lighthouses")
            await tab.click("#quick-more")
            await tab.evaluate("document.querySelector('#start details').open = true")
            await tab.fill("#f-providers", MODELS)
            await tab.click("#start-go")
            await tab.until("document.querySelector('#name').textContent === 'Lighthouses'")
            await tab.until("Number(document.querySelector('#found').textContent.replace(',', '')) > 200", 30)
            assert "simulated" in await tab.text("#simulated")
            await tab.until("document.querySelectorAll('#models .model').length === 3")
            assert await tab.evaluate("document.documentElement.scrollWidth") <= 1440
            name = "document.querySelector('#models .model:nth-child(3) .who button')"
            assert await tab.evaluate(f"{name}.scrollWidth > {name}.clientWidth"), "cut short,"
            assert "knows=0.5" in await tab.evaluate(f"{name}.title"), "and whole in its title"

            text = await tab.text("#rows .row .text")
            await tab.fill("#search", text)
            await tab.until(f"document.querySelector('#rows .row .text').textContent === {text!r}")
            await tab.click("#rows .row")
            await tab.until("document.querySelector('#provenance').textContent.includes('Found by')")
            await tab.fill("#search", "")
            await tab.until("document.querySelector('#attributes-count').textContent.endsWith('newest first')")

            await tab.evaluate("document.querySelector('#models input[type=range]').focus()")
            await tab.key("ArrowRight", 39)
            await tab.until("!document.querySelector('#models .auto').hidden")

            first.process.send_signal(signal.SIGKILL)
            await first.ended(5)
            await tab.until("document.body.dataset.link === 'lost'")
            assert "No connection" in await tab.text("#alerts")
            before = await number(tab, "#found")
        async with daemon("-n", "2", "-p", port, cwd=tmp_path) as second:
            await tab.until("document.body.dataset.link === 'open'", 30)
            await tab.until(
                f"Number(document.querySelector('#found').textContent.replace(',', '')) > {before + 50}", 30
            )
            await tab.until("!document.querySelector('#models .auto').hidden")  # what a person set outlives the daemon
            await tab.click("#stop")
            await tab.until("document.querySelector('#status').textContent === 'stopped'", 20)
            lines = second.lines("lighthouses")
            await tab.until(f"document.querySelector('#attributes-count').textContent.startsWith('{len(lines):,}')")
            # What came in the last moment of a topic is not pushed any more, but fetched.
            await tab.until("document.querySelector('#rows .row.waiting:not([hidden])') === null")
            held = await tab.evaluate(
                "JSON.stringify([...document.querySelectorAll('#rows .row:not([hidden])')]"
                ".map(r => [Number(r.dataset.number), r.querySelector('.text').textContent]))"
            )
            for at, shown in json.loads(held):
                assert lines[at - 1] == shown, "what is shown is what is on disk, by number"
            exported = await tab.evaluate(
                "fetch(document.querySelector('[data-format=txt]').href).then(answer => answer.text())"
            )
            assert exported.split("\n")[:-1] == lines
            assert [
                fault
                for fault in tab.faults
                if "WebSocket" not in fault and "Failed to load" not in fault and "ERR_CONNECTION_REFUSED" not in fault
            ] == []
