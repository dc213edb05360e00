"""Log lines are events with keys, and never hold a secret."""

from __future__ import annotations

import io
import json

from igentai import logs
from igentai.providers.base import Secret


def written(**event: object) -> dict[str, object]:
    stream = io.StringIO()
    logs.configure(stream=stream, secrets=[Secret("sk-very-secret-key")], as_json=True)
    logs.get().info("provider.tried", **event)
    found: dict[str, object] = json.loads(stream.getvalue())
    return found


def test_a_line_is_json_with_a_dotted_event() -> None:
    line = written(slot=3)
    assert (line["event"], line["slot"], line["level"]) == ("provider.tried", 3, "info")


def test_a_key_is_starred_wherever_it_stands() -> None:
    line = written(detail="Incorrect API key provided: sk-very-secret-key.", key=Secret("sk-very-secret-key"))
    assert "sk-very-secret-key" not in json.dumps(line, default=repr)
    assert "***" in str(line["detail"])


def test_long_values_are_cut() -> None:
    assert len(str(written(prompt="x" * 10_000)["prompt"])) < 1_000


def test_levels_below_the_configured_one_are_not_written() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream, level="warning", as_json=True)
    logs.get().info("fleet.producer_spawned")
    logs.get().warning("fleet.producer_silent")
    assert stream.getvalue().count("\n") == 1


def test_a_traceback_on_a_terminal_shows_no_local_variable() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream, as_json=False)
    local_of_ours = "sk-not-known-to-the-filter"
    try:
        raise ValueError("went wrong")
    except ValueError:
        logs.get().error("web.request_failed", exc_info=True)
    assert "went wrong" in stream.getvalue()
    assert local_of_ours not in stream.getvalue()
