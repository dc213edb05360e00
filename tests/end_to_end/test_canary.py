"""Bar 16: keys of canaries through some fifty ways to fail, and none of them found anywhere but where it belongs.

Every provider has a key of its own, from the environment, a file or a list, and goes wrong in its own way; several
servers repeat the key in their error. Looked through: logs as JSON and on a console, every file that was written, every
answer of the API, the arguments of every process, and the environment of the producers.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import signal
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from igentai import logs
from igentai.errors import IgentaiError
from igentai.providers import connect
from igentai_orchestrator import choice
from igentai_orchestrator.check_up import check_up, provider_rows
from igentai_orchestrator.settings import load
from tests.doubles.script import Fault, Script
from tests.doubles.server import Double
from tests.end_to_end.command import Daemon, daemon, igentai, until
from tests.end_to_end.test_daemon import api as api_of
from tests.end_to_end.test_live_view import terminal

FAULTS = (
    "key", "forbidden", "payment", "quota", "day_quota", "model", "bad_request", "too_large", "rate_limit", "server",
    "overloaded", "html", "broken_json", "empty_body", "error_in_reply", "error_mid", "reset_mid",
)  # fmt: skip
APIS = ("openai", "anthropic", "gemini")
MODEL = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash-lite"}


@dataclass
class Canaries:
    """Keys that exist nowhere else, by the name of their provider."""

    keys: dict[str, str] = field(default_factory=dict)

    def hatch(self, name: str) -> str:
        self.keys[name] = f"sk-canary-{name}-{secrets.token_hex(12)}"
        return self.keys[name]

    def found_in(self, data: bytes, where: str) -> list[str]:
        """Whose key is in there, as it is, in base 64 or escaped; even the second half of it."""
        hits = []
        for name, key in self.keys.items():
            shapes = {key, key[-16:], quote(key, safe=""), base64.b64encode(key.encode()).decode().rstrip("=")}
            hits += [f"{name} in {where}" for shape in shapes if shape.encode() in data]
        return hits

    def found_in_files(self, folder: Path, but: set[Path]) -> list[str]:
        files = [path for path in folder.rglob("*") if path.is_file() and path not in but]
        return [hit for path in files for hit in self.found_in(path.read_bytes(), str(path.relative_to(folder)))]


@dataclass
class Aviary:
    """Doubles that go wrong, and the configuration that leads to them."""

    folder: Path
    canaries: Canaries
    doubles: dict[str, Double]
    env: dict[str, str]
    with_keys: set[Path]

    @property
    def models(self) -> list[str]:
        return [f"{name}:{MODEL[double.api.name]}" for name, double in self.doubles.items()]

    def asked(self) -> bool:
        return all(double.heads for double in self.doubles.values())


@asynccontextmanager
async def aviary(folder: Path, api: str) -> AsyncIterator[Aviary]:
    canaries, env, tables, with_keys = Canaries(), dict[str, str](), list[str](), set[Path]()
    async with AsyncExitStack() as stack:
        doubles = {}
        for number, fault in enumerate(FAULTS):
            name = f"{api}_{fault}"
            script = Script(always=Fault(fault, wait_s=0.2, echo=True))
            double = doubles[name] = await stack.enter_async_context(Double(api, script=script))
            key = canaries.hatch(name)
            table = [f"[providers.{name}]", f'kind = "{api}"', f'base_url = "{double.base_url}"']
            if number % 3 == 0:
                env[f"CANARY_{name.upper()}"] = key
                table.append(f'key_env = "CANARY_{name.upper()}"')
            else:
                path = folder / f"{name}.key"
                path.write_text(key + "\n")
                path.chmod(0o600)
                with_keys.add(path)
                table.append(f'key_file = "{path}"' if number % 3 == 1 else f'keys = ["file:{path}"]')
            tables.append("\n".join(table))
        (folder / "igentai.toml").write_text("\n\n".join(tables) + "\n")
        yield Aviary(folder, canaries, doubles, env, with_keys)


def flags(cage: Aviary) -> list[str]:
    said = [part for model in cage.models for part in ("--provider", model)]
    return [*said, "--log-level", "debug"]


def everything_of_processes(pids: list[int]) -> Iterator[tuple[str, bytes]]:
    for pid in pids:
        for what in ("cmdline", "environ"):
            try:
                yield f"{what} of {pid}", Path(f"/proc/{pid}/{what}").read_bytes()
            except OSError:
                continue


def everything_of_the_api(running: Daemon) -> Iterator[tuple[str, bytes]]:
    paths = ["status", "topics", "providers", "topics/cities", "topics/cities/metrics", "topics/cities/attributes"]
    with api_of(running) as client:
        for path in (*(f"/api/{path}" for path in paths), "/metrics", "/openapi.json", "/healthz", "/"):
            yield path, client.get(path).content
        for kind in ("txt", "jsonl", "csv", "sqlite"):
            yield kind, client.get(f"/api/topics/cities/export?format={kind}").content
        yield "a wrong start", client.post("/api/topics", json={"topic": "x", "providers": ["nobody:x"]}).content


@pytest.mark.parametrize("api", APIS)
async def test_no_key_leaves_a_daemon_whose_providers_all_fail(tmp_path: Path, api: str) -> None:
    async with aviary(tmp_path, api) as cage:
        start = ["-n", "2", "-p", "0", "--log-level", "debug"]
        async with daemon(*start, cwd=tmp_path, env=cage.env) as running:
            await until(running.plate, 15, "the doorplate")
            with api_of(running) as client:
                begun = client.post("/api/topics", json={"topic": "cities", "providers": cage.models})
                assert begun.status_code == 201, begun.text
            await until(
                cage.asked, 40, f"every provider asked; not {[n for n, d in cage.doubles.items() if not d.heads]}"
            )
            seen = [*everything_of_the_api(running), *everything_of_processes(running.producers())]
            seen += [(f"arguments of {child.pid}", " ".join(child.cmdline()).encode()) for child in running.children()]
            seen.append(("arguments", Path(f"/proc/{running.pid}/cmdline").read_bytes()))
            os.kill(running.producers()[0], signal.SIGABRT)  # a traceback of whatever it was doing
            await until(lambda: "Fatal Python error" in running.text(), 10, "a traceback in the log")
            running.process.send_signal(signal.SIGTERM)
            await running.ended(15)
        used = {
            head.get("authorization") or head.get("x-api-key") or head.get("x-goog-api-key")
            for double in cage.doubles.values()
            for head in double.heads
        }
        assert len([key for key in cage.canaries.keys.values() if any(key in str(value) for value in used)]) == len(
            FAULTS
        )
        assert "refused" in running.text() or "does not accept" in running.text()
        hits = [hit for where, data in seen for hit in cage.canaries.found_in(data, where)]
        hits += cage.canaries.found_in_files(tmp_path, but=cage.with_keys)
    assert hits == []


async def test_no_key_is_seen_on_a_console(tmp_path: Path) -> None:
    async with aviary(tmp_path, "openai") as cage:
        os.environ.update(cage.env)
        try:
            said = ["explore", "cities", "-n", "2", *flags(cage), "--max-requests", "60"]
            async with terminal(*said, cwd=tmp_path, columns=200) as shown:
                await until(lambda: cage.asked() or shown.process.returncode is not None, 40, "every provider asked")
                shown.press(b"\x03")
                await shown.ended()
        finally:
            for name in cage.env:
                os.environ.pop(name)
        assert "fleet.producer_joined" in shown.text, "the log is there to be looked through"
        hits = cage.canaries.found_in(shown.text.encode(), "the console")
        hits += cage.canaries.found_in_files(tmp_path, but=cage.with_keys)
    assert hits == []


async def test_commands_that_show_the_configuration_show_no_key(tmp_path: Path) -> None:
    async with aviary(tmp_path, "openai") as cage:
        for args in (("providers", "--json"), ("doctor",)):
            done = await igentai(*args, cwd=tmp_path, env=cage.env)
            assert cage.canaries.found_in((done.out + done.err).encode(), args[0]) == []


# -- configuration that is wrong ------------------------------------------------------------------------------

SLIPS: dict[str, Callable[[str], str]] = {
    "the key as the name of a variable": lambda key: f'[providers.openai]\nkey_env = "{key}"',
    "the key as a file": lambda key: f'[providers.openai]\nkey_file = "{key}"',
    "the key in the list of keys": lambda key: f'[providers.openai]\nkeys = ["{key}"]',
    "the key as a variable of the list": lambda key: f'[providers.openai]\nkeys = ["env:{key}"]',
    "the key as a file of the list": lambda key: f'[providers.openai]\nkeys = ["file:{key}"]',
    "the key under a name of its own": lambda key: f'[providers.openai]\napi_key = "{key}"',
    "the key where a number belongs": lambda key: f'[providers.openai]\nconcurrency = "{key}"',
    "the key where a table belongs": lambda key: f'providers = "{key}"',
    "broken TOML beside the key": lambda key: f'[providers.openai]\napi_key = "{key}',
    "no scheme": lambda key: f'[providers.mine]\nbase_url = "{key}@127.0.0.1/v1"\nmodel = "m"',
    "a host that is none": lambda key: f'[providers.mine]\nbase_url = "http://user:{key}@[::bad/v1"\nmodel = "m"',
    "the key in a port": lambda key: f'[providers.mine]\nbase_url = "http://127.0.0.1:{key}/v1"\nmodel = "m"',
    "the key in a good address": lambda key: (
        f'[providers.mine]\nbase_url = "http://u:{key}@127.0.0.1:9/v1"\nmodel = "m"'
    ),
    "the key in a query": lambda key: f'[providers.mine]\nbase_url = "http://127.0.0.1:9/v1?key={key}"\nmodel = "m"',
}


@pytest.mark.parametrize("slip", SLIPS)
async def test_a_key_in_the_wrong_place_is_not_repeated(
    tmp_path: Path, slip: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    canaries = Canaries()
    (tmp_path / "igentai.toml").write_text(SLIPS[slip](canaries.hatch("slip")) + "\n")
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    told = [await _tried(name) for name in ("openai", "mine")]
    logs.configure(level="debug", as_json=False)
    logs.get().error("it.failed", detail=told[0][:400])
    text = "\n".join(told) + "".join(capsys.readouterr())
    assert canaries.found_in(text.encode(), slip) == []


async def _tried(name: str) -> str:
    """All that a command would say of a provider, tracebacks included."""
    try:
        settings = load()
        said = repr(provider_rows(settings)) + repr(check_up(settings))
    except IgentaiError as error:
        return "".join(traceback.format_exception(error)) + str(error)
    try:
        spec = settings.provider(name)
        said += repr(spec)
        client = connect(spec)
        await client.close()
        said += repr(choice.parse(f"{name}:m", settings))
    except IgentaiError as error:
        said += "".join(traceback.format_exception(error)) + str(error)
    return said


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("{}", 0o644, "chmod 600"),
        ("{}\u2026", 0o600, None),
        ("{}\nsecond line", 0o600, None),
        ("Bearer {}", 0o600, None),
        ("{}\x00", 0o600, None),
    ],
)
async def test_a_key_file_that_is_wrong_is_not_quoted(
    tmp_path: Path, content: str, mode: int, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    canaries = Canaries()
    path = tmp_path / "openai.key"
    path.write_text(content.format(canaries.hatch("file")))
    path.chmod(mode)
    (tmp_path / "igentai.toml").write_text(
        f'[providers.openai]\nkey_file = "{path}"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    told = await _tried("openai")
    assert said is None or said in told
    assert canaries.found_in(told.encode(), content) == []


async def test_producers_are_started_without_keys_in_their_environment(tmp_path: Path) -> None:
    canaries = Canaries()
    env = {name: canaries.hatch(name.lower()) for name in ("OPENAI_API_KEY", "MY_SECRET", "SOME_TOKEN")}
    (tmp_path / "igentai.toml").write_text(
        '[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = "ODDLY_NAMED"\n'
    )
    env["ODDLY_NAMED"] = canaries.hatch("oddly_named")
    async with daemon("-n", "2", "-p", "0", cwd=tmp_path, env=env) as running:
        await until(lambda: len(running.producers()) == 2, 15, "two producers")
        await asyncio.sleep(0.3)
        seen = list(everything_of_processes(running.producers()))
        assert len(seen) == 4
        assert [hit for where, data in seen for hit in canaries.found_in(data, where)] == []
        assert psutil.Process(running.pid).environ()["OPENAI_API_KEY"] == env["OPENAI_API_KEY"]
