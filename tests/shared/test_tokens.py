from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.tokens import TokenRatio, byte_bound, estimate, estimate_messages

# (text, its tokens in OpenAI's o200k vocabulary, counted once with the npm package gpt-tokenizer)
SAMPLES = [
    ("The quick brown fox jumps over the lazy dog.", 10),
    (
        "Eiffel Tower\nLouvre Museum\nNotre-Dame Cathedral\nArc de Triomphe\nSacré-Cœur Basilica\nMusée d'Orsay\n"
        "Palace of Versailles\nLuxembourg Gardens\nSainte-Chapelle\nPanthéon\nMoulin Rouge\nPlace de la Concorde\n"
        "Pont Alexandre III\nCentre Pompidou\nLes Invalides\nPère Lachaise Cemetery\nCatacombs of Paris\n"
        "Montparnasse Tower\nOpéra Garnier\nCanal Saint-Martin",
        104,
    ),
    ("Ленинград, Москва, Новосибирск, Екатеринбург, Казань, Нижний Новгород", 21),
    ("東京タワー、浅草寺、明治神宮、上野公園、皇居", 21),
    ("서울특별시 부산광역시 대구광역시", 13),
    ("Αθήνα Θεσσαλονίκη Πάτρα", 10),
    ("Kraków Łódź Wrocław Poznań Gdańsk Szczecin Bydgoszcz", 23),
    ("🗼🏰🎡", 7),
    ("12345678 2024-07-18 3.14159 10.000.000", 21),
]


@pytest.mark.parametrize(("text", "tokens"), SAMPLES)
def test_the_estimate_is_near(text: str, tokens: int) -> None:
    assert tokens * 0.8 <= estimate(text) <= tokens * 1.6


def test_other_scripts_cost_more_a_character() -> None:
    latin, cyrillic, han, burmese = (estimate(t * 40) / (len(t) * 40) for t in ("river ", "речка ", "河川", "မြစ်"))
    assert latin < cyrillic < han
    assert latin < burmese


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one: str, other: str) -> None:
    # Two words may become one where they meet, so a piece may be saved there.
    assert estimate(one + other) >= max(estimate(one), estimate(other)) - 1
    assert (estimate(one) == 0) == (one == "")


@given(st.lists(st.tuples(st.just("user"), st.text()), max_size=4))
def test_the_estimate_keeps_below_the_bound_of_bytes(messages: list[tuple[str, str]]) -> None:
    assert estimate_messages(messages) <= byte_bound(messages)


MESSAGES = [("system", "You list things."), ("user", "List 40 rivers of Bohemia, one a line. " * 5)]


def test_an_unknown_model_is_reserved_for_at_the_bound_of_bytes() -> None:
    ratio = TokenRatio()
    assert ratio.expected("m", MESSAGES) == estimate_messages(MESSAGES)
    assert ratio.upper_bound("m", MESSAGES) == byte_bound(MESSAGES)


def test_the_ratio_follows_what_is_reported() -> None:
    ratio = TokenRatio()
    for _ in range(30):
        ratio.observe("m", 100, 130)
    assert ratio.ratio("m") == pytest.approx(1.3)
    assert ratio.ratio("other") == 1.0
    for _ in range(30):
        ratio.observe("m", 100, 90)
    assert ratio.ratio("m") == pytest.approx(0.9, abs=0.01)
    ratio.observe("m", 0, 50)
    ratio.observe("m", 50, 0)
    assert ratio.ratio("m") == pytest.approx(0.9, abs=0.01)


@given(st.lists(st.floats(0.3, 3.0), min_size=5, max_size=60), st.integers(0, 2**32))
def test_the_bound_holds_for_every_ratio_seen_lately(ratios: list[float], seed: int) -> None:
    learned = TokenRatio()
    estimated = estimate_messages(MESSAGES)
    for ratio in ratios:
        learned.observe("m", estimated, max(1, int(estimated * ratio)))
    bound = learned.upper_bound("m", MESSAGES)
    assert bound <= byte_bound(MESSAGES)
    assert bound >= min(byte_bound(MESSAGES), int(estimated * max(ratios[-8:])))
    assert bound >= min(byte_bound(MESSAGES), learned.expected("m", MESSAGES))
