"""The examples in the docstrings and in the cookbook, run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import igentai.batch

MODULES = sorted(m.name for m in pkgutil.iter_modules(igentai.batch.__path__))
COOKBOOK = Path(__file__).parents[3] / "docs" / "cookbook.md"


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(f"igentai.batch.{name}"))
    assert failed == 0


def test_the_cookbook_can_be_followed() -> None:
    failed, tried = doctest.testfile(str(COOKBOOK), module_relative=False)
    assert tried > 20
    assert failed == 0
