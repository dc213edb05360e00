"""What people and scripts read beside output.txt: topic.txt, metrics.json, state.json, global_state.json.

Each is replaced whole, so a reader never sees half of one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from igentai_orchestrator.core.topic import TopicSpec

TOPIC: Final = "topic.txt"
METRICS: Final = "metrics.json"
STATE: Final = "state.json"
GLOBAL_STATE: Final = "global_state.json"

_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


def iso_time(wall: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def topic_text(spec: TopicSpec, started: float) -> bytes:
    """topic.txt: one `Name: value` a line. A weight that is left to the policy is null."""
    weights = orjson.dumps({model.key: model.weight for model in spec.models}).decode()
    at = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"Topic: {_one_line(spec.topic)}\n"
        f"Start Time: {at} UTC\n"
        f"Producer Count: {spec.producers}\n"
        f"Prompt: {_one_line(spec.prompt) if spec.prompt else '(default)'}\n"
        f"Provider Weights: {weights}\n"
    ).encode()


def metrics_bytes(metrics: Mapping[str, Any]) -> bytes:
    return orjson.dumps(dict(metrics), option=_OPTIONS)


def state_bytes(spec: TopicSpec, state: Mapping[str, Any], at: str) -> bytes:
    """`state` with what identifies the topic; `state` wins where both say something."""
    document = {"topic": spec.topic, "folder": spec.folder, "updated": at, **state}
    return orjson.dumps(document, option=_OPTIONS | orjson.OPT_INDENT_2)


def global_bytes(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=_OPTIONS | orjson.OPT_INDENT_2)


def read_document(path: Path) -> dict[str, Any] | None:
    """A JSON document that holds a map, None where there is none."""
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _one_line(text: str) -> str:
    return " ".join(text.split())
