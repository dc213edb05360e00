"""Which provider a call of the library asks, and with which key: the one reader of the environment in the library.

The daemon and the command line read it in their settings, with igentai.toml. A program that calls `query_parallel` has
no such file and must not need one, so here are the variables that the providers' own SDKs document, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from igentai.batch.route import Route
from igentai.errors import ConfigurationError, NoUsableProvider
from igentai.providers.base import ProviderSpec, Secret

Whom: TypeAlias = "str | Route | Sequence[str | Route] | None"


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a provider by its name. `served` None: any model; else a server on this machine."""

    kind: str
    model: str | None = None
    key_variable: str | None = None
    address_variable: str | None = None
    address: str | None = None


ACCOUNTS: Final[Mapping[str, Account]] = {
    "openai": Account("openai", "gpt-4o-mini", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "anthropic": Account("anthropic", "claude-haiku-4-5", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    "gemini": Account("gemini", "gemini-2.5-flash-lite", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    "ollama": Account("openai", None, None, "OLLAMA_HOST", "http://127.0.0.1:11434/v1"),
    "llamacpp": Account("openai", None, None, None, "http://127.0.0.1:8080/v1"),
    "vllm": Account("openai", None, None, None, "http://127.0.0.1:8000/v1"),
    "lmstudio": Account("openai", None, None, None, "http://127.0.0.1:1234/v1"),
    "simulated": Account("simulated", "medium"),
}
_FOR_THE_SDK: Final = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS")


def routes_of(whom: Whom, environment: Mapping[str, str] = os.environ) -> tuple[Route, ...]:
    """The routes that `provider=` says: `"openai:gpt-4o-mini"`, a Route, several of either, or None.

    None asks the first of openai, anthropic and gemini whose key is set.

    Raises:
        ConfigurationError: a name that nobody knows, or no model.
        NoUsableProvider: a key is missing.
    """
    if whom is None:
        keyed = next((n for n, a in ACCOUNTS.items() if a.key_variable and _said(environment, a.key_variable)), None)
        if keyed is None:
            raise NoUsableProvider(
                "no provider was named and no key is set: say provider='openai:gpt-4o-mini' and set OPENAI_API_KEY, "
                "ANTHROPIC_API_KEY or GEMINI_API_KEY; provider='simulated:small' needs none"
            )
        whom = keyed
    entries = [whom] if isinstance(whom, (str, Route)) else list(whom)
    if not entries:
        raise ConfigurationError("provider= names nobody; say for instance 'openai:gpt-4o-mini'")
    return tuple(entry if isinstance(entry, Route) else _route(entry, environment) for entry in entries)


def _route(text: str, environment: Mapping[str, str]) -> Route:
    name, _, model = text.partition(":")
    account = ACCOUNTS.get(name)
    if account is None:
        raise ConfigurationError(
            f"no provider is called {name!r}; say one of {', '.join(ACCOUNTS)}, or give a Route with a spec of your own"
        )
    model = model or account.model or ""
    if not model:
        raise ConfigurationError(f"provider {text!r} names no model; say {name}:MODEL")
    key = _said(environment, account.key_variable)
    if account.key_variable and key is None:
        raise NoUsableProvider(f"provider {name} needs a key: set {account.key_variable}")
    spec = ProviderSpec(name, account.kind, Secret(key) if key else None, _address(name, account, environment))
    return Route(name, model, spec)


def _address(name: str, account: Account, environment: Mapping[str, str]) -> str | None:
    said = _said(environment, account.address_variable)
    if said is None or name != "ollama":
        return said or account.address
    url = (said if "://" in said else f"http://{said}").replace("0.0.0.0", "127.0.0.1").rstrip("/")  # noqa: S104 - what a server listens on is no address to call
    return url if url.endswith("/v1") else f"{url}/v1"


def _said(environment: Mapping[str, str], variable: str | None) -> str | None:
    return environment.get(variable, "").strip() or None if variable else None


def reached_directly(spec: ProviderSpec, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether chat completions go over connections of our own (`igentai.providers.direct`).

    Not where the environment asks for what only the SDK knows: a proxy on the way, an organisation, headers.
    """
    if spec.kind != "openai":
        return False
    if spec.base_url is None and any(_said(environment, variable) for variable in _FOR_THE_SDK):
        return False
    url = urlsplit(spec.base_url or "https://api.openai.com/v1")
    proxies = getproxies()
    if not proxies.get(url.scheme) and not proxies.get("all"):
        return True
    return bool(proxy_bypass(url.hostname or ""))
