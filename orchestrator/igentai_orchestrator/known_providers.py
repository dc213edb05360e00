"""What igentai knows of providers without being told: kinds, addresses, variables and the model to ask first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """What igentai knows of a provider without being told."""

    kind: Literal["openai", "anthropic", "gemini", "simulated"]
    key_env: str | None = None
    base_env: str | None = None
    base_url: str | None = None
    model: str | None = None
    needs_key: bool = True
    concurrency: int | None = None


KNOWN: Final[Mapping[str, KnownProvider]] = {
    "openai": KnownProvider(kind="openai", key_env="OPENAI_API_KEY", base_env="OPENAI_BASE_URL", model="gpt-4o-mini"),
    "anthropic": KnownProvider(
        kind="anthropic", key_env="ANTHROPIC_API_KEY", base_env="ANTHROPIC_BASE_URL", model="claude-haiku-4-5"
    ),
    "gemini": KnownProvider(
        kind="gemini", key_env="GEMINI_API_KEY", base_env="GOOGLE_GEMINI_BASE_URL", model="gemini-2.5-flash-lite"
    ),
    "ollama": KnownProvider(
        kind="openai", base_env="OLLAMA_HOST", base_url="http://127.0.0.1:11434/v1", needs_key=False, concurrency=4
    ),
    "llamacpp": KnownProvider(kind="openai", base_url="http://127.0.0.1:8080/v1", needs_key=False, concurrency=4),
    "vllm": KnownProvider(kind="openai", base_url="http://127.0.0.1:8000/v1", needs_key=False),
    "lmstudio": KnownProvider(kind="openai", base_url="http://127.0.0.1:1234/v1", needs_key=False, concurrency=4),
    "embedded": KnownProvider(kind="openai", model="smollm2-135m", needs_key=False, concurrency=2),
    "simulated": KnownProvider(kind="simulated", model="medium", needs_key=False),
}
WITH_KEYS: Final = ("openai", "anthropic", "gemini")
