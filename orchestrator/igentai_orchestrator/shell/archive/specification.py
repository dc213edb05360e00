"""A TopicSpec as JSON, for the ledger and state.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from igentai_orchestrator.core.topic import Limits, ModelChoice, TopicSpec


def spec_to_json(spec: TopicSpec) -> str:
    return orjson.dumps(asdict(spec)).decode()


def spec_from_json(text: str) -> TopicSpec:
    """The spec that `spec_to_json` wrote. What an older igentai did not know yet has its default.

    Raises:
        ValueError, TypeError, KeyError: not such a text.
    """
    values: dict[str, Any] = orjson.loads(text)
    values["models"] = tuple(ModelChoice(**model) for model in values["models"])
    values["limits"] = Limits(**values.get("limits", {}))
    values["categories"] = tuple(values.get("categories", ()))
    return TopicSpec(**values)
