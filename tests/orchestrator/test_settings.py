"""Configuration: what wins, what is refused and in which words, where keys come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from igentai.errors import ConfigurationError, NoUsableProvider
from igentai_orchestrator.choice import choose, needs_embedded, parse
from igentai_orchestrator.settings import Settings, load


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OLLAMA_HOST", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def toml(text: str) -> Settings:
    Path("igentai.toml").write_text(text)
    return load()


def nobody(_name: str) -> str | None:
    return None


def test_flags_win_over_variables_over_the_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().producers == 4
    assert toml("producers = 5").producers == 5
    monkeypatch.setenv("IGENTAI_PRODUCERS", "6")
    assert load().producers == 6
    assert load(producers=7).producers == 7
    assert load(producers=None).producers == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense = 1", "nonsense"),
        ("producers = 0", "producers"),
        ("[providers.openai]\ncolour = 1", "providers.openai.colour"),
        ("[providers.mine]\nmodel = 'm'", r"\[providers.mine\] needs base_url"),
        ("producers =", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_that_names_the_place(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        toml(text)
    assert "\n" not in str(refused.value)


def test_keys_come_from_the_providers_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoUsableProvider, match="set OPENAI_API_KEY"):
        load().provider("openai")
    monkeypatch.setenv("OPENAI_API_KEY", " sk-abc \n")
    key = load().provider("openai").key
    assert key is not None
    assert key.reveal() == "sk-abc"
    assert "sk-abc" not in f"{load().provider('openai')!r}"


def test_a_key_file_must_be_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-from-file\n")
    path.chmod(0o644)
    settings = toml(f"[providers.openai]\nkey_file = '{path}'")
    with pytest.raises(ConfigurationError, match="chmod 600"):
        settings.provider("openai")
    path.chmod(0o600)
    key = settings.provider("openai").key
    assert key is not None
    assert key.reveal() == "sk-from-file"


def test_systemds_credentials_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "OPENAI_API_KEY").write_text("sk-credential")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    key = load().provider("openai").key
    assert key is not None
    assert key.reveal() == "sk-credential"


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("0.0.0.0:11434", "http://127.0.0.1:11434/v1"),
        ("box:1", "http://box:1/v1"),
        ("http://box:1/v1/", "http://box:1/v1"),
    ],
)
def test_ollamas_own_variable_becomes_an_address(monkeypatch: pytest.MonkeyPatch, said: str, address: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", said)
    assert load().provider("ollama").base_url == address


@pytest.mark.parametrize(
    ("text", "provider", "model", "weight"),
    [
        ("openai:gpt-4o-mini=0.5", "openai", "gpt-4o-mini", 0.5),
        ("openai", "openai", "gpt-4o-mini", None),
        ("ollama:llama3.2:3b", "ollama", "llama3.2:3b", None),
        ("ollama:llama3.2:3b=1", "ollama", "llama3.2:3b", 1.0),
        ("simulated:world?items=5&skew=0.9", "simulated", "world?items=5&skew=0.9", None),
    ],
)
def test_what_provider_says(
    monkeypatch: pytest.MonkeyPatch, text: str, provider: str, model: str, weight: float | None
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abc")
    found = parse(text, load())
    assert (found.provider, found.model, found.weight) == (provider, model, weight)


@pytest.mark.parametrize("text", ["openai:m=2", "openai:m=x", ":m", "nosuch:m"])
def test_what_provider_cannot_say(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abc")
    with pytest.raises(ConfigurationError):
        parse(text, load())


def test_with_none_said_those_with_keys_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abc")
    monkeypatch.setenv("GEMINI_API_KEY", "AIza")
    assert [m.provider for m in choose((), load(), probe=nobody).models] == ["openai", "gemini"]
    assert not needs_embedded((), load())


def test_without_keys_a_local_server_is_asked() -> None:
    choice = choose((), load(), probe=lambda name: "phi" if name == "vllm" else None)
    assert [m.key for m in choice.models] == ["vllm:phi"]


def test_a_model_named_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        choose(("simulated:small", "simulated:small"), load())


def test_an_openai_compatible_endpoint_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_KEY", "gsk-1")
    settings = toml("[providers.groq]\nbase_url = 'https://api.example/v1'\nkey_env = 'GROQ_KEY'\nmodel = 'llama'")
    spec = settings.provider("groq")
    assert (spec.kind, spec.base_url) == ("openai", "https://api.example/v1")
    assert [m.key for m in choose((), settings, probe=nobody).models] == ["groq:llama"]
