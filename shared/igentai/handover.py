"""What the orchestrator hands a producer it spawns, over an inherited pipe: never in its arguments or environment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from igentai.errors import ConfigurationError
from igentai.providers.base import ProviderSpec, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HANDOVER: Final = 60_000  # bytes: what a pipe takes at once (64 KiB) with room to spare


@dataclass(frozen=True, slots=True)
class Handover:
    """The run's secret, how to reach each provider (with its key), and how much to log.

    `spool`: folder for answers of topics that name none of their own; None keeps those in memory alone.
    """

    secret: bytes
    providers: Mapping[str, ProviderSpec] = field(default_factory=dict)
    spool: str | None = None
    log_level: str = "info"

    def __repr__(self) -> str:
        return f"Handover(providers={sorted(self.providers)!r}, spool={self.spool!r}, log_level={self.log_level!r})"


def encode(handover: Handover) -> bytes:
    """The bytes for the pipe.

    Raises:
        ConfigurationError: they are more than a pipe takes at once.
    """
    data = json.dumps(
        {
            "secret": handover.secret.hex(),
            "providers": [_plain(spec) for spec in handover.providers.values()],
            "spool": handover.spool,
            "log_level": handover.log_level,
        }
    ).encode()
    if len(data) > MAX_HANDOVER:
        raise ConfigurationError(f"{len(handover.providers)} providers are too many to hand over; configure fewer")
    return data


def decode(data: bytes) -> Handover:
    """What was handed over.

    Raises:
        ConfigurationError: nothing or something else came: the program was not started by an orchestrator.
    """
    try:
        plain = json.loads(data)
        specs = [_spec(item) for item in plain["providers"]]
        return Handover(
            bytes.fromhex(plain["secret"]), {spec.name: spec for spec in specs}, plain["spool"], plain["log_level"]
        )
    except (ValueError, KeyError, TypeError):
        # the error's own text could hold a piece of a key
        raise ConfigurationError("nothing usable was handed over; start producers by `igentai producer`") from None


def _plain(spec: ProviderSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "kind": spec.kind,
        "keys": [key.reveal() for key in spec.keys],
        "base_url": spec.base_url,
        "stream": spec.stream,
    }


def _spec(plain: dict[str, Any]) -> ProviderSpec:
    keys = tuple(Secret(key) for key in plain["keys"])
    first = keys[0] if keys else None
    return ProviderSpec(plain["name"], plain["kind"], first, plain["base_url"], plain["stream"], more_keys=keys[1:])
