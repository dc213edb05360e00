"""What each client makes of everything that can go wrong: the kind, the wait, and that nobody asks twice."""

from __future__ import annotations

import contextlib
import time

import pytest
from tests.doubles import Fault, Script
from tests.doubles.script import REFUSALS, SPOILINGS
from tests.shared.providers.asking import API, APIS, KEY, PROMPT, STREAM, connected

from igentai.errors import FailureKind, ProviderError
from igentai.providers import connect
from igentai.providers.base import ProviderSpec, Secret
from igentai.providers.wire import Patience

SHORT = Patience(connect_s=2.0, first_byte_s=0.1, idle_s=0.1)
K = FailureKind

REFUSED = {
    "rate_limit": (K.RATE_LIMITED, 429),
    "quota": (K.QUOTA, 429),
    "day_quota": (K.QUOTA, 429),
    "key": (K.KEY, 401),
    "forbidden": (K.KEY, 403),
    "payment": (K.QUOTA, 402),
    "model": (K.MODEL, 404),
    "bad_request": (K.REFUSED, 400),
    "too_large": (K.REFUSED, 413),
    "request_timeout": (K.TIMEOUT, 408),
    "conflict": (K.RESET, 409),
    "server": (K.SERVER, 500),
    "unavailable": (K.SERVER, 503),
    "overloaded": (K.SERVER, 529),
}
OWN_STATUS = {("anthropic", "quota"): 400, ("gemini", "key"): 400}


@API
@STREAM
@pytest.mark.parametrize("name", REFUSED)
async def test_a_status_is_a_kind(api: str, stream: bool, name: str) -> None:
    kind, status = REFUSED[name]
    async with connected(api, stream=stream, fault=Fault(name)) as pair:
        error = await pair.failure()
    assert (error.kind, error.status) == (kind, OWN_STATUS.get((api, name), status))
    assert error.retry_after_s is None
    assert len(pair.double.log) == 1  # the SDK did not try again
    assert error.detail.startswith(f"{api}: HTTP ")


WAITS = [(api, form) for api in APIS for form in ("seconds", "ms", "date", "body")]
WAITS.remove(("anthropic", "body"))  # they say it in the header alone


@STREAM
@pytest.mark.parametrize(("api", "wait_as"), WAITS)
async def test_how_long_to_wait_is_understood(api: str, stream: bool, wait_as: str) -> None:
    began = time.time()
    async with connected(api, stream=stream, fault=Fault("rate_limit", wait_s=42.5, wait_as=wait_as)) as pair:
        error = await pair.failure()
    assert error.kind is K.RATE_LIMITED
    assert error.retry_after_s is not None
    if wait_as == "date":  # whole seconds
        assert 41 <= error.retry_after_s + (time.time() - began) <= 43 + (time.time() - began)
    else:
        assert error.retry_after_s == 42.5


@API
async def test_limits_that_are_really_enforced_say_how_long(api: str) -> None:
    async with connected(api, rpm=2) as pair:
        await pair.ask()
        await pair.ask()
        error = await pair.failure()
    assert error.kind is K.RATE_LIMITED
    assert error.retry_after_s is not None
    assert 25 < error.retry_after_s <= 30.1


@API
@STREAM
@pytest.mark.parametrize("name", ["html", "broken_json", "empty_body", "gzip"])
async def test_a_200_that_is_no_reply_is_garbage(api: str, stream: bool, name: str) -> None:
    async with connected(api, stream=stream, fault=Fault(name)) as pair:
        error = await pair.failure()
    assert (error.kind, error.status, len(pair.double.log)) == (K.GARBAGE, 200, 1)
    assert ("compressed" in error.detail) == (name == "gzip")
    assert pair.double.heads[0]["accept-encoding"] == "identity"


@API
@STREAM
async def test_an_error_inside_a_200_is_that_error(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("error_in_reply")) as pair:
        assert (await pair.failure()).kind is K.SERVER
    if stream:
        async with connected(api, fault=Fault("error_mid", after=0)) as pair:
            error = await pair.failure()
        assert (error.kind, len(pair.double.log)) == (K.SERVER, 1)


@API
@STREAM
async def test_a_hanging_server_is_left(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("hang"), patience=SHORT) as pair:
        error = await pair.failure(timeout_s=10.0 if stream else 0.15)
        await pair.double.left.wait()
    assert (error.kind, error.status, len(pair.double.log)) == (K.TIMEOUT, None, 1)
    # A plain reply begins when it is finished: there the limit of the whole call is the only one.
    assert error.detail == f"{api}: {'no reply began in time' if stream else 'no whole reply within 0.15 s'}"


@API
async def test_a_stream_that_says_nothing_after_its_head_is_left(api: str) -> None:
    async with connected(api, fault=Fault("stall", after=0), patience=SHORT) as pair:
        error = await pair.failure()
    assert (error.kind, len(pair.double.log)) == (K.TIMEOUT, 1)


@API
@STREAM
async def test_a_closed_door_is_a_reset(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("reset_before")) as pair:
        assert ((await pair.failure()).kind, len(pair.double.log)) == (K.RESET, 1)
        call, url = pair.call(), pair.double.base_url
    refusing = connect(ProviderSpec(api, api, Secret(KEY), url, stream))
    with pytest.raises(Exception, match=f"^{api}: no reply began") as caught:
        await refusing.ask(call)
    assert caught.value.kind is K.RESET  # type: ignore[attr-defined]  # a ProviderError
    await refusing.close()


@API
@STREAM
@pytest.mark.parametrize("name", ["stall", "reset_mid", "close_mid"])
async def test_what_came_before_a_break_is_kept(api: str, stream: bool, name: str) -> None:
    async with connected(api, stream=stream, fault=Fault(name, after=4), patience=SHORT) as pair:
        reply = await pair.ask()
        served = pair.double.log[0]
    assert (reply.finish, reply.usage_reported, len(pair.double.log)) == ("cut", False, 1)
    lines = reply.text.split("\n")
    assert len(lines) >= 3
    assert lines[:-1] == served.items[: len(lines) - 1]
    assert served.items[len(lines) - 1].startswith(lines[-1])
    if stream:  # what a provider charges for is what it wrote
        assert served.tokens_out / 2 < reply.tokens_out < served.tokens_out * 2


@API
async def test_an_error_after_some_text_keeps_the_text(api: str) -> None:
    async with connected(api, fault=Fault("error_mid", after=4)) as pair:
        reply = await pair.ask()
    assert (reply.finish, len(pair.double.log)) == ("cut", 1)
    assert len(reply.text) == 4 * 24


@API
async def test_the_limit_of_the_whole_call_holds_in_the_middle_too(api: str) -> None:
    async with connected(api, fault=Fault("stall", after=4), patience=Patience()) as pair:
        reply = await pair.ask(timeout_s=0.5)
    assert (reply.finish, len(reply.text)) == ("cut", 4 * 24)


@API
@STREAM
async def test_a_reply_without_end_is_cut_at_the_limit(api: str, stream: bool) -> None:
    async with connected(api, stream=stream, fault=Fault("huge"), patience=Patience(body_limit=100_000)) as pair:
        reply = await pair.ask()
    assert (reply.finish, len(pair.double.log)) == ("cut", 1)
    assert 5_000 < len(reply.text) <= 100_000
    assert set(reply.text.split("\n")[:-1]) == {pair.double.log[0].items[0]}


@API
@STREAM
async def test_after_any_fault_the_next_call_is_good(api: str, stream: bool) -> None:
    faults = [Fault(name, after=2) for name in sorted(REFUSALS | SPOILINGS)]
    script = Script(at=dict(enumerate(faults)))
    patience = Patience(first_byte_s=0.1, idle_s=0.1, body_limit=200_000)
    async with connected(api, stream=stream, script=script, patience=patience) as pair:
        for _ in faults:
            with contextlib.suppress(ProviderError):
                await pair.ask(timeout_s=0.4)
        reply = await pair.ask()
    assert (reply.finish, len(pair.double.log)) == ("stop", len(faults) + 1)


@API
@STREAM
@pytest.mark.parametrize("name", ["key", "bad_request", "rate_limit", "server"])
async def test_neither_key_nor_prompt_shows_in_an_error(api: str, stream: bool, name: str) -> None:
    async with connected(api, stream=stream, fault=Fault(name, echo=True)) as pair:
        error = await pair.failure()
    shown = f"{error} {error.detail} {error.args!r}"
    assert KEY not in shown
    assert PROMPT[:30] not in shown
    assert "Paris attractions" not in shown
    assert "\n" not in error.detail
    assert len(error.detail) <= 200
    assert error.__cause__ is None
    assert error.__context__ is None  # the SDK's exception holds the request
