"""Which models are asked: those of `--provider`, else those with keys, else a local server, else the embedded model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from igentai.errors import ConfigurationError, NoUsableProvider
from igentai.providers import embedded
from igentai_orchestrator.core.topic import ModelChoice
from igentai_orchestrator.known_providers import KNOWN, WITH_KEYS
from igentai_orchestrator.settings import Settings

LOOPBACK: Final = ("ollama", "llamacpp", "vllm", "lmstudio")
PROBE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """The models of a run, and one line for the banner that says why these."""

    models: tuple[ModelChoice, ...]
    because: str


def parse(text: str, settings: Settings) -> ModelChoice:
    """`NAME:MODEL`, `NAME:MODEL=WEIGHT` or `NAME` alone.

    A simulated model carries its own `?a=b` options and takes no weight here.

    Raises:
        ConfigurationError: it does not say a provider and a model, or the weight is no number from 0 to 1.
    """
    name, _, model = text.partition(":")
    weight: float | None = None
    head, equals, tail = model.rpartition("=")
    if equals and "?" not in model:
        try:
            weight = float(tail)
        except ValueError:
            weight = -1.0
        if not 0 <= weight <= 1:
            raise ConfigurationError(f"--provider {text}: the weight {tail!r} is no number from 0 to 1")
        model = head
    if not name:
        raise ConfigurationError(f"--provider {text!r} names no provider; say for instance openai:gpt-4o-mini")
    settings.provider(name)
    chosen = model or settings.default_model(name) or served_model(name, settings)
    if not chosen:
        raise ConfigurationError(f"--provider {text} names no model; say {name}:MODEL")
    if name == "embedded":
        _check_embedded()
    return ModelChoice(name, chosen, weight)


def choose(given: Sequence[str], settings: Settings, *, probe: Callable[[str], str | None] | None = None) -> Choice:
    """The models to ask.

    Args:
        given: what `--provider` said, in order.
        settings: where keys and addresses come from.
        probe: answers the model that the local server of a provider serves, None where there is no server.

    Raises:
        ConfigurationError: something given cannot be understood.
        NoUsableProvider: a key is missing, or there is nothing at all to ask.
    """
    if given:
        models = tuple(parse(text, settings) for text in given)
        if len({m.key for m in models}) < len(models):
            raise ConfigurationError("--provider names a model twice; say each once")
        return Choice(models, "as said by --provider")
    keyed = tuple(ModelChoice(n, settings.default_model(n) or "") for n in WITH_KEYS if settings.has_key(n))
    own = tuple(
        ModelChoice(name, table.model)
        for name, table in settings.providers.items()
        if name not in KNOWN and table.model
    )
    if keyed or own:
        return Choice(keyed + own, "those with a key or a table in igentai.toml")
    for name in LOOPBACK:
        model = (probe or (lambda n: served_model(n, settings)))(name)
        if model:
            return Choice((ModelChoice(name, model),), f"no key is set; a local {name} server answers")
    _check_embedded()
    return Choice((ModelChoice("embedded", embedded.MODEL),), embedded.BANNER)


def needs_embedded(given: Sequence[str], settings: Settings) -> bool:
    """Whether the embedded model would be asked, installed or not."""
    if given:
        return any(text.partition(":")[0] == "embedded" for text in given)
    if any(settings.has_key(name) for name in WITH_KEYS) or any(n not in KNOWN for n in settings.providers):
        return False
    return not any(served_model(name, settings) for name in LOOPBACK)


def _check_embedded() -> None:
    missing = embedded.available()
    if missing:
        raise NoUsableProvider(
            f"no key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY), no local model server answers, and "
            f"the embedded model is not there: {missing}"
        )


def served_model(name: str, settings: Settings) -> str | None:
    """The first model that a local OpenAI-compatible server says it serves."""
    if name not in LOOPBACK:
        return None
    import httpx2  # costs every command's start a twentieth of a second: only where somebody is asked

    base_url = settings.provider(name).base_url
    try:
        reply = httpx2.get(f"{base_url}/models", timeout=PROBE_S, trust_env=False)
        entries = reply.json()["data"] if reply.status_code == httpx2.codes.OK else []
        return next((str(entry["id"]) for entry in entries if entry.get("id")), None)
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError):
        return None  # whatever listens there is no model server
