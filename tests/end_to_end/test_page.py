"""The page in a real browser, against a fake daemon on a real port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from igentai_orchestrator.shell.web.app import create_app
from igentai_orchestrator.shell.web.serving import WebServer, serve
from tests.end_to_end.browser import Tab, chromium, program
from tests.orchestrator.shell import fake_face
from tests.orchestrator.shell.fake_face import FakeFace, World

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(program() is None, reason="no Chromium on this machine"),
]

PAYLOADS = (
    "<img src=x onerror=window.owned=1>",
    "<script>window.owned=1</script>",
    "<svg onload=window.owned=1>",
    "javascript:window.owned=1",
    '"><script>window.owned=1</script>',
    "' onmouseover='window.owned=1",
    "${window.owned=1}",
    "{{constructor.constructor('window.owned=1')()}}",
    "<iframe srcdoc='<script>parent.owned=1</script>'>",
    "</title><script>window.owned=1</script>",
    "<a href=javascript:window.owned=1>x</a>",
    "]]><script>window.owned=1</script>",
    "<style>*{background:url(javascript:window.owned=1)}</style>",
    "<math><mi xlink:href=javascript:window.owned=1>",
    "<details open ontoggle=window.owned=1>",
    "\u202egnp.exe<body onload=window.owned=1>",
    "<base href=//attacker.example/>",
    "<form><button formaction=javascript:window.owned=1>x",
    "<template><script>window.owned=1</script></template>",
    "%3Cscript%3Ewindow.owned=1%3C/script%3E",
)


def birds(unique: int | None = None, seconds: int = 60) -> FakeFace:
    face = FakeFace()
    world = face.add(World("birds_of_the_world", "Birds of the world", budget=2.0))
    for _ in range(seconds // 2):
        world.advance(2)
    if unique is not None:
        world.unique = unique
    return face


@asynccontextmanager
async def daemon(face: FakeFace, *, token: str | None = None, port: int = 0) -> AsyncIterator[WebServer]:
    app = create_app(face, token=token, allowed_hosts={"127.0.0.1"}, insecure=False)
    async with asyncio.TaskGroup() as group:
        server = await serve(app, "127.0.0.1", port, group)
        try:
            yield server
        finally:
            server.stop()


@asynccontextmanager
async def opened(face: FakeFace, path: str = "/", **window: int | bool) -> AsyncIterator[Tab]:
    async with daemon(face) as server, chromium() as tab:
        await tab.open(f"http://127.0.0.1:{server.port}{path}", **window)  # type: ignore[arg-type]  # width, height, dark
        await tab.until("document.body.dataset.state !== 'loading'")
        yield tab
        assert tab.faults == []


@contextmanager
def moving(face: FakeFace, seconds: float = 1.0) -> Iterator[None]:
    """The daemon's world moves while the block runs."""
    task = asyncio.get_running_loop().create_task(_move(face, seconds))
    try:
        yield
    finally:
        task.cancel()


async def _move(face: FakeFace, seconds: float) -> None:
    while True:
        face.advance(seconds)
        await asyncio.sleep(0.1)


async def shown(tab: Tab) -> list[str]:
    """The texts of the rows that exist and are not hidden."""
    rows = "[...document.querySelectorAll('#rows .row')].filter(row => !row.hidden)"
    texts = await tab.evaluate(f"JSON.stringify({rows}.map(row => row.querySelector('.text').textContent))")
    return list(json.loads(texts))


async def test_a_topic_is_started_watched_and_stopped() -> None:
    face = FakeFace()
    async with opened(face) as tab:
        assert "Every item" in await tab.text("#empty h1")
        await tab.fill("#quick-topic", "Paris attractions")
        await tab.click("#quick button")
        await tab.until("document.querySelector('#name').textContent === 'Paris attractions'")
        with moving(face):
            await tab.until("Number(document.querySelector('#found').textContent.replace(',', '')) > 100")
            await tab.until("document.querySelector('#discovery .curve').getAttribute('d')?.length > 20")
        assert (await tab.text("#status")) == "running"
        assert len([text for text in await shown(tab) if text]) > 5
        await tab.click("#stop")
        await tab.until("document.querySelector('#status').textContent === 'stopped'")
        assert "Stopped on the page." in await tab.text("#reason")
        assert face.running is None
        await tab.click("#resume")
        await tab.until("document.querySelector('#status').textContent === 'running'")


async def test_the_form_says_everything_and_shows_what_the_daemon_refuses() -> None:
    face = birds()
    async with daemon(face) as server, chromium() as tab:
        await tab.open(f"http://127.0.0.1:{server.port}/")
        await tab.until("document.body.dataset.state === 'topic'")
        await tab.click("#new-topic")
        await tab.fill("#f-topic", "Birds of the world")
        await tab.click("#start-go")
        await tab.until("!document.querySelector('#start-again').hidden")
        assert "overwrite" in await tab.text("#start-fault")
        await tab.fill("#f-topic", "Cheeses")
        for name, value in (("budget", "0.5"), ("max_attributes", "300"), ("producers", "3")):
            await tab.evaluate("document.querySelector('#start details').open = true")
            await tab.fill(f"#start [name={name}]", value)
        await tab.fill("#f-providers", "nowhere:x")
        await tab.click("#start-go")
        await tab.until("document.querySelector('#start-fault').textContent.includes('nowhere')")
        await tab.fill("#f-providers", "openai:gpt-4o-mini=0.5, ollama:llama3.1")
        await tab.click("#start-go")
        await tab.until("!document.querySelector('#start').open")
        request = face.requests_seen[-1]
        assert (request.topic, request.budget, request.max_attributes, request.producers) == ("Cheeses", 0.5, 300, 3)
        assert request.providers == ["openai:gpt-4o-mini=0.5", "ollama:llama3.1"]
        await tab.until("document.querySelector('#status').textContent === 'waiting in the queue'")


async def test_search_and_provenance() -> None:
    face = birds()
    async with opened(face) as tab:
        await tab.until("document.querySelectorAll('#rows .row').length > 5")
        await tab.fill("#search", "warbler")
        await tab.until("document.querySelector('#attributes-count').textContent.includes(' of ')")
        texts = await shown(tab)
        assert texts
        assert all("Warbler" in text for text in texts)
        await tab.evaluate("document.querySelector('#list').focus()")
        await tab.key("ArrowDown", 40)
        await tab.until("!document.querySelector('#provenance').hidden")
        told = await tab.text("#provenance")
        for fact in ("Found by", "Named", "Producer", texts[0]):
            assert fact in told
        before = await tab.text("#attributes-count")
        with moving(face, 5):
            await tab.until(
                f"Number.parseInt(document.querySelector('#attributes-count').textContent) > {int(before.split()[0])}"
            )


async def test_a_near_duplicate_says_why_and_is_separated() -> None:
    face = birds(120)
    world = face.worlds["birds_of_the_world"]
    face.merge(world.id, 119, 4, "article")
    async with opened(face) as tab:
        await tab.until("document.querySelector('#found-note').textContent.startsWith('1 of them probably')")
        await tab.until("document.querySelector('[data-number=\"119\"] .times').textContent.startsWith('≈')")
        await tab.click('[data-number="119"]')
        await tab.until("document.querySelector('#provenance .apart') !== null")
        told = await tab.text("#provenance")
        assert world.attribute(4)["text"] in told
        assert "with and without an article" in told
        await tab.click("#provenance .apart")
        await tab.until("document.querySelector('#provenance .apart') === null")
        assert world.merged == {}
        await tab.until("!document.querySelector('[data-number=\"119\"] .times').textContent.includes('≈')")


async def test_of_a_model_that_invents_it_is_not_said_how_much_there_is() -> None:
    face = birds()
    world = face.worlds["birds_of_the_world"]
    told = world.metrics
    world.metrics = lambda: told() | {"embedded": True}  # type: ignore[method-assign]
    async with opened(face) as tab:
        await tab.until("document.querySelector('#exist-note').textContent.includes('made up')")
        assert await tab.text("#exist-head") == "Can be named, at least"
        assert await tab.evaluate("document.querySelector('#key-least').hidden")
        assert "exist" not in await tab.text("#discovery")


async def test_the_form_says_how_it_asks_and_when_it_stops() -> None:
    face = birds()
    async with opened(face) as tab:
        await tab.click("#new-topic")
        await tab.fill("#f-topic", "Cheeses")
        await tab.evaluate("document.querySelector('#start details').open = true")
        for name, value in (
            ("until_coverage", "90"),
            ("min_yield", "0.5"),
            ("temperature", "0.7"),
            ("concurrency", "3"),
        ):
            await tab.fill(f"#start [name={name}]", value)
        await tab.fill("#f-categories", "blue")
        await tab.evaluate("document.querySelector('#f-categories').value = 'blue\\n\\n hard '")
        await tab.evaluate("document.querySelector('#start [name=optimise]').value = 'speed'")
        await tab.click("#start [name=saturation]")
        await tab.click("#start [name=verify]")
        await tab.click("#start-go")
        await tab.until("!document.querySelector('#start').open")
        request = face.requests_seen[-1]
        assert (request.until_coverage, request.min_yield, request.temperature) == (0.9, 0.5, 0.7)
        assert (request.concurrency, request.optimise, request.partition) == (3, "speed", "auto")
        assert (request.categories, request.saturation, request.verify) == (["blue", "hard"], False, True)
        assert request.near_duplicates == "group"


async def test_a_slider_sets_a_share_and_auto_gives_it_back() -> None:
    face = birds()
    slider = "document.querySelector('#models input[type=range]')"
    async with opened(face) as tab:
        await tab.until(f"{slider} !== null")
        await tab.evaluate(f"{slider}.focus()")
        before = int(await tab.evaluate(f"{slider}.value"))
        await tab.key("ArrowRight", 39)
        await tab.until("!document.querySelector('#models .auto').hidden")
        key = await tab.evaluate("document.querySelector('#models .model:nth-child(2)').dataset.key")
        assert face.weights_seen == [{key: (before + 1) / 100}]
        await tab.click("#models .auto")
        await tab.until("document.querySelector('#models .auto').hidden")
        assert face.weights_seen[-1] == {key: None}


async def test_a_topic_that_is_overwritten_is_listed_from_its_new_beginning() -> None:
    face = birds(900)
    async with daemon(face) as server, chromium() as tab:
        await tab.open(f"http://127.0.0.1:{server.port}/")
        await tab.until("document.querySelector('#attributes-count').textContent.startsWith('900')")
        await tab.click("#new-topic")
        await tab.fill("#f-topic", "Birds of the world")
        await tab.click("#start-go")
        await tab.until("!document.querySelector('#start-again').hidden")
        await tab.click("#start-overwrite")
        await tab.until("!document.querySelector('#start').open")
        face.worlds["birds_of_the_world"].texts = ["The first of the new run"]
        face.worlds["birds_of_the_world"].unique = 1
        face.changed()
        await tab.until("document.querySelector('#attributes-count').textContent.startsWith('1,')")
        assert await shown(tab) == ["The first of the new run"]


async def test_export_links_lead_to_the_topic_in_view() -> None:
    async with opened(birds()) as tab:
        for kind in ("txt", "csv", "jsonl", "sqlite"):
            link = f"document.querySelector('#export [data-format={kind}]').href"
            status = await tab.evaluate(f"fetch({link}).then(answer => answer.status + answer.url)")
            assert status.startswith("200")
            assert status.endswith(f"/birds_of_the_world/export?format={kind}")


async def test_the_page_survives_a_restart_of_the_daemon_and_misses_nothing() -> None:
    face = birds()
    async with chromium() as tab:
        async with daemon(face, token="secret") as server:
            port = server.port
            await tab.open(f"http://127.0.0.1:{port}/?token=secret")
            await tab.until("document.body.dataset.link === 'open'")
            assert await tab.evaluate("location.search") == ""
            with moving(face):
                await tab.until("document.querySelectorAll('#rows .row').length > 5")
        await tab.until("document.body.dataset.link === 'lost'")
        assert "No connection" in await tab.text("#alerts")
        for _ in range(20):
            face.advance(2)
        async with daemon(face, token="secret", port=port):
            await tab.until("document.body.dataset.link === 'open'")
            total = face.worlds["birds_of_the_world"].unique
            await tab.until(f"document.querySelector('#found').textContent.replace(',', '') === '{total}'")
            await tab.until("document.querySelector('#rows .row .number').textContent !== ''")
            await tab.until(f"document.querySelector('#attributes-count').textContent.startsWith('{total:,}')")
            assert (await tab.text("#alerts")) == ""
            await tab.until(
                "![...document.querySelectorAll('#rows .row:not([hidden])')].some(r => r.matches('.waiting'))"
            )
            rows = face.worlds["birds_of_the_world"]
            assert await shown(tab) == [rows.attribute(total - i)["text"] for i in range(len(await shown(tab)))]
        async with daemon(face, token="another", port=port):
            await tab.until("document.body.dataset.link === 'locked'")
            assert "no longer signed in" in await tab.text("#alerts")


async def test_a_hundred_thousand_attributes_are_scrolled_with_few_rows() -> None:
    face = birds(100_000)
    async with opened(face) as tab:
        await tab.until("document.querySelector('#attributes-count').textContent.startsWith('100,000')")
        await tab.evaluate("document.querySelector('#list').scrollTop = 36 * 60000")
        await tab.until(
            "[...document.querySelectorAll('#rows .row .text')].some(node => node.textContent.endsWith('39990'))"
        )
        await tab.evaluate("document.querySelector('#list').scrollTop = 1e9")
        await tab.until("[...document.querySelectorAll('#rows .row .number')].some(node => node.textContent === '1')")
        assert int(await tab.evaluate("document.querySelectorAll('#rows .row').length")) < 80


async def test_a_list_that_is_scrolled_stays_where_it_is() -> None:
    face = birds()
    async with opened(face) as tab:
        await tab.until("document.querySelectorAll('#rows .row').length > 5")
        await tab.evaluate("document.querySelector('#list').scrollTop = 360")
        top = face.worlds["birds_of_the_world"].unique - 4  # six rows are drawn above the ten that are scrolled away
        await tab.until(f"document.querySelector('#rows .row').dataset.number === '{top}'")
        await tab.until("document.querySelector('#rows .row .text').textContent !== ''")
        before = await shown(tab)
        with moving(face, 4):
            await tab.until("!document.querySelector('#newer').hidden")
            assert [text for text in await shown(tab) if text][:5] == [text for text in before if text][:5]
        await tab.click("#newer")
        await tab.until("document.querySelector('#newer').hidden && document.querySelector('#list').scrollTop === 0")


async def test_two_hundred_hostile_texts_run_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fake_face.GROUPS, PAYLOADS[7], [PAYLOADS[8], PAYLOADS[9]])
    monkeypatch.setitem(fake_face.MODELS, f"openai:{PAYLOADS[6]}", (0.001, 1000.0, 1.0))
    face = birds()
    world = face.worlds["birds_of_the_world"]
    world.texts = [f"{PAYLOADS[i % len(PAYLOADS)]} {i}" for i in range(200)]
    world.unique = 200
    world.merged = {199: {"number": 198, "text": PAYLOADS[10], "reason": PAYLOADS[11]}}
    world.topic = PAYLOADS[1]
    world.stop_reason = PAYLOADS[0]
    face.add(World(PAYLOADS[4], PAYLOADS[2], status="finished", stop_reason=PAYLOADS[3]))
    face.alerts = [{"level": "error", "text": payload} for payload in PAYLOADS]
    world.models["openai:gpt-4o-mini"].state = "out"
    world.models["openai:gpt-4o-mini"].detail = PAYLOADS[0]
    async with opened(face) as tab:
        await tab.until("document.querySelector('#attributes-count').textContent.startsWith('200')")
        for at in range(0, 200, 10):
            await tab.evaluate(f"document.querySelector('#list').scrollTop = {at * 36}")
            await tab.until(
                f"[...document.querySelectorAll('#rows .text')].some(n => n.textContent.endsWith(' {199 - at}'))"
            )
        await tab.evaluate("document.querySelectorAll('#rows .row').forEach(row => row.click())")
        await tab.until("!document.querySelector('#provenance').hidden")
        await tab.evaluate("document.querySelector('#list').scrollTop = 0")
        for number in (199, 198):
            await tab.until(f"document.querySelector('[data-number=\"{number}\"]') !== null")
            await tab.click(f'[data-number="{number}"]')
            await tab.until(f"document.querySelector('#provenance dd').textContent === '{number}'")
        await tab.until("document.querySelector('#provenance .variant') !== null")
        assert PAYLOADS[8] in await tab.text("#partitions")
        assert PAYLOADS[6] in await tab.text("#models")
        await tab.click("#topics li:nth-child(2) a")
        await tab.until(f"document.querySelector('#name').textContent === {json.dumps(PAYLOADS[2])}")
        assert await tab.evaluate("window.owned") is None
        assert (
            await tab.evaluate("document.querySelectorAll('main script, main iframe, main img, main base').length") == 0
        )


@pytest.mark.parametrize("width", [390, 768, 1440])
async def test_nothing_runs_out_of_the_window(width: int) -> None:
    face = birds()
    face.worlds["birds_of_the_world"].topic = (
        "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamten" * 2
    )
    async with opened(face, width=width, height=800) as tab:
        await tab.until("document.querySelector('#models .model') !== null")
        assert await tab.evaluate("document.documentElement.scrollWidth") <= width


async def test_everything_comes_from_the_daemon() -> None:
    async with opened(birds()) as tab:
        await tab.until("document.body.dataset.link === 'open'")
        assert tab.requests
        assert all(url.startswith("http://127.0.0.1:") for url in tab.requests)


async def test_a_document_with_holes_is_drawn() -> None:
    face = birds()
    face.metrics = lambda topic_id: {"unique_attributes": 3}  # type: ignore[method-assign]  # nothing else so far
    face.providers = lambda: [{"key": "a:b"}]  # type: ignore[method-assign]  # the same
    async with opened(face) as tab:
        await tab.until("document.querySelector('#found').textContent === '3'")
        assert (await tab.text("#exist")) == "–"


async def test_a_topic_that_was_cut_off_before_it_had_numbers_is_listed_all_the_same() -> None:
    face = FakeFace()
    face.add(World("cheeses", "Cheeses", status="interrupted")).unique = 120
    told = {"topic": "Cheeses", "status": "interrupted"}
    face.metrics = lambda topic_id: told  # type: ignore[method-assign]  # nothing else
    async with opened(face) as tab:
        await tab.until("document.querySelector('#attributes-count').textContent.startsWith('120')")
        await tab.until("document.querySelector('#rows .row .text')?.textContent.length > 3")
        assert (await tab.text("#found")) == "120"


async def test_an_empty_page_says_whom_a_topic_would_be_asked_of() -> None:
    async with opened(FakeFace()) as tab:
        assert (await tab.text("#quick-asked")).startswith("Asks openai:gpt-4o-mini, ")


async def test_signed_out_there_is_a_form_that_signs_in() -> None:
    async with daemon(birds(), token="secret") as server, chromium() as tab:
        await tab.open(f"http://127.0.0.1:{server.port}/")
        await tab.fill("#token", "wrong")
        await tab.click("form button")
        await tab.until("document.querySelector('#token')?.value === ''")
        await tab.fill("#token", "secret")
        await tab.click("form button")
        await tab.until("document.body.dataset.state === 'topic'")
        assert await tab.evaluate("document.cookie") == ""
