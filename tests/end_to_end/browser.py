"""Chromium, headless, spoken to over the DevTools protocol: launch, navigate, evaluate, wait, take a picture."""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import websockets
from websockets.exceptions import ConnectionClosed

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def program() -> str | None:
    """The path of a Chromium on this machine, None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Tab:
    """One page. `faults` collects what its scripts threw and what its console called an error."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.last = ""

    async def listen(self) -> None:
        """Until the connection is closed, in whatever way."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                message = json.loads(text)
                if "id" in message:
                    self._waiting.pop(message["id"]).set_result(message)
                else:
                    self._note(message.get("method"), message.get("params", {}))

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.faults.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.faults.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(30):
            message = await answer
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    async def open(self, url: str, *, width: int = 1440, height: int = 900, dark: bool = False) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", expression))
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 15.0) -> Any:
        """Wait for an expression to become true; its value."""
        end = time.monotonic() + seconds
        while True:
            try:
                value = await self.evaluate(expression)
            except RuntimeError as thrown:  # between two documents there is nothing to ask
                value, self.last = None, str(thrown)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"never became true: {expression}; faults: {self.faults}; thrown: {self.last}")
            await asyncio.sleep(0.05)

    async def text(self, selector: str) -> str:
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''"))

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def fill(self, selector: str, text: str) -> None:
        """Type into a field as a person does, so that the page hears of it."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).select?.()")
        await self.call("Input.insertText", text=text)

    async def key(self, name: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))


class _Program:
    """One Chromium for all tests of a run: starting it takes longer than most of them."""

    def __init__(self, path: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="igentai-browser-"))
        self.process = subprocess.Popen(
            [path, *FLAGS, f"--user-data-dir={self.home}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.end)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


_running: list[_Program] = []


@asynccontextmanager
async def chromium() -> AsyncIterator[Tab]:
    """A tab with cookies, storage and settings of its own, as in a fresh browser; all of it is gone afterwards."""
    async with websockets.connect(await _address(), max_size=None) as socket, asyncio.TaskGroup() as group:
        whole = Tab(socket)
        tasks = [group.create_task(whole.listen())]
        context = (await whole.call("Target.createBrowserContext"))["browserContextId"]
        try:
            target = await whole.call("Target.createTarget", url="about:blank", browserContextId=context)
            assert socket.request is not None, "it is connected"
            address = f"{socket.request.headers['Host']}/devtools/page/{target['targetId']}"
            async with websockets.connect(f"ws://{address}", max_size=None) as own:
                tab = Tab(own)
                tasks.append(group.create_task(tab.listen()))
                yield tab
        finally:
            await whole.call("Target.disposeBrowserContext", browserContextId=context)
            for task in tasks:
                task.cancel()


async def _address() -> str:
    """Where the browser itself listens; it is started where it does not run."""
    if not _running or _running[-1].process.poll() is not None:
        path = program()
        if path is None:
            raise FileNotFoundError("no Chromium on this machine")
        _running.append(await asyncio.to_thread(_Program, path))
    told = _running[-1].home / "DevToolsActivePort"
    for _ in range(600):
        if await asyncio.to_thread(told.exists):
            lines = (await asyncio.to_thread(told.read_text)).split()
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.05)
    raise TimeoutError("Chromium did not start within 30 s")
