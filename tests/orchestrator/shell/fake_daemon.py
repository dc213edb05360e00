"""A daemon to look at: `python -m tests.orchestrator.shell.fake_daemon --port 8099 --scenario running`.

The page is the real one, its data a `FakeFace` that moves in real time.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from igentai_orchestrator.shell.web.app import create_app
from igentai_orchestrator.shell.web.serving import serve
from tests.orchestrator.shell.fake_face import FakeFace, World

SCENARIOS = ("empty", "starting", "running", "late", "finished", "trouble", "large")


def furnished(scenario: str) -> FakeFace:
    """A face in the state that the scenario names."""
    face = FakeFace()
    if scenario == "empty":
        return face
    past = face.add(World("paris_attractions", "Paris attractions", budget=0.5, max_attributes=900))
    while past.status == "running":
        past.advance(4)
    cheese = face.add(World("french_cheeses", "French cheeses", budget=0.2))
    for _ in range(40):
        cheese.advance(2)
    cheese.end("interrupted", "the daemon was killed")
    face.running = None
    world = face.add(World("birds_of_the_world", "Birds of the world", budget=2.0))
    rounds = {"starting": 2, "running": 110, "late": 420, "finished": 420, "trouble": 90, "large": 60}[scenario]
    for _ in range(rounds):
        world.advance(2)
    if scenario == "finished":
        world.end("finished", "saturation: the last 30 answers brought 0.4 attributes each")
        face.running = None
    if scenario == "large":
        world.unique = 100_000
    if scenario == "trouble":
        face.trouble = "The disk that holds outputs is full: nothing is asked until space returns."
        world.models["gemini:gemini-flash"].state = "out"
        world.models["gemini:gemini-flash"].detail = "the key was refused (403); set GEMINI_API_KEY and reload"
        world.models["openai:gpt-4o-mini"].state = "waiting"
        world.models["openai:gpt-4o-mini"].detail = "rate limit: asks again in 12 s"
    if scenario == "running":
        world.models["openai:gpt-4o-mini"].set_weight = 0.25
        queued = World("string_instruments", "String instruments", status="queued")
        face.add(queued)
        face.queue.append(queued.id)
    return face


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--scenario", choices=SCENARIOS, default="running")
    parser.add_argument("--token", default=None)
    parser.add_argument("--still", action="store_true", help="nothing moves")
    chosen = parser.parse_args()
    face = furnished(chosen.scenario)
    app = create_app(face, token=chosen.token, allowed_hosts={"127.0.0.1", "localhost"}, insecure=False)
    async with asyncio.TaskGroup() as group:
        server = await serve(app, "127.0.0.1", chosen.port, group)
        print(f"http://127.0.0.1:{server.port}/", flush=True)
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.2)
            now = time.monotonic()
            if not chosen.still and face.trouble is None:
                face.advance(now - last)
            last = now


if __name__ == "__main__":
    asyncio.run(main())
