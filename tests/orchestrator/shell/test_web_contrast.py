"""The colours of the page, light and dark: what is written can be read (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from igentai_orchestrator.shell.web.assets import load_assets

STYLE = load_assets()["style.css"].body.decode()
THEMES = ("light", "dark")
TEXT, SHAPE = 4.5, 3.0

Colour = tuple[float, float, float, float]


def variables(theme: str) -> dict[str, Colour]:
    """Every `--name: light-dark(a, b)` of the style, as red, green, blue and opacity from 0 to 1."""
    found = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)", STYLE)
    return {name: parsed(pair[THEMES.index(theme)]) for name, *pair in found}


def parsed(code: str) -> Colour:
    digits = code.removeprefix("#")
    values = [int(digits[at : at + 2], 16) / 255 for at in range(0, len(digits), 2)]
    return (values[0], values[1], values[2], values[3] if len(values) == 4 else 1.0)


def over(top: Colour, below: Colour) -> Colour:
    """What is seen of a colour that lets another shine through."""
    share = top[3]
    red, green, blue = (share * a + (1 - share) * b for a, b in zip(top[:3], below[:3], strict=True))
    return (red, green, blue, 1.0)


def luminance(colour: Colour) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(ink: Colour, paper: Colour) -> float:
    bright, dim = sorted((luminance(over(ink, paper)), luminance(paper)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


# ink, what it stands on (a tint on a card is written "tint/card"), and how much is needed
PAIRS = [
    *((ink, paper, TEXT) for ink in ("ink", "soft", "faint", "accent") for paper in ("bg", "card")),
    *((ink, paper, TEXT) for ink in ("ink", "soft", "faint") for paper in ("fill", "tint/card")),
    *((ink, paper, TEXT) for ink in ("good", "warn", "bad") for paper in ("card", "bg")),
    ("accent", "tint/card", TEXT), ("accent", "tint/bg", TEXT), ("soft", "fill", TEXT), ("accent-ink", "accent", TEXT),
    ("warn", "warn-bg", TEXT), ("bad", "bad-bg", TEXT), ("bg", "ink", TEXT),
    ("accent", "card", SHAPE), ("accent", "bg", SHAPE), ("accent", "fill", SHAPE), ("good", "bg", SHAPE),
    ("faint", "card", SHAPE), ("edge", "card", SHAPE), ("edge", "bg", SHAPE),
]  # fmt: skip


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("ink", "paper", "needed"), PAIRS)
def test_what_is_written_can_be_read(theme: str, ink: str, paper: str, needed: float) -> None:
    colours = variables(theme)
    top, _, below = paper.partition("/")
    ground = over(colours[top], colours[below]) if below else colours[top]
    found = ratio(colours[ink], ground)
    assert found >= needed, f"{ink} on {paper} in {theme}: {found:.2f}"


def test_the_formula_is_that_of_the_standard() -> None:
    assert ratio(parsed("#000000"), parsed("#ffffff")) == pytest.approx(21.0)
    assert ratio(parsed("#777777"), parsed("#ffffff")) == pytest.approx(4.48, abs=0.005)
    assert ratio(parsed("#ff000080"), parsed("#ffffff")) == pytest.approx(2.3, abs=0.2)
