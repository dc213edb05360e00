"""Bar 17: every route of the real daemon, from whom it may come and from whom not, and whatever is sent to it.

The routes are those of its own /openapi.json, so that one which is added is looked at as well.
"""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from igentai_orchestrator.shell.web.tokens import Access
from tests.end_to_end.command import Daemon, daemon, until

OPEN = {"/healthz", "/readyz", "/favicon.svg", "/page/app.js", "/page/style.css"}
BESIDE_THE_SCHEMA = (
    "/",
    "/openapi.json",
    "/favicon.svg",
    "/page/app.js",
    "/page/style.css",
    "/page/none",
    "/none",
    "/ws",
)
HOSTS = {"good": "{}", "rebound": "attacker.example", "suffix": "127.0.0.1.attacker.example", "none": ""}
ORIGINS = {"none": None, "own": "http://{}", "foreign": "https://attacker.example", "null": "null"}
CREDENTIALS = ("none", "token", "wrong token", "cookie", "wrong cookie")
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 1e308, "", " ", "x" * 600, "\x00", "\x1b[2J", "../../etc/passwd", "%00", "=1+1", [], {},
       {"a": {"b": []}}, "cities", ["simulated:small"], "nobody:x", "overwrite", "\ud83d\udc26", "a\nb", 0.5, "none",
)  # fmt: skip


@asynccontextmanager
async def furnished(folder: Path) -> AsyncIterator[tuple[Daemon, dict[str, Any]]]:
    """A daemon that has a topic that ended, with its /openapi.json."""
    async with daemon("-n", "1", "-p", "0", cwd=folder) as running:
        await until(running.plate, 15, "the doorplate")
        with client(running) as http:
            topic = {"topic": "cities", "providers": ["simulated:small"], "max_requests": 6}
            assert http.post("/api/topics", json=topic).status_code == 201
            await until(lambda: running.metrics("cities").get("status") == "finished", 20, "a topic that ended")
            yield running, http.get("/openapi.json").json()


def client(running: Daemon, **options: Any) -> httpx.Client:
    headers = {"Authorization": f"Bearer {running.plate()['token']}"}
    return httpx.Client(base_url=running.plate()["address"], headers=headers, trust_env=False, timeout=20, **options)


def routes(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(method, path with a topic that exists) of every route there is."""
    for path, operations in schema["paths"].items():
        for method in operations:
            yield method.upper(), path.format(topic_id="cities", number="1")
    for path in BESIDE_THE_SCHEMA:
        yield "GET", path


def headers(host: str, origin: str | None, credential: str, token: str, authority: str) -> dict[str, str]:
    access = Access(token)
    made = {"Host": host.format(authority)}
    if origin is not None:
        made["Origin"] = origin.format(authority)
    if credential.endswith("token"):
        made["Authorization"] = f"Bearer {token if credential == 'token' else token[:-1] + '!'}"
    if credential == "cookie":
        made["Cookie"] = access.cookie(secure=False).split(";")[0]
    if credential == "wrong cookie":
        made["Cookie"] = f"{access.cookie_name}={'0' * 64}"
    return made


def refusal(method: str, path: str, host: str, origin: str, credential: str) -> int | None:
    """The status that must come; None where the request is let through."""
    reading = method in {"GET", "HEAD"} and path != "/ws"
    if host != "good":
        return 400 if host == "none" else 403
    if not reading and origin not in {"none", "own"}:
        return 403
    proven = credential in {"token", "cookie"}
    if not proven and not (reading and (path in OPEN or path.startswith("/page/"))):
        return 401
    if not reading and credential == "cookie" and origin == "none":
        return 403
    return None


def ask(port: int, method: str, path: str, sent: dict[str, str], body: bytes = b"{}") -> tuple[int, bytes]:
    """One request, byte by byte as it is meant: clients would mend it."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items() if value)]
    if path == "/ws":
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key]
    else:
        lines += ["Connection: close", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plug:
        plug.sendall("\r\n".join([*lines, "", ""]).encode() + (b"" if path == "/ws" else body))
        answer = b""
        while b"\r\n\r\n" not in answer and (data := plug.recv(65536)):
            answer += data
    return int(answer.split(b" ", 2)[1]), answer


async def test_every_route_answers_to_the_right_name_page_and_token_alone(tmp_path: Path) -> None:
    async with furnished(tmp_path) as (running, schema):
        authority = running.plate()["address"].removeprefix("http://")
        port, token = int(authority.rpartition(":")[2]), running.plate()["token"]
        cases = 0
        for (method, path), host, origin, credential in itertools.product(routes(schema), HOSTS, ORIGINS, CREDENTIALS):
            sent = headers(HOSTS[host], ORIGINS[origin], credential, token, authority)
            case = (method, path, host, origin, credential)
            wanted = refusal(*case)
            if wanted is None and method != "GET":
                continue  # what it does when it is let in is another test's
            status, answer = ask(port, method, path, sent)
            cases += 1
            if wanted is None:
                assert status in {101, 200, 404}, (case, status)
            else:
                assert status == wanted, (case, status)
                assert token.encode() not in answer, case
            assert b"content-security-policy" in answer.lower() or status in {101, 400}, case
        print(f"\n{cases} combinations")
        assert cases > 1200
        assert running.process.returncode is None


def bodies(schema: dict[str, Any], operation: dict[str, Any], rng: Random) -> bytes:
    """A body for an operation: right, wrong in a field or two, or nothing of the kind."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if not name or rng.random() < 0.1:
        return rng.choice(
            [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 50, json.dumps(rng.choice(HOSTILE)).encode()]
        )
    properties = schema["components"]["schemas"][name]["properties"]
    body: dict[str, Any] = (
        {"topic": rng.choice(["cities", "rivers"]), "providers": ["nobody:x"]} if "topic" in properties else {}
    )
    for field in rng.sample(sorted(properties), rng.randrange(len(properties) + 1)):
        body[field] = rng.choice(HOSTILE)
    if rng.random() < 0.2:
        body[rng.choice(["folder", "__proto__", ""])] = rng.choice(HOSTILE)
    return json.dumps(body).encode()


async def test_whatever_is_sent_to_whatever_route_there_is_no_server_error(tmp_path: Path) -> None:
    rng = Random(17)
    async with furnished(tmp_path) as (running, schema):
        operations = [(m.upper(), p, o) for p, ms in schema["paths"].items() for m, o in ms.items()]
        with client(running) as http:
            for _ in range(400):
                method, path, operation = rng.choice(operations)
                parts = {"topic_id": rng.choice(["cities", "..", "%2e%2e", "%00", "x" * 300, "日本", "cities%2f.."]),
                         "number": rng.choice(["1", "0", "-1", "x", "9" * 30])}  # fmt: skip
                names = ["after", "limit", "search", "partition", "provider", "format", "token"]
                query = {name: str(rng.choice(HOSTILE)) for name in rng.sample(names, rng.randrange(4))}
                answer = http.request(
                    method if rng.random() < 0.9 else rng.choice(["PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"]),
                    path.format(**parts),
                    params={
                        name: value.encode("utf-8", "surrogatepass").decode(errors="replace")
                        for name, value in query.items()
                    },
                    content=bodies(schema, operation, rng),
                    headers={"content-type": rng.choice(["application/json", "text/plain", "multipart/form-data"])},
                )
                assert answer.status_code < 500 or answer.status_code == 503, (method, path, parts, query, answer.text)
            assert http.get("/healthz").status_code == 200
        assert "web.request_failed" not in running.text()
        assert "Traceback" not in running.text()
