"""`keys` of a provider in igentai.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from igentai.errors import ConfigurationError, NoUsableProvider
from igentai_orchestrator.settings import load


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "IGENTAI_CONFIG", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def written(text: str) -> None:
    Path("igentai.toml").write_text(text)


def test_keys_are_taken_in_order_from_where_they_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST", "sk-1")
    monkeypatch.setenv("AGAIN", "sk-1")
    Path("second").write_text("sk-2\n")
    Path("second").chmod(0o600)
    written('[providers.openai]\nkeys = ["env:FIRST", "file:second", "env:AGAIN"]\n')
    spec = load().provider("openai")
    assert [key.reveal() for key in spec.keys] == ["sk-1", "sk-2"], "a key named twice is one account"
    assert load().key_sources("openai") == ("FIRST", "second")
    assert load().has_key("openai")


def test_one_key_is_named_by_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert load().key_sources("openai") == ("OPENAI_API_KEY",)
    assert load().provider("openai").more_keys == ()
    assert load().key_sources("ollama") == ()


def test_a_key_that_is_missing_or_written_out_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    written('[providers.openai]\nkeys = ["env:NOT_SET"]\n')
    with pytest.raises(NoUsableProvider, match="NOT_SET, which is not set"):
        load().provider("openai")
    written('[providers.openai]\nkeys = ["sk-hunter2-hunter2"]\n')
    with pytest.raises(ConfigurationError, match="env:VARIABLE or file:PATH") as caught:
        load().provider("openai")
    assert "hunter2" not in str(caught.value)
    Path("open").write_text("sk-3\n")
    Path("open").chmod(0o644)
    written('[providers.openai]\nkeys = ["file:open"]\n')
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load().provider("openai")
