from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.prices import FREE, Price, PriceTable


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        ("openai", "gpt-4o-mini", Price(0.15, 0.60, 0.075)),
        ("openai", "gpt-4o-mini-2024-07-18", Price(0.15, 0.60, 0.075)),
        ("anthropic", "claude-haiku-4-5", Price(1.0, 5.0, 0.1)),
        ("anthropic", "claude-haiku-4-5-20251001", Price(1.0, 5.0, 0.1)),
        ("anthropic", "claude-haiku-4-5-latest", Price(1.0, 5.0, 0.1)),
        ("gemini", "gemini-2.5-flash-lite", Price(0.1, 0.4, 0.01)),
        ("gemini", "models/gemini-2.5-flash-lite", Price(0.1, 0.4, 0.01)),
        ("openrouter", "openai/gpt-4o-mini", Price(0.15, 0.60, 0.075)),
    ],
)
def test_published_prices_under_every_spelling(provider: str, model: str, price: Price) -> None:
    assert PriceTable().price(provider, model) == price


@pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("my-gateway", "gpt-4o-mini"), ("", "")])
def test_what_nobody_knows_has_no_price(provider: str, model: str) -> None:
    table = PriceTable()
    assert table.price(provider, model) is None
    assert table.cost(provider, model, 1, 1) is None
    assert table.upper_bound(provider, model, 1, 1) is None


def test_long_prompts_of_gemini_cost_more_from_the_first_token() -> None:
    table = PriceTable()
    assert table.cost("gemini", "gemini-2.5-pro", 200_000, 0) == pytest.approx(0.25)
    assert table.cost("gemini", "gemini-2.5-pro", 200_001, 0) == pytest.approx(0.5000025)


def test_a_price_that_depends_on_the_hour_is_taken_at_its_highest() -> None:
    price = PriceTable().price("deepseek", "deepseek-reasoner")
    assert price is not None
    assert (price.input, price.output) == (0.55, 2.19)


def test_local_models_are_free_and_the_set_can_be_chosen() -> None:
    assert PriceTable().price("ollama", "llama3.2") == FREE
    assert PriceTable().cost("simulated", "world", 10, 10) == 0.0
    assert PriceTable(free=frozenset({"lab"})).price("lab", "anything") == FREE
    assert PriceTable(free=frozenset()).price("ollama", "llama3.2") is None
    assert PriceTable().price("openrouter", "meta-llama/llama-3.3-70b-instruct:free") == FREE


def test_a_simulated_model_costs_what_it_says_so_that_a_budget_holds() -> None:
    assert PriceTable().cost("simulated", "small-b?price=2", 1_000_000, 1_000_000) == pytest.approx(10.0)
    assert PriceTable().cost("simulated", "no such world", 10, 10) == 0.0
    assert PriceTable({"simulated:*": FREE}).cost("simulated", "small?price=2", 10, 10) == 0.0


def test_what_a_person_says_goes_before_all_lists() -> None:
    mine, other, whole = Price(1, 2), Price(3, 4), Price(5, 6)
    table = PriceTable({"openai:gpt-4o-mini": mine, "gpt-4o": other, "lab:*": whole, "ollama:*": whole})
    assert table.price("openai", "gpt-4o-mini") == mine
    assert table.price("azure", "gpt-4o") == other
    assert table.price("lab", "x") == whole
    assert table.price("ollama", "x") == whole
    assert table.price("openai", "gpt-4.1") not in (None, mine, other, whole)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1))
def test_no_reply_costs_more_than_its_bound(tokens_in: int, tokens_out: int, share: float) -> None:
    table = PriceTable({"a:m": Price(2.0, 8.0, 0.5, request=0.001)})
    bound = table.upper_bound("a", "m", tokens_in, tokens_out)
    cost = table.cost("a", "m", tokens_in, tokens_out, int(tokens_in * share))
    assert cost is not None
    assert bound is not None
    assert 0.001 <= cost <= bound * (1 + 1e-12)


def test_asking_needs_no_network_and_the_list_is_loaded_only_when_asked() -> None:
    program = """
import socket, sys, threading
def refuse(*a, **k): raise AssertionError("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from igentai.prices import Price, PriceTable
table = PriceTable({"a:b": Price(1, 1)})
assert table.price("a", "b") and table.price("ollama", "x")
assert "genai_prices" not in sys.modules
assert table.price("openai", "gpt-4o-mini")
assert "genai_prices" in sys.modules and threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
