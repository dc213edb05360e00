"""SIGHUP: the configuration is read again; one that is wrong is refused, and the old one stays."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.faults.rig import at_work


async def test_hangup_takes_new_keys_and_limits_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    key, config = tmp_path / "key", tmp_path / "igentai.toml"
    key.write_text("sk-of-yesterday")
    key.chmod(0o600)
    good = f'[providers.openai]\nkey_file = "{key}"\n'
    config.write_text(good + "requests_per_minute = 600\n")
    async with at_work(tmp_path, env={"OPENAI_API_KEY": ""}, key="sk-of-today") as rig:
        await rig.until(lambda: rig.events("provider.out"), 30, "yesterday's key is refused")
        asked = rig.source.count()
        config.write_text(good + "requests_per_minute = -1\n")
        rig.daemon.process.send_signal(signal.SIGHUP)
        [refused] = await rig.until(lambda: rig.events("daemon.reload_refused"), 5, "a wrong configuration is refused")
        assert "requests_per_minute" in refused["reason"]
        config.write_text(good + "requests_per_minute = 6000\n")
        key.write_text("sk-of-today")
        rig.daemon.process.send_signal(signal.SIGHUP)
        await rig.until(lambda: rig.events("daemon.reloaded"), 5, "the right one is taken")
        await rig.working()
        outcomes = [document["outcome"] for document in rig.source.served()]
        assert "delivered" not in outcomes[:asked]
        assert "delivered" in outcomes[asked:]
        assert "sk-of-today" not in rig.daemon.text()
        assert (await rig.end())[0] == 0


@pytest.mark.alone
async def test_a_limit_that_is_lowered_holds_from_then_on(tmp_path: Path) -> None:
    config = tmp_path / "igentai.toml"
    config.write_text("[providers.openai]\nrequests_per_minute = 6000\n")
    async with at_work(tmp_path) as rig:
        await rig.working(more=100)
        config.write_text("[providers.openai]\nrequests_per_minute = 60\n")
        rig.daemon.process.send_signal(signal.SIGHUP)
        await rig.until(lambda: rig.events("daemon.reloaded"), 5, "it is read")
        await asyncio.sleep(1)
        asked, began = rig.source.count(), time.monotonic()
        await asyncio.sleep(5)
        assert rig.source.count() - asked <= time.monotonic() - began + 1
        assert (await rig.end())[0] == 0
