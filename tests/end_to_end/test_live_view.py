"""What a person sees in a terminal: real commands on a pseudo-terminal, and the same ones without."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.end_to_end.command import daemon, environment, igentai, until

LONG = "simulated:world?items=6000&categories=60&latency=0.4"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """A command on a pseudo-terminal; `text` is all that it wrote there."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process, self._master, self.text = process, master, ""

    def read(self) -> None:
        try:
            self.text += os.read(self._master, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._master)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    async def shows(self, words: str, timeout_s: float = 20) -> None:
        await until(lambda: words in plain(self.text), timeout_s, f"{words!r} on the terminal: {self.text[-500:]!r}")

    async def ended(self) -> int:
        async with asyncio.timeout(15):
            code = await self.process.wait()
        self.read()
        return code


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@asynccontextmanager
async def terminal(
    *args: str, cwd: Path, columns: int = 100, lines: int = 30, term: str = "xterm-256color"
) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "igentai_orchestrator", *args),
        cwd=cwd,
        env=environment({"TERM": term}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that ^C is a signal
    )
    os.close(slave)
    shown = Terminal(process, master)
    asyncio.get_running_loop().add_reader(master, shown.read)
    try:
        yield shown
    finally:
        asyncio.get_running_loop().remove_reader(master)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        os.close(master)


def screen_after(text: str) -> str:
    """What is left of the picture: the text after the last time its lines were taken back."""
    return plain(text.rpartition("\x1b[2K")[2])


async def test_explore_draws_and_leaves_a_clean_terminal_after_ctrl_c(tmp_path: Path) -> None:
    async with terminal("explore", "cities", "-n", "2", "--provider", LONG, cwd=tmp_path) as shown:
        await shown.shows("producers: 2")
        for words in ("simulated: nothing here is real", "at least", "a request so far", "repeats", "spent", "share"):
            assert words in plain(shown.text), words
        shown.resize(50, 10)
        await shown.shows("cities: ")
        shown.press(b"\x03")
        assert await shown.ended() == 130
        assert shown.text.count(HIDE) == shown.text.count(SHOW) == 1
        left = screen_after(shown.text)
        assert "interrupted: the daemon was asked to end" in left
        assert "producers" not in left


async def test_status_watch_follows_a_daemon_through_its_restart(tmp_path: Path) -> None:
    async with daemon("-n", "1", "-p", "0", "--topic", "cities", "--provider", LONG, cwd=tmp_path) as first:
        await until(first.plate, 15, "the doorplate")
        async with terminal("status", "--watch", cwd=tmp_path) as shown:
            await shown.shows("cities")
            first.process.kill()
            await first.ended(5)
            await shown.shows("the daemon does not answer; trying again")
            shown.text = ""
            async with daemon("-n", "1", "-p", "0", cwd=tmp_path):
                await until(
                    lambda: "producers: 1" in plain(shown.text.rpartition("cities")[2]), 20, "the next daemon's numbers"
                )
                shown.press(b"\x03")
                assert await shown.ended() == 130
                assert "Traceback" not in shown.text
                assert shown.text.count(SHOW) == 1


@pytest.mark.parametrize("term", ["dumb", None])
async def test_without_a_terminal_that_can_draw_there_are_plain_lines(tmp_path: Path, term: str | None) -> None:
    asked = ("explore", "cities", "-n", "1", "--provider", LONG, "--max-minutes", "0.06")
    if term is None:
        done = await igentai(*asked, cwd=tmp_path)
        code, text = done.code, done.err
        assert "output.txt" in done.out
    else:
        async with terminal(*asked, cwd=tmp_path, term=term) as shown:
            code, text = await shown.ended(), shown.text
    assert code == 0
    assert "\x1b" not in text
    assert re.search(r"^cities: \d+ unique · \d+/min", text, re.MULTILINE)
