from __future__ import annotations

import pytest

from igentai.errors import ConfigurationError
from igentai.handover import Handover, decode, encode
from igentai.providers.base import ProviderSpec, Secret

HANDOVER = Handover(
    b"s" * 32,
    {
        "openai": ProviderSpec("openai", "openai", Secret("sk-hunter2"), "http://127.0.0.1:1/v1"),
        "simulated": ProviderSpec("simulated", "simulated", stream=False),
    },
    "spool",
    "debug",
)


def test_what_is_handed_over_arrives() -> None:
    assert decode(encode(HANDOVER)) == HANDOVER


def test_showing_it_shows_no_secret() -> None:
    assert "hunter2" not in repr(HANDOVER)
    assert repr(b"s" * 32) not in repr(HANDOVER)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"sk-hunter2", b"\xff", encode(HANDOVER)[:-9]])
def test_anything_else_is_refused_without_being_shown(data: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        decode(data)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_more_than_a_pipe_takes_is_refused_before_it_is_written() -> None:
    specs = {str(i): ProviderSpec(str(i), "openai", Secret("k" * 1000)) for i in range(64)}
    with pytest.raises(ConfigurationError, match="too many to hand over"):
        encode(Handover(b"s" * 32, specs))
