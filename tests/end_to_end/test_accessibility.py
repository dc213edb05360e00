"""What Lighthouse looks at, by hand, in a real browser: names, contrast as painted, focus, structure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.end_to_end.browser import Tab, chromium, program
from tests.end_to_end.test_page import birds, daemon, opened
from tests.orchestrator.shell.fake_face import FakeFace, World

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(program() is None, reason="no Chromium on this machine"),
]

# Every text that is shown, with its colour and what is painted behind it, worked out as the browser paints: a canvas
# turns any colour notation into numbers, half-transparent ones are laid over each other.
CONTRAST = r"""
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const numbers = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r / 255, g / 255, b / 255, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]).concat(1);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const page = numbers(getComputedStyle(document.documentElement).backgroundColor);
  const paper = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(numbers(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), page);
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const said = walker.currentNode.textContent.trim();
    if (!said || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (node.closest("script, noscript, .sr, svg, [disabled], .toast") || !node.getClientRects().length) continue;
    let opacity = 1;
    for (let at = node; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const ground = paper(node);
    const ink = numbers(getComputedStyle(node).color);
    ink[3] *= opacity;
    const [a, b] = [light(over(ink, ground)), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const style = getComputedStyle(node);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const what = `${node.tagName}.${node.className}: ${ratio.toFixed(2)} ${said.slice(0, 30)}`;
    if (ratio < (large ? 3 : 4.5)) weak.push(what);
  }
  return JSON.stringify([...new Set(weak)]);
})()
"""

FOCUSED = r"""
(() => {
  const node = document.activeElement;
  const box = node.getBoundingClientRect();
  const style = getComputedStyle(node);
  return JSON.stringify({
    what: node.id || `${node.tagName} ${node.textContent.trim().slice(0, 24)}`,
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    place: box.width * box.height > 0,
    order: [...document.querySelectorAll("*")].indexOf(node),
  });
})()
"""


def furnished() -> FakeFace:
    face = birds(900)
    world = face.worlds["birds_of_the_world"]
    face.merge(world.id, 899, 4)
    face.add(World("cheeses", "Cheeses", status="finished", stop_reason="saturated"))
    face.running = world.id
    face.alerts = [{"level": level, "text": f"an alert of level {level}"} for level in ("error", "warning", "info")]
    for state, key in zip(("waiting", "open", "out"), world.models, strict=False):
        world.models[key].state, world.models[key].detail = state, f"is {state}"
    return face


async def weak(tab: Tab) -> list[str]:
    return list(json.loads(await tab.evaluate(CONTRAST)))


async def ready(tab: Tab) -> None:
    await tab.until("document.querySelector('[data-number=\"899\"] .text')?.textContent.length > 3")
    await tab.until("document.querySelectorAll('#models .model').length > 2")


@pytest.mark.parametrize("dark", [False, True])
async def test_every_text_can_be_read(dark: bool) -> None:
    async with opened(furnished(), dark=dark) as tab:
        await ready(tab)
        assert await weak(tab) == []
        await tab.click('[data-number="899"]')
        await tab.until("document.querySelector('#provenance .apart') !== null")
        assert await weak(tab) == []
        await tab.click("#new-topic")
        await tab.evaluate("document.querySelector('#start details').open = true")
        assert await weak(tab) == []
        await tab.click("#start-cancel")
        await tab.evaluate("location.hash = 'cheeses'")
        await tab.until("document.querySelector('#status').textContent === 'finished'")
        assert await weak(tab) == []


async def test_an_empty_page_can_be_read() -> None:
    async with opened(FakeFace()) as tab:
        assert await weak(tab) == []
        await tab.click("#theme")
        assert await weak(tab) == []


async def nodes(tab: Tab) -> list[dict[str, Any]]:
    """The page as a screen reader is told of it."""
    await tab.call("Accessibility.enable")
    tree = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    return [
        {
            "role": node.get("role", {}).get("value", ""),
            "name": node.get("name", {}).get("value", ""),
            "focusable": any(p["name"] == "focusable" and p["value"]["value"] for p in node.get("properties", ())),
        }
        for node in tree
        if not node.get("ignored")
    ]


async def test_everything_that_can_be_used_has_a_name() -> None:
    async with opened(furnished()) as tab:
        await ready(tab)
        await tab.click('[data-number="899"]')
        await tab.until("document.querySelector('#provenance .apart') !== null")
        found = await nodes(tab)
        await tab.click("#new-topic")
        await tab.evaluate("document.querySelector('#start details').open = true")
        found += await nodes(tab)
        usable = [n for n in found if n["focusable"] and n["role"] not in {"RootWebArea", "dialog", "region"}]
        assert len(usable) > 60
        assert [node for node in usable if not node["name"].strip()] == []
        roles = {node["role"] for node in found}
        assert {
            "banner",
            "navigation",
            "main",
            "dialog",
            "listbox",
            "option",
            "slider",
            "searchbox",
            "combobox",
        } <= roles
        assert await tab.evaluate("document.documentElement.lang") == "en"
        assert await tab.evaluate("document.title.length > 3")
        assert await tab.evaluate("document.querySelectorAll('h1:not([hidden])').length") >= 1
        doubled = "[...document.querySelectorAll('[id]')].map(n => n.id).filter((id, i, all) => all.indexOf(id) !== i)"
        assert json.loads(await tab.evaluate(f"JSON.stringify({doubled})")) == []


async def test_the_keyboard_goes_through_everything_in_the_order_of_the_page() -> None:
    async with opened(furnished()) as tab:
        await ready(tab)
        seen: list[dict[str, Any]] = []
        for _ in range(90):
            await tab.key("Tab", 9)
            at = json.loads(await tab.evaluate(FOCUSED))
            if at["what"].startswith("BODY") or (seen and at["order"] == seen[0]["order"]):
                break
            seen.append(at)
        names = [at["what"] for at in seen]
        for wanted in ("home", "theme", "new-topic", "stop", "discovery", "search", "list"):
            assert wanted in names, names
        assert names[0].startswith("A Skip to the attributes")
        assert [at["order"] for at in seen] == sorted(at["order"] for at in seen)
        assert [at["what"] for at in seen if not at["seen"]] == [], "where the focus is can be seen"
        assert [at["what"] for at in seen if not at["place"]] == []


async def test_a_dialog_takes_the_focus_and_gives_it_back() -> None:
    async with opened(furnished()) as tab:
        await ready(tab)
        await tab.evaluate("document.querySelector('#new-topic').focus()")
        await tab.key("Enter", 13)
        await tab.click("#new-topic")
        await tab.until("document.activeElement.id === 'f-topic'")
        for _ in range(30):
            await tab.key("Tab", 9)
            at = "document.activeElement"
            assert await tab.evaluate(f"document.querySelector('#start').contains({at}) || {at} === document.body")
        await tab.key("Escape", 27)
        await tab.until("!document.querySelector('#start').open")
        await tab.until("document.activeElement.id === 'new-topic'")


async def test_what_is_pressed_is_large_enough() -> None:
    """On a phone; sliders and words in a line are excepted (WCAG 2.2, 2.5.8)."""
    async with opened(furnished(), width=390, height=900) as tab:
        await ready(tab)
        small = await tab.evaluate(
            "JSON.stringify([...document.querySelectorAll('button, summary, .rail a, input:not([type=range])')]"
            ".filter(n => n.checkVisibility() && !n.matches('.text, .fold') && n.getBoundingClientRect().height < 20)"
            ".map(n => n.className + ' ' + n.textContent.trim()))"
        )
        assert json.loads(small) == []


async def test_a_page_without_its_daemon_can_be_read() -> None:
    face = furnished()
    async with chromium() as tab:
        async with daemon(face) as server:
            await tab.open(f"http://127.0.0.1:{server.port}/")
            await ready(tab)
        await tab.until("document.body.dataset.link === 'lost'")
        assert "No connection" in await tab.text("#alerts")
        assert await weak(tab) == []
