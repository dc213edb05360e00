"""igentai.toml, environment variables and flags, checked once. With `key_files`, the only reader of the environment.

Precedence: flags, then IGENTAI_* variables, then igentai.toml, then the defaults below. Keys come from the variables
the providers themselves document, from a 0600 file (`key_file`) or from systemd's credentials folder.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from igentai.errors import ConfigurationError, NoUsableProvider
from igentai.providers.base import ProviderSpec, Secret
from igentai_orchestrator.key_files import credential, named_key, read_private, told
from igentai_orchestrator.known_providers import KNOWN, KnownProvider

CONFIG_FILE: Final = "igentai.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderSettings(_Strict):
    """One `[providers.NAME]` table. Limits left out are learned from the provider's headers.

    `keys` names several that take turns, each with the limits below: `env:VARIABLE` or `file:PATH`.
    """

    kind: Literal["openai", "anthropic", "gemini", "simulated"] | None = None
    base_url: str | None = None
    key_env: str | None = None
    key_file: Path | None = None
    keys: tuple[str, ...] = ()
    model: str | None = None
    stream: bool = True
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    concurrency: int | None = Field(None, ge=1)


class PriceSettings(_Strict):
    """USD per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)


class Settings(BaseSettings):
    """Everything that can be configured, apart from what belongs to one topic."""

    model_config = SettingsConfigDict(env_prefix="IGENTAI_", extra="forbid", frozen=True, env_nested_delimiter="__")

    outputs: Path = Path("outputs")
    producers: int = Field(4, ge=1, le=256)
    host: str = "127.0.0.1"
    port: int | None = Field(None, ge=0, le=65535)
    page_cert: Path | None = None
    page_key: Path | None = None
    page_hosts: tuple[str, ...] = ()
    producer_host: str = "127.0.0.1"
    producer_port: int = Field(0, ge=0, le=65535)
    producer_secret_file: Path | None = None
    producer_ca: Path | None = None
    producer_cert: Path | None = None
    producer_key: Path | None = None
    auth: bool = True
    insecure: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    optimization_interval: float = Field(5.0, gt=0)
    budget_per_hour: float | None = Field(None, gt=0)
    limit_share: float = Field(0.95, gt=0, le=1)
    bloom: Literal["auto", "on", "off"] = "auto"
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    batch: dict[str, Any] = Field(default_factory=dict)
    config: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's own signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = init_settings().get("config") or os.environ.get("IGENTAI_CONFIG") or CONFIG_FILE
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    @model_validator(mode="after")
    def _own_providers_are_reachable(self) -> Settings:
        for name, table in self.providers.items():
            if name not in KNOWN and table.base_url is None and table.kind != "simulated":
                raise ValueError(f"[providers.{name}] needs base_url, the address of its OpenAI-compatible API")
        return self

    def provider(self, name: str) -> ProviderSpec:
        """How to reach the provider people call `name`.

        Raises:
            ConfigurationError: nobody knows that name, or its key file cannot be used.
            NoUsableProvider: it needs a key and there is none.
        """
        known, table = KNOWN.get(name), self.providers.get(name, ProviderSettings())
        if known is None and name not in self.providers:
            names = ", ".join([*KNOWN, *(n for n in self.providers if n not in KNOWN)])
            raise ConfigurationError(
                f"no provider is called {name!r}; say one of {names}, or add [providers.{name}] with a base_url to "
                f"{CONFIG_FILE}"
            )
        kind = table.kind or (known.kind if known else "openai")
        keys = tuple(key for _, key in self._keys(name, table, known))
        if not keys and known is not None and known.needs_key:
            raise NoUsableProvider(
                f"provider {name} needs a key: set {known.key_env}, or key_file in [providers.{name}] of {CONFIG_FILE}"
            )
        first = keys[0] if keys else None
        return ProviderSpec(name, kind, first, self._base_url(name, table, known), table.stream, more_keys=keys[1:])

    def key_sources(self, name: str) -> tuple[str, ...]:
        """Where each key of a provider comes from, in the order by which assignments name them (see `provider`)."""
        return tuple(
            source for source, _ in self._keys(name, self.providers.get(name, ProviderSettings()), KNOWN.get(name))
        )

    def key_variables(self) -> frozenset[str]:
        """The environment variables that hold keys: none of a child's business."""
        tables = self.providers.values()
        named = {table.key_env for table in tables} | {known.key_env for known in KNOWN.values()}
        listed = {key.removeprefix("env:") for table in tables for key in table.keys if key.startswith("env:")}
        return frozenset(name for name in named | listed if name)

    def default_model(self, name: str) -> str | None:
        known = KNOWN.get(name)
        return (self.providers[name].model if name in self.providers else None) or (known.model if known else None)

    def concurrency(self, name: str) -> int | None:
        known = KNOWN.get(name)
        own = self.providers[name].concurrency if name in self.providers else None
        return own or (known.concurrency if known else None)

    def has_key(self, name: str) -> bool:
        return bool(self._keys(name, self.providers.get(name, ProviderSettings()), KNOWN.get(name)))

    def _keys(self, name: str, table: ProviderSettings, known: KnownProvider | None) -> list[tuple[str, Secret]]:
        """Each key and where it comes from: those of `keys`, else one from `key_env`, `key_file` or the usual place."""
        if table.keys:
            found: dict[Secret, str] = {}  # a key that is named twice is one account
            for source in table.keys:
                found.setdefault(named_key(name, source), source.partition(":")[2])
            return [(source, key) for key, source in found.items()]
        key = self._key(name, table, known)
        place = table.key_file or table.key_env or (known.key_env if known else None)
        return [(str(place), key)] if key is not None else []

    def _key(self, name: str, table: ProviderSettings, known: KnownProvider | None) -> Secret | None:
        variable = table.key_env or (known.key_env if known else None)
        if variable and os.environ.get(variable, "").strip():
            return Secret(os.environ[variable].strip())
        path = table.key_file or credential(variable)
        if path is None and table.key_env:
            variable = told(table.key_env)
            raise NoUsableProvider(f"provider {name} takes its key from {variable}, which is not set: set it")
        return None if path is None else Secret(read_private(path, f"the key of provider {name}"))

    def _base_url(self, name: str, table: ProviderSettings, known: KnownProvider | None) -> str | None:
        if table.base_url:
            return table.base_url
        if known is None:
            return None
        from_env = os.environ.get(known.base_env or "", "").strip()
        if not from_env:
            return known.base_url
        if name != "ollama":
            return from_env
        host = from_env if "://" in from_env else f"http://{from_env}"
        host = host.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - what a server listens on is no address to call
        return host.rstrip("/") + ("" if host.rstrip("/").endswith("/v1") else "/v1")


def load(**flags: Any) -> Settings:
    """The settings, with `flags` (None: not given) on top.

    Raises:
        ConfigurationError: one line that names the first wrong value and where it stands.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    config = given.get("config")
    if config is not None and not Path(config).is_file():
        raise ConfigurationError(f"the configuration {config} is not there; check --config")
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{where}: {message} (from a flag, an IGENTAI_ variable or {CONFIG_FILE})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{config or CONFIG_FILE} is not valid TOML: {error}") from None


def service_environment() -> tuple[str | None, float | None]:
    """NOTIFY_SOCKET and the watchdog interval in seconds, as systemd sets them."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    return os.environ.get("NOTIFY_SOCKET"), int(usec) / 1e6 if usec.isdigit() else None
