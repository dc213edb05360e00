"""What every command starts with: its configuration, read with its flags on top, and the log."""

from __future__ import annotations

from typing import Any

from igentai import logs
from igentai.errors import IgentaiError
from igentai.providers.base import Secret
from igentai_orchestrator.settings import Settings, load


def configured(**flags: Any) -> Settings:
    """The settings with `flags` on top; the log is set up as they say, and keeps their keys out."""
    settings = load(**flags)
    names = ("openai", "anthropic", "gemini", *settings.providers)
    keys: list[Secret] = []
    for name in names:
        try:
            keys += settings.provider(name).keys
        except IgentaiError:
            continue
    logs.configure(level=settings.log_level, secrets=keys)
    return settings
