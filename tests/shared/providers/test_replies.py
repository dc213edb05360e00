"""What each client makes of good replies, against doubles of the providers' own APIs."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from tests.doubles import Fault
from tests.shared.providers.asking import API, KEY, PROMPT, STREAM, connected

from igentai.errors import ConfigurationError
from igentai.prices import PriceTable
from igentai.providers import connect
from igentai.providers.base import ProviderSpec, Secret
from igentai.providers.wire import Patience


@API
@STREAM
async def test_text_usage_and_cost_are_those_of_the_server(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, cached=40, thoughts=7, key=KEY) as pair:
        reply = await pair.ask()
        served = pair.double.log[0]
    assert reply.text.split("\n") == served.items
    assert len(served.items) == 12
    assert (reply.finish, reply.usage_reported, reply.model) == ("stop", True, pair.double.api.model)
    assert (reply.tokens_in, reply.tokens_cached) == (served.tokens_in, 40)
    assert reply.tokens_out == served.tokens_out > 7
    # Two price lists, kept by different people, must agree.
    cost = PriceTable().cost(api, reply.model, reply.tokens_in, reply.tokens_out, reply.tokens_cached)
    assert cost == pytest.approx(served.cost_usd, rel=1e-9)
    assert pair.double.billed == served.cost_usd > 0


@API
@STREAM
async def test_the_prompt_arrives_as_it_was_written(api: str, stream: bool) -> None:
    async with connected(api, stream=stream) as pair:
        await pair.ask(prompt="List 3 items of them: “Čapek”, 北京, \u202e\u0001 & <b>\n\n- x", temperature=0.4, seed=3)
        assert pair.double.log[0].prompt == "List 3 items of them: “Čapek”, 北京, \u202e\u0001 & <b>\n\n- x"
        assert pair.double.log[0].stream is stream


@API
@STREAM
async def test_a_reply_that_is_full_says_so(api: str, stream: bool) -> None:
    async with connected(api, stream=stream) as pair:
        reply = await pair.ask(max_tokens=10)
    assert (reply.finish, reply.tokens_out) == ("length", 10)
    assert reply.text


@API
@STREAM
async def test_a_refusal_has_no_text_and_a_filter_in_the_middle_keeps_what_came(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("refusal")) as pair:
        reply = await pair.ask()
    assert (reply.finish, reply.text, reply.usage_reported) == ("refusal", "", True)
    async with connected(api, stream=stream, fault=Fault("refusal_mid")) as pair:
        reply = await pair.ask()
    assert (reply.finish, reply.usage_reported) == ("cut", True)
    assert len(reply.text) > 50


@API
@STREAM
async def test_nothing_said_is_an_answer_and_is_paid_for(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("empty_reply")) as pair:
        reply = await pair.ask()
    assert (reply.finish, reply.text, reply.tokens_out, reply.usage_reported) == ("stop", "", 0, True)
    assert reply.tokens_in == pair.double.log[0].tokens_in


@pytest.mark.parametrize("api", ["openai", "gemini"])
@STREAM
async def test_usage_is_estimated_where_none_is_reported(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("no_usage")) as pair:
        reply = await pair.ask()
        served = pair.double.log[0]
    assert (reply.finish, reply.usage_reported) == ("stop", False)
    assert served.tokens_in / 2 < reply.tokens_in < served.tokens_in * 2
    assert served.tokens_out / 2 < reply.tokens_out < served.tokens_out * 2


async def test_limits_are_read_from_the_headers() -> None:
    async with connected("openai", rpm=60) as pair:
        limits = (await pair.ask()).limits
    assert (limits.requests_limit, limits.requests_remaining, limits.requests_reset_s) == (60, 59, 360.0)
    assert (limits.tokens_limit, limits.tokens_remaining, limits.tokens_reset_s) == (150_000_000, 149_984_000, 0.02)
    async with connected("anthropic", rpm=60) as pair:
        limits = (await pair.ask()).limits
    assert (limits.requests_limit, limits.requests_remaining, limits.tokens_reset_s) == (60, 59, 0.0)
    assert limits.requests_reset_s is not None
    assert limits.requests_reset_s > 1e9


@API
async def test_many_calls_share_one_client(api: str) -> None:
    async with connected(api) as pair:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(pair.ask(prompt=f"List {n} items, number {n}")) for n in range(1, 33)]
        assert [len(task.result().text.split("\n")) for task in asked] == list(range(1, 33))
        assert len(pair.double.log) == 32


@API
@STREAM
async def test_cancelling_hangs_up(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("hang")) as pair:
        task = asyncio.create_task(pair.ask())
        await pair.double.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await pair.double.left.wait()
    gc.collect()  # whatever was left open or unawaited warns now, and warnings are errors


@API
async def test_cancelling_in_the_middle_of_a_stream_hangs_up(api: str) -> None:
    async with connected(api, fault=Fault("stall", after=2), patience=Patience()) as pair:
        task = asyncio.create_task(pair.ask())
        await pair.double.broken.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await pair.double.left.wait()
    gc.collect()


@API
async def test_the_environment_does_not_choose_key_or_address(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "sk-of-the-environment")
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9/")
        monkeypatch.setenv(f"{name}_CUSTOM_HEADERS", "Authorization: Bearer sk-of-the-environment\nX-Other: 1")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    async with connected(api, key=KEY) as pair:
        assert (await pair.ask()).finish == "stop"
        assert "openai-organization" not in pair.double.heads[0]
    provider: Any = connect(ProviderSpec(api, api, Secret(KEY)))
    assert provider._url == type(provider).default_url
    await provider.close()


@API
async def test_a_server_without_keys_needs_none(api: str) -> None:
    async with connected(api) as pair:
        keyless = connect(ProviderSpec(api, api, None, pair.double.base_url))
        assert (await keyless.ask(pair.call())).finish == "stop"
        await keyless.close()


@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "ftp://host/", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="'local'"):
        connect(ProviderSpec("local", "openai", Secret(KEY), url))


@pytest.mark.parametrize("key", ["sk-“quoted”", "sk two", "sk\nnewline"])
def test_a_key_that_is_none_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(ProviderSpec("local", "openai", Secret(key), "http://127.0.0.1:1/v1"))
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "name", "temperature"),
    [
        ("gpt-4o-mini", "max_tokens", 0.5),
        ("llama3.2", "max_tokens", 0.5),
        ("o4-mini", "max_completion_tokens", None),
        ("gpt-5-nano", "max_completion_tokens", None),
        ("openai/gpt-5", "max_completion_tokens", None),
        ("gpt-5-chat-latest", "max_tokens", 0.5),
    ],
)
async def test_reasoning_models_of_openai_are_asked_in_their_own_way(
    model: str, name: str, temperature: float | None
) -> None:
    async with connected("openai") as pair:
        await pair.ask(model=model, temperature=0.5, max_tokens=77, prompt=PROMPT)
        body = pair.double.bodies[0]
    assert body[name] == 77
    assert body.get("temperature") == temperature
    assert ("max_tokens" in body) != ("max_completion_tokens" in body)


async def test_cost_and_cached_tokens_that_compatible_servers_report() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 64, "cost": 0.00123}
    for stream in (True, False):
        async with connected("openai", stream=stream) as pair:
            pair.double.api.extra_usage = usage  # type: ignore[attr-defined]  # of the OpenAI double
            reply = await pair.ask()
        assert (reply.cost_usd, reply.tokens_in, reply.tokens_cached) == (0.00123, 100, 64)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -3, "completion_tokens": 5, "cost": -0.5},
        {"prompt_tokens": 2**60, "completion_tokens": -1, "cost": 1e300},
        {"prompt_tokens": "12", "completion_tokens": 4.5, "cost": "free"},
        {"prompt_tokens": None, "completion_tokens": True, "prompt_cache_hit_tokens": -8},
    ],
)
async def test_counts_that_cannot_be_are_as_good_as_none(usage: dict[str, Any]) -> None:
    """Budgets add them up, so a server that counts wrongly must not bring the daemon down."""
    for stream in (True, False):
        async with connected("openai", stream=stream) as pair:
            pair.double.api.extra_usage = usage  # type: ignore[attr-defined]  # of the OpenAI double
            reply = await pair.ask()
        assert reply.text
        assert reply.cost_usd is None
        assert not reply.usage_reported
        assert 0 <= reply.tokens_cached <= reply.tokens_in < 10_000
        assert 0 <= reply.tokens_out < 10_000
