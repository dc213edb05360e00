"""The daemon as a service: what it tells systemd, its unit, and that it works under that unit's restrictions."""

from __future__ import annotations

import asyncio
import ctypes.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from igentai.errors import ConfigurationError
from igentai_orchestrator.run import Daemon
from igentai_orchestrator.service import Service, check_visible, install, unit
from igentai_orchestrator.settings import load
from tests.doubles.server import Double
from tests.doubles.world import World
from tests.end_to_end.command import REPOSITORY, daemon, environment, igentai, until

DEFAULT = Path("/opt/igentai/bin/igentai")
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: install the package systemd"
)
needs_seccomp = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or ctypes.util.find_library("seccomp") is None,
    reason="systemd-analyze or libseccomp is missing: install the package systemd",
)


class Manager:
    """The end of NOTIFY_SOCKET that systemd holds."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self, word: str) -> int:
        """How many messages with this word there have been."""
        while True:
            try:
                self.said.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return sum(word in message.split("\n") for message in self.said)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    with tempfile.TemporaryDirectory() as folder:  # the name of a socket is at most 107 bytes long
        held = Manager(f"{folder}/notify")
        yield held
        held.close()


async def test_it_tells_systemd_when_it_is_ready_alive_reloading_and_stopping(tmp_path: Path, manager: Manager) -> None:
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "600000"}
    async with daemon("-n", "1", "-p", "0", cwd=tmp_path, env=env) as running:
        await until(lambda: manager.heard("READY=1"), 20, "ready")
        assert running.plate(), "the page is served before it is ready"
        await until(lambda: manager.heard("WATCHDOG=1") >= 4, 10, "signs of life")
        await until(lambda: manager.heard("STATUS=no topic is running"), 10, "what it does")
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: manager.heard("READY=1") == 2, 10, "ready again after the reload")
        assert manager.heard("RELOADING=1") == 1
        assert not manager.heard("STOPPING=1")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended(12) == 0, running.text()
    assert manager.heard("STOPPING=1") == 1
    assert manager.said[0].startswith("READY=1\n")


async def test_an_abstract_notify_socket_works_too(tmp_path: Path) -> None:
    name = f"igentai-test-{os.getpid()}"
    held = Manager(f"\0{name}")
    try:
        async with daemon("-n", "1", cwd=tmp_path, env={"NOTIFY_SOCKET": f"@{name}"}):
            await until(lambda: held.heard("READY=1"), 20, "ready")
        assert not held.heard("WATCHDOG=1"), "nobody asked for a watchdog"
    finally:
        held.close()


async def test_a_log_shows_no_address_that_signs_in(tmp_path: Path) -> None:
    async with daemon("-n", "1", "-p", "0", cwd=tmp_path) as running:
        await until(lambda: "daemon.ready" in running.text(), 20, "ready")
        assert running.plate()["address"] in running.text()
        assert "token=" not in running.text()
        assert running.plate()["token"] not in running.text()


async def test_the_unit_in_the_repository_is_the_one_that_is_printed(tmp_path: Path) -> None:
    printed = await igentai("service", "print", "--executable", str(DEFAULT), cwd=tmp_path)
    assert printed.code == 0, printed.err
    assert printed.out == (REPOSITORY / "scripts" / "igentai.service").read_text()


def real_unit(folder: Path, **more: bool) -> Path:
    """A unit that runs a program which exists, as `systemd-analyze verify` wants."""
    path = folder / "igentai.service"
    path.write_text(unit(Service(Path(sys.executable), **more)))
    return path


@needs_systemd
@pytest.mark.parametrize("embedded", [False, True])
def test_systemd_accepts_the_unit_and_scores_it_well(tmp_path: Path, *, embedded: bool) -> None:
    path = real_unit(tmp_path, embedded=embedded)
    verified = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=11", str(path)]
    scored = subprocess.run(command, capture_output=True, text=True, check=False)
    assert scored.returncode == 0, scored.stdout


@needs_systemd
def test_systemd_accepts_the_unit_of_a_user(tmp_path: Path) -> None:
    path = real_unit(tmp_path, user=True)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = ["systemd-analyze", "verify", "--user", str(path)]
    verified = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
def test_a_path_with_signs_that_systemd_reads_otherwise_is_quoted(tmp_path: Path) -> None:
    program = tmp_path / "a; b 50%i $HOME"
    program.symlink_to(sys.executable)
    path = tmp_path / "igentai.service"
    path.write_text(unit(Service(program)))
    verified = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    for sign in "\"'\\\n":
        with pytest.raises(ConfigurationError, match="move it"):
            unit(Service(tmp_path / f"a{sign}b"))


async def confined(folder: Path, *command: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command under the unit's restrictions; its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.end_to_end.confined", str(real_unit(folder)), *command),
        cwd=REPOSITORY,
        env=environment(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@needs_seccomp
async def test_it_asks_a_provider_and_keeps_the_answers_under_the_units_restrictions(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "OPENAI_API_KEY").write_text("sk-test-openai-000000000000\n")
    outputs = tmp_path / "outputs"
    async with Double("openai", World(items=500, categories=10)) as openai:
        code, said = await confined(
            tmp_path,
            *(sys.executable, "-m", "igentai_orchestrator", "explore", "cities", "-n", "2", "-p", "0"),
            *("--provider", "openai:gpt-4o-mini", "--max-requests", "12", "--no-saturation", "--outputs", str(outputs)),
            env={"CREDENTIALS_DIRECTORY": str(credentials), "OPENAI_BASE_URL": openai.base_url},
        )
        served = len(openai.log)
    assert code == 0, said
    assert served == 12
    assert len((outputs / "cities" / "output.txt").read_text().splitlines()) > 50


@needs_seccomp
@pytest.mark.parametrize(
    "forbidden",
    [
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "import os; os.setpriority(os.PRIO_PROCESS, 0, 5)",
        "import os; os.chroot('.')",
        "import ctypes, os; l = ctypes.CDLL(None, use_errno=True); assert l.unshare(0x10000000) == 0",
    ],
)
async def test_those_restrictions_are_there(tmp_path: Path, forbidden: str) -> None:
    code, said = await confined(tmp_path, sys.executable, "-c", forbidden)
    assert code != 0
    assert 'File "<string>"' in said, "it is this code that was refused"


async def test_missing_credentials_are_no_keys(tmp_path: Path) -> None:
    """Where it finds none, systemd names a folder that cannot be entered."""
    shown = await igentai(
        "providers", "--provider", "simulated:small", cwd=tmp_path, env={"CREDENTIALS_DIRECTORY": "/proc/1/cwd/none"}
    )
    assert shown.code == 0, shown.err
    assert "no   openai" in shown.out


async def test_a_provider_of_ones_own_may_have_its_key_as_a_credential(tmp_path: Path) -> None:
    (tmp_path / "igentai.toml").write_text(
        '[providers.ours]\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = "OURS_KEY"\n'
    )
    (tmp_path / "OURS_KEY").write_text("sk-ours-000000000000\n")
    without = await igentai("providers", cwd=tmp_path)
    assert "no   ours" in without.out
    shown = await igentai("providers", cwd=tmp_path, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "yes  ours" in shown.out


@pytest.mark.parametrize(("silent_s", "broken", "alive"), [(0.0, False, True), (6.0, False, False), (0.0, True, False)])
def test_the_watchdog_is_told_of_a_desk_that_works(
    tmp_path: Path, *, silent_s: float, broken: bool, alive: bool
) -> None:
    loop = asyncio.new_event_loop()
    try:
        daemon_ = loop.run_until_complete(_made(tmp_path))
        daemon_.pulse.last -= silent_s
        if broken:
            daemon_.commits.loop = loop
            daemon_.commits.broken(OSError("fsync failed"))
        assert daemon_.pulse.alive() == alive
    finally:
        loop.close()


async def _made(outputs: Path) -> Daemon:
    return Daemon(load(outputs=outputs))


def test_install_writes_the_unit_whole_and_says_whether_it_replaced_one(tmp_path: Path) -> None:
    path = tmp_path / "igentai.service"
    first, second = Service(DEFAULT), Service(DEFAULT, port=9000)
    assert not install(first, path)
    assert not install(first, path), "the same again"
    assert install(second, path)
    assert path.read_text() == unit(second)
    assert [entry.name for entry in tmp_path.iterdir()] == ["igentai.service"]


def test_a_program_in_a_home_folder_is_refused_for_the_system_but_not_for_its_user() -> None:
    hidden = Path("/home/somebody/.local/bin/igentai")
    with pytest.raises(ConfigurationError, match="--user"):
        check_visible(Service(hidden))
    check_visible(Service(hidden, user=True))
    with pytest.raises(ConfigurationError, match="cannot see"):
        check_visible(Service(DEFAULT), Path("/root/python3.11"))
