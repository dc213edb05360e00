"""The API over a fake daemon: what it answers, what it refuses, what it says then."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import fields
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import NoUsableProvider, StorageError, UsageError
from igentai_orchestrator.commands.explore import explore
from igentai_orchestrator.commission import Commission
from igentai_orchestrator.shell.web.app import create_app
from igentai_orchestrator.shell.web.schemas import TopicRequest
from tests.orchestrator.shell.fake_face import FakeFace, World

FIXED = FakeFace()
FIXED.add(World("birds", "Birds"))
ANY = create_app(FIXED, token=None, allowed_hosts={"test"}, insecure=False)


def app_client(face: FakeFace) -> httpx.AsyncClient:
    app = create_app(face, token=None, allowed_hosts={"test"}, insecure=False)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


@pytest.fixture
def face() -> FakeFace:
    face = FakeFace()
    world = face.add(World("birds", "Birds", budget=2.0))
    for _ in range(20):
        world.advance(2)
    return face


@pytest.fixture
async def http(face: FakeFace) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(face) as client:
        yield client


async def test_reading(http: httpx.AsyncClient, face: FakeFace) -> None:
    assert (await http.get("/api/status")).json()["topic"]["id"] == "birds"
    assert [row["id"] for row in (await http.get("/api/topics")).json()] == ["birds"]
    assert (await http.get("/api/topics/birds")).json()["topic"] == "Birds"
    metrics = (await http.get("/api/topics/birds/metrics")).json()
    assert metrics["unique_attributes"] == face.worlds["birds"].unique
    assert {row["key"] for row in (await http.get("/api/providers")).json()} >= {"openai:gpt-4o-mini"}


async def test_paging_gives_every_attribute_once_and_in_order(http: httpx.AsyncClient, face: FakeFace) -> None:
    numbers: list[int] = []
    after: int | None = 0
    while after is not None:
        page = (await http.get("/api/topics/birds/attributes", params={"after": after, "limit": 97})).json()
        numbers += [row["number"] for row in page["attributes"]]
        after = page["next"]
    assert numbers == list(range(1, face.worlds["birds"].unique + 1))


async def test_filters_reach_the_daemon(http: httpx.AsyncClient) -> None:
    query = {"search": "WARBLER", "provider": "openai:gpt-4o-mini", "limit": "1000"}
    rows = (await http.get("/api/topics/birds/attributes", params=query)).json()["attributes"]
    assert rows
    assert all("Warbler" in row["text"] and row["provider"] == "openai" for row in rows)


@pytest.mark.parametrize(
    "path",
    ["/api/topics/none", "/api/topics/none/metrics", "/api/topics/none/attributes", "/api/topics/none/export", "/none"],
)
async def test_what_is_not_there_is_404_in_one_line(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert "\n" not in answer.json()["error"]


async def test_starting_passes_on_the_flags(http: httpx.AsyncClient, face: FakeFace) -> None:
    body = {
        "topic": "  Cheeses ",
        "producers": 3,
        "budget": 0.5,
        "providers": ["openai:gpt-4o-mini=0.5"],
        "resume": True,
    }
    answer = await http.post("/api/topics", json=body)
    assert answer.status_code == 201
    assert answer.json()["status"] == "queued"
    request = face.requests_seen[0]
    assert (request.topic, request.producers, request.budget, request.resume) == ("Cheeses", 3, 0.5, True)
    assert request.overwrite is False


async def test_a_whole_number_may_be_written_with_a_point(http: httpx.AsyncClient, face: FakeFace) -> None:
    body = {"topic": "Cheeses", "max_requests": 20.0, "budget": 2}
    assert (await http.post("/api/topics", json=body)).status_code == 201
    assert (face.requests_seen[-1].max_requests, face.requests_seen[-1].budget) == (20, 2.0)
    assert (await http.post("/api/topics", json={"topic": "x", "max_requests": 20.5})).status_code == 422


async def test_every_flag_of_explore_can_be_said(http: httpx.AsyncClient, face: FakeFace) -> None:
    """Those that concern a topic; what belongs to the daemon or to the terminal is not a topic's."""
    of_the_daemon = {
        "provider", "outputs", "budget_per_hour", "port", "host", "no_auth", "insecure", "as_json", "config",
        "log_level",
    }  # fmt: skip
    flags = set(inspect.signature(explore).parameters) - of_the_daemon
    assert flags | {"providers"} == set(TopicRequest.model_fields)
    assert set(TopicRequest.model_fields) == {field.name for field in fields(Commission)}
    body = {
        "topic": "Cheeses", "until_coverage": 0.9, "min_yield": 0.5, "saturation": False, "concurrency": 4,
        "temperature": 0.7, "optimise": "speed", "policy": "fixed", "partition": "none",
        "categories": ["blue", " hard "], "verify": True, "near_duplicates": "keep", "seed": 7,
    }  # fmt: skip
    assert (await http.post("/api/topics", json=body)).status_code == 201
    said = face.requests_seen[0].model_dump()
    assert {name: said[name] for name in body} == body | {"categories": ["blue", "hard"]}


async def test_a_near_duplicate_is_separated(http: httpx.AsyncClient, face: FakeFace) -> None:
    face.merge("birds", 7, 3)
    row = (await http.get("/api/topics/birds/attributes?after=6&limit=1")).json()["attributes"][0]
    assert (row["merged_into"]["number"], row["merged_into"]["reason"]) == (3, "plural")
    path = "/api/topics/birds/attributes/{}/separate"
    assert (await http.post(path.format(7))).json()["merged_into"] is None
    for number, status in (("7", 409), ("99999", 404), ("0", 422), ("x", 422), (str(10**30), 422)):
        answer = await http.post(path.format(number))
        assert (answer.status_code, set(answer.json())) == (status, {"error"}), number
    assert (await http.post("/api/topics/none/attributes/7/separate")).status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("topics", "GET, POST"), ("providers", "GET, PATCH"), ("status", "GET"), ("topics/birds/stop", "POST")],
)
async def test_a_method_that_is_not_there_is_405_with_those_that_are(
    http: httpx.AsyncClient, path: str, allowed: str
) -> None:
    answer = await http.delete(f"/api/{path}")
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_one_attribute_is_told_with_its_whole_origin(http: httpx.AsyncClient, face: FakeFace) -> None:
    face.merge("birds", 7, 3)
    row = (await http.get("/api/topics/birds/attributes/3")).json()
    assert (row["number"], row["merged_into"]) == (3, None)
    assert [(variant["number"], variant["reason"]) for variant in row["variants"]] == [(7, "plural")]
    assert len(row["named_again"]) == row["times_named"] - 1
    assert (await http.get("/api/topics/birds/attributes/7")).json()["merged_into"]["number"] == 3
    for number, status in (("99999", 404), ("0", 422), ("x", 422), (str(10**30), 422)):
        answer = await http.get(f"/api/topics/birds/attributes/{number}")
        assert (answer.status_code, set(answer.json())) == (status, {"error"}), number
    assert (await http.get("/api/topics/none/attributes/7")).status_code == 404


async def test_a_topic_that_exists_is_409_until_it_is_said_what_to_do(http: httpx.AsyncClient) -> None:
    refused = await http.post("/api/topics", json={"topic": "birds"})
    assert refused.status_code == 409
    assert "overwrite" in refused.json()["error"]
    assert (await http.post("/api/topics", json={"topic": "birds", "overwrite": True})).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"topic": ""},
        {"topic": "   "},
        {"topic": "x" * 501},
        {"topic": 7},
        {"topic": "x", "producers": 0},
        {"topic": "x", "budget": -1},
        {"topic": "x", "max_minutes": 1e99},
        {"topic": "x", "providers": ["y" * 300]},
        {"topic": "x", "providers": "openai:x"},
        {"topic": "x", "folder": "/etc"},
        {"topic": "x", "until_coverage": 1.1},
        {"topic": "x", "temperature": 2.5},
        {"topic": "x", "concurrency": 65},
        {"topic": "x", "optimise": "love"},
        {"topic": "x", "partition": "halves"},
        {"topic": "x", "categories": ["one"]},
        {"topic": "x", "categories": ["a", ""]},
        {"topic": "x", "near_duplicates": "drop"},
        {"topic": "x", "seed": -1},
        {"topic": "x", "min_yield": False},
        {"topic": "x", "max_requests": "7"},
        {"topic": "x", "verify": 1},
        [],
        None,
    ],
)
async def test_a_wrong_request_is_422_and_starts_nothing(http: httpx.AsyncClient, face: FakeFace, body: object) -> None:
    answer = await http.post("/api/topics", json=body)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error"}
    assert face.requests_seen == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"topic": "\\ud800"}', b"[" * 5000, b'{"topic": NaN}'])
async def test_bytes_that_are_no_json_are_refused(http: httpx.AsyncClient, face: FakeFace, body: bytes) -> None:
    answer = await http.post("/api/topics", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert set(answer.json()) == {"error"}
    assert face.requests_seen == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "after=-1", "after=1e3", f"after={10**30}", "search=", f"search={'x' * 201}"],
)
async def test_a_wrong_query_is_422(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/api/topics/birds/attributes?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(query.split("=")[0])


async def test_the_refused_value_is_not_repeated(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/topics", json={"topic": "x", "producers": "sk-secret"})
    assert "sk-secret" not in answer.text


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError("no such model"), 400), (NoUsableProvider("no key"), 503), (StorageError("read-only"), 503)],
)
async def test_deliberate_errors_have_their_status_and_their_line(error: Exception, status: int) -> None:
    class Refusing(FakeFace):
        async def start_topic(self, request: object) -> dict[str, object]:
            raise error

    async with app_client(Refusing()) as http:
        answer = await http.post("/api/topics", json={"topic": "x"})
        assert (answer.status_code, answer.json()) == (status, {"error": str(error)})


async def test_stop_and_resume(http: httpx.AsyncClient, face: FakeFace) -> None:
    assert (await http.post("/api/topics/birds/stop")).json()["status"] == "stopped"
    assert (await http.post("/api/topics/birds/stop")).status_code == 400
    assert (await http.post("/api/topics/birds/resume")).json()["status"] == "running"
    assert face.running == "birds"
    assert (await http.post("/api/topics/none/stop")).status_code == 404


async def test_weights(http: httpx.AsyncClient, face: FakeFace) -> None:
    weights = {"openai:gpt-4o-mini": 0.5, "ollama:llama3.1": None}
    rows = (await http.patch("/api/providers", json={"weights": weights})).json()
    assert {row["key"]: row["set_weight"] for row in rows}["openai:gpt-4o-mini"] == 0.5
    assert face.weights_seen == [weights]
    for wrong in ({}, {"a": 1.5}, {"a": -0.1}, {"a": "x"}, {"": 0.5}):
        assert (await http.patch("/api/providers", json={"weights": wrong})).status_code == 422
    assert (await http.patch("/api/providers", json={"weights": {"nowhere:x": 0.5}})).status_code == 400


@pytest.mark.parametrize(
    ("fmt", "kind", "ending"),
    [
        ("txt", "text/plain; charset=utf-8", "txt"),
        ("jsonl", "application/x-ndjson", "jsonl"),
        ("csv", "text/csv; charset=utf-8", "csv"),
        ("sqlite", "application/vnd.sqlite3", "db"),
    ],
)
async def test_an_export_is_a_named_download(
    http: httpx.AsyncClient, face: FakeFace, fmt: str, kind: str, ending: str
) -> None:
    answer = await http.get("/api/topics/birds/export", params={"format": fmt})
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-disposition"] == f'attachment; filename="birds.{ending}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content.count(b"\n") == face.worlds["birds"].unique


async def test_a_folder_of_any_script_gives_a_plain_file_name(http: httpx.AsyncClient, face: FakeFace) -> None:
    face.add(World('日本"\r\nx: y', "日本", status="finished"))
    answer = await http.get("/api/topics/%E6%97%A5%E6%9C%AC%22%0D%0Ax:%20y/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="x__y.txt"'
    assert answer.content == b""


async def test_what_cannot_be_exported_is_an_error_and_not_a_stub(face: FakeFace) -> None:
    class Damaged(FakeFace):
        async def export(self, topic_id: str, fmt: str) -> AsyncIterator[bytes]:
            raise StorageError("the ledger cannot be read")
            yield b""

    damaged = Damaged()
    damaged.add(World("birds", "Birds"))
    async with app_client(damaged) as http:
        answer = await http.get("/api/topics/birds/export")
        assert (answer.status_code, answer.json()) == (503, {"error": "the ledger cannot be read"})


async def test_the_documentation_loads_from_nowhere(http: httpx.AsyncClient) -> None:
    assert (await http.get("/docs")).status_code == 404
    assert (await http.get("/redoc")).status_code == 404
    schema = (await http.get("/openapi.json")).json()
    assert set(schema["paths"]["/api/topics"]) == {"get", "post"}


async def test_the_schema_says_what_is_answered(http: httpx.AsyncClient) -> None:
    schema = (await http.get("/openapi.json")).json()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    contradicts = content.get("schema", {}).get("type") == "string" and kind == "application/json"
                    assert not contradicts, (method, path, status)


async def test_the_schema_says_where_a_token_is_needed(http: httpx.AsyncClient) -> None:
    schema = (await http.get("/openapi.json")).json()
    assert schema["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert schema["security"] == [{"token": []}]
    free = {path for path, operations in schema["paths"].items() if operations.get("get", {}).get("security") == []}
    assert free == {"/healthz", "/readyz"}


async def test_health_follows_the_storage(http: httpx.AsyncClient, face: FakeFace) -> None:
    assert (await http.get("/healthz")).status_code == 200
    face.trouble = "no space left"
    for path in ("/healthz", "/readyz"):
        answer = await http.get(path)
        assert (answer.status_code, answer.text) == (503, "no space left\n")


async def test_the_browser_keeps_the_pages_files_until_they_change(http: httpx.AsyncClient) -> None:
    first = await http.get("/page/app.js")
    again = await http.get("/page/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE"]),
    path=st.sampled_from(["/api/topics", "/api/topics/{}", "/api/topics/{}/stop", "/api/topics/{}/attributes", "/{}"]),
    part=st.one_of(st.just("birds"), st.text(max_size=40)),
    query=st.dictionaries(st.sampled_from(["after", "limit", "search", "format", "token"]), st.text(max_size=30)),
    body=st.one_of(st.none(), st.binary(max_size=200)),
)
async def test_nothing_that_is_sent_makes_the_daemon_fail(
    method: str, path: str, part: str, query: dict[str, str], body: bytes | None
) -> None:
    url = "http://test" + path.format(quote(part, safe="")) + "?" + urlencode(query)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=ANY)) as http:
        answer = await http.request(method, url, content=body, headers={"content-type": "application/json"})
    assert answer.status_code < 500
