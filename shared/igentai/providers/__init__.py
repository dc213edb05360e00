"""Clients of the model providers. `connect` imports an SDK only when its provider is first used."""

from __future__ import annotations

import os

from igentai.errors import ConfigurationError
from igentai.providers.base import Provider, ProviderSpec

__all__ = ["connect"]


def connect(spec: ProviderSpec) -> Provider:
    """A client for `spec`.

    Raises:
        ConfigurationError: `spec.kind` is none of openai, anthropic, gemini, simulated.
    """
    if spec.kind == "openai":
        from igentai.providers.openai import OpenAIProvider

        return OpenAIProvider(spec)
    if spec.kind == "anthropic":
        from igentai.providers.anthropic import AnthropicProvider

        return AnthropicProvider(spec)
    if spec.kind == "gemini":
        from igentai.providers.gemini import GeminiProvider

        return GeminiProvider(spec)
    if spec.kind == "simulated":
        from igentai.providers.simulated import SimulatedProvider

        return SimulatedProvider(spec, salt=os.getpid())  # two producers must not say the same
    raise ConfigurationError(
        f"provider {spec.name!r} has the unknown kind {spec.kind!r}; say openai, anthropic, gemini or simulated"
    )
