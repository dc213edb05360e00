"""One client over one list of prompts, in a process of its own. Run by `batch.py`; prints one line of JSON.

python tests/benchmarks/batch_contenders.py NAME BASE_URL PROMPTS CONCURRENCY [warm]
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

KEY = "sk-benchmark-000000"
MODEL = "gpt-4o-mini"


def igentai(url: str, prompts: list[str], n: int) -> Callable[[], Any]:
    import uvloop

    from igentai import Route, query_parallel
    from igentai.providers.base import ProviderSpec, Secret

    route = Route("openai", MODEL, ProviderSpec("openai", "openai", Secret(KEY), url))

    async def run() -> list[str]:
        results = await query_parallel(prompts, provider=route, max_concurrency=n, max_tokens=64)
        for result in results:
            if result.error is not None:
                print(f"{result.index}: {result.error} after {result.attempts} calls", file=sys.stderr)
        return [result.text for result in results]

    return lambda: uvloop.run(run())


def sdk_gather(url: str, prompts: list[str], n: int) -> Callable[[], Any]:
    import openai

    async def run() -> list[str]:
        client = openai.AsyncOpenAI(api_key=KEY, base_url=url)
        room = asyncio.Semaphore(n)

        async def one(prompt: str) -> str:
            async with room:
                try:
                    reply = await client.chat.completions.create(
                        model=MODEL, messages=[{"role": "user", "content": prompt}], max_tokens=64
                    )
                except openai.OpenAIError:
                    return ""
                return reply.choices[0].message.content or ""

        return await asyncio.gather(*(one(prompt) for prompt in prompts))

    return lambda: asyncio.run(run())


def async_batch_llm(url: str, prompts: list[str], n: int) -> Callable[[], Any]:
    from async_batch_llm import llm, process_prompts

    async def run() -> list[str]:
        strategy = llm(f"openai-compatible:{MODEL}", base_url=url, api_key=KEY, max_connections=n)
        batch = await process_prompts(strategy, prompts, concurrency=n, preserve_order=True)
        return [str(result.output) if result.success else "" for result in batch.results]

    return lambda: asyncio.run(run())


def langchain(url: str, prompts: list[str], n: int) -> Callable[[], Any]:
    from langchain_openai import ChatOpenAI

    async def run() -> list[str]:
        model = ChatOpenAI(model=MODEL, api_key=KEY, base_url=url, max_tokens=64)
        replies = await model.abatch(prompts, config={"max_concurrency": n}, return_exceptions=True)
        return ["" if isinstance(reply, Exception) else str(reply.content) for reply in replies]

    return lambda: asyncio.run(run())


CONTENDERS = {
    "igentai": igentai,
    "SDK + gather": sdk_gather,
    "async-batch-llm": async_batch_llm,
    "LangChain": langchain,
}


def main() -> None:
    name, url, count, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    prompts = [f"prompt {number}" for number in range(count)]
    try:
        run = CONTENDERS[name](url, prompts, n)
    except ImportError as error:
        print(json.dumps({"missing": f"skipped: {error}"}))
        return
    if len(sys.argv) > 5:
        CONTENDERS[name](url, ["prompt 0"], 1)()  # after start-up: every module is there
    before, began = time.process_time(), time.perf_counter()
    texts = run()
    active, cpu = time.perf_counter() - began, time.process_time() - before
    right = sum(text.startswith(f"An answer to: {prompt}.") for text, prompt in zip(texts, prompts, strict=True))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "active_s": active,
                "cpu_active_s": cpu,
                "cpu_s": used.ru_utime + used.ru_stime,
                "rss_mb": used.ru_maxrss / 1024,
                "right": right,
            }
        )
    )


if __name__ == "__main__":
    main()
