"""Who is let in: the table of method × Origin × Host × credential, over ASGI without a socket."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from igentai_orchestrator.shell.web.app import create_app
from igentai_orchestrator.shell.web.guard import MAX_BODY_BYTES
from igentai_orchestrator.shell.web.origins import AllowedHosts, same_origin
from igentai_orchestrator.shell.web.tokens import Access, Credential
from tests.orchestrator.shell.fake_face import FakeFace, World

TOKEN = "a-token-of-the-test"
HOST = "127.0.0.1:8080"
HOSTS = {"good": HOST, "named": "localhost:8080", "foreign": "attacker.example", "suffix": "127.0.0.1.attacker.example"}
ORIGINS = {
    "none": None,
    "own": "same",
    "foreign": "https://attacker.example",
    "port": "http://127.0.0.1:9999",
    "null": "null",
}
CREDENTIALS = ("none", "token", "wrong token", "cookie", "wrong cookie")
METHODS = {"GET": "/api/status", "POST": "/api/topics/birds/stop", "PATCH": "/api/providers", "DELETE": "/api/status"}


def client(face: FakeFace | None = None, token: str | None = TOKEN) -> httpx.AsyncClient:
    app = create_app(face or FakeFace(), token=token, allowed_hosts={"127.0.0.1", "localhost"}, insecure=False)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{HOST}")


def headers(host: str, origin: str | None, credential: str) -> dict[str, str]:
    access = Access(TOKEN)
    made = {"host": host}
    if origin is not None:
        made["origin"] = f"http://{host}" if origin == "same" else origin
    if credential.endswith("token"):
        made["authorization"] = f"Bearer {TOKEN if credential == 'token' else TOKEN[:-1]}"
    if credential == "cookie":
        made["cookie"] = access.cookie(secure=False).split(";")[0]
    if credential == "wrong cookie":
        made["cookie"] = f"{access.cookie_name}={TOKEN}"
    return made


def expected(method: str, host: str, origin: str, credential: str) -> int | None:
    """The status that the guard must give, None where it lets the request through."""
    reading = method == "GET"
    if host in {"foreign", "suffix"}:
        return 403
    if not reading and origin not in {"none", "own"}:
        return 403
    if credential in {"none", "wrong token", "wrong cookie"}:
        return 401
    if not reading and credential == "cookie" and origin == "none":
        return 403
    return None


@pytest.mark.parametrize("method", METHODS)
async def test_every_combination_of_host_origin_and_credential(method: str) -> None:
    face = FakeFace()
    face.add(World("birds", "Birds"))
    async with client(face) as http:
        for host, origin, credential in itertools.product(HOSTS, ORIGINS, CREDENTIALS):
            sent = headers(HOSTS[host], ORIGINS[origin], credential)
            body = {"weights": {"openai:gpt-4o-mini": 0.5}} if method == "PATCH" else None
            answer = await http.request(method, METHODS[method], headers=sent, json=body)
            wanted = expected(method, host, origin, credential)
            case = (method, host, origin, credential, answer.status_code)
            if wanted is None:
                assert answer.status_code not in {401, 403}, case
            else:
                assert answer.status_code == wanted, case
                assert set(answer.json()) == {"error"}, case
            assert answer.status_code < 500, case


async def test_without_a_token_hosts_and_origins_are_still_checked() -> None:
    async with client(token=None) as http:
        assert (await http.get("/api/status")).status_code == 200
        assert (await http.get("/api/status", headers={"host": "attacker.example"})).status_code == 403
        foreign = {"origin": "https://attacker.example"}
        assert (await http.post("/api/topics", json={"topic": "x"}, headers=foreign)).status_code == 403
        assert (await http.post("/api/topics", json={"topic": "x"})).status_code == 201


async def test_the_one_time_address_sets_the_cookie_and_drops_the_token() -> None:
    app = create_app(FakeFace(), token=TOKEN, allowed_hosts={"127.0.0.1"}, insecure=False)
    code = app.state.access.one_time_code()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{HOST}") as http:
        first = await http.get(f"/?token={code}")
        assert first.status_code == 303
        assert first.headers["location"] == "/"
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        assert (await http.get("/")).status_code == 200
        assert (await http.get("/api/status")).status_code == 200
        http.cookies.clear()
        assert (await http.get(f"/?token={code}")).status_code == 401
        assert (await http.get("/?token=nonsense")).status_code == 401
        assert (await http.get(f"/?token={TOKEN}")).status_code == 303


async def test_a_program_with_the_token_gets_a_new_one_time_address() -> None:
    async with client() as http:
        path = (await http.post("/api/sign-in", headers={"authorization": f"Bearer {TOKEN}"})).json()["path"]
        assert (await http.get(path)).status_code == 303
        assert (await http.post("/api/sign-in", headers={"authorization": ""})).status_code == 401


async def test_the_cookie_is_secure_over_tls() -> None:
    app = create_app(FakeFace(), token=TOKEN, allowed_hosts={"127.0.0.1"}, insecure=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"https://{HOST}") as http:
        assert "Secure" in (await http.get(f"/?token={TOKEN}")).headers["set-cookie"]


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/api/status", "/nowhere", "/healthz", "/?token=wrong"])
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    async with client() as http:
        answer = await http.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_signed_out_there_is_a_page_its_files_and_the_health_checks_and_nothing_else() -> None:
    async with client() as http:
        locked = await http.get("/")
        assert locked.status_code == 401
        assert 'id="token"' in locked.text
        assert (await http.get("/page/app.js")).status_code == 200
        assert (await http.get("/healthz")).status_code == 200
        for path in ("/api/topics", "/api/providers", "/metrics", "/openapi.json", "/page", "/docs"):
            assert (await http.get(path)).status_code == 401, path


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "index.html", "nothing.js", "%00", "app.js%00.css"])
async def test_only_the_pages_own_files_are_served(name: str) -> None:
    async with client(token=None) as http:
        assert (await http.get(f"/page/{name}")).status_code == 404


async def test_a_body_above_the_limit_is_refused_however_it_is_sent() -> None:
    async with client(token=None) as http:
        big = b'{"topic": "' + b"x" * MAX_BODY_BYTES + b'"}'

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(big), 4096):
                yield big[at : at + 4096]

        told = {"content-type": "application/json"}
        assert (await http.post("/api/topics", content=big, headers=told)).status_code == 413
        assert (await http.post("/api/topics", content=pieces(), headers=told)).status_code == 413
        lying = {**told, "content-length": "-1"}
        assert (await http.post("/api/topics", content=b"{}", headers=lying)).status_code == 413


async def test_a_fault_of_ours_is_one_line_without_its_text() -> None:
    class Broken(FakeFace):
        def status(self) -> dict[str, object]:
            raise RuntimeError("secret detail")

    with capture_logs() as lines:
        async with client(Broken(), token=None) as http:
            answer = await http.get("/api/status")
        assert [line["event"] for line in lines] == ["web.request_failed"]
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:1", True),
        ("LOCALHOST:80", True),
        ("localhost.", True),
        ("[::1]:8080", True),
        ("box.example:8443", True),
        ("box.example:8444", False),
        ("box.example", False),
        ("localhost@attacker.example", False),
        ("localhost:80:80", False),
        ("", False),
        (None, False),
    ],
)
def test_allowed_hosts(host: str | None, allowed: bool) -> None:
    assert AllowedHosts({"127.0.0.1", "localhost", "::1", "box.example:8443"}).host_allowed(host) is allowed


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://a:1", True),
        ("https://A:1", True),
        ("http://a", False),
        ("http://a:1/", False),
        ("http://b@a:1", False),
        ("null", False),
        ("file://a:1", False),
    ],
)
def test_same_origin(origin: str, same: bool) -> None:
    assert same_origin(origin, "a:1") is same


def test_a_cookie_outlives_the_daemon_but_not_the_token() -> None:
    cookie = Access(TOKEN).cookie(secure=False).split(";")[0]
    name, _, value = cookie.partition("=")
    assert Access(TOKEN).credential(None, {name: value}) is Credential.COOKIE
    other = Access("another")
    assert other.credential(None, {other.cookie_name: value}) is None


def test_only_the_newest_codes_are_kept() -> None:
    access = Access(TOKEN)
    codes = [access.one_time_code() for _ in range(20)]
    assert [access.redeem(code) for code in codes] == [False] * 4 + [True] * 16
