"""What is read strictly: verdicts, templates, rates, retry lists, rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.batch.options import Options, Rate, rate_of, retry_list
from igentai.batch.request import Query, Unasked
from igentai.batch.rows import format_of_line, read_rows
from igentai.batch.template import filled
from igentai.batch.verdict import verdict
from igentai.errors import UsageError


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Yes", True),
        ("yes.", True),
        ("**YES** — because", True),
        ("Answer: yes", True),
        ("Yes, it does contain one", True),
        ('{"answer": "no"}', False),
        ('```json\n{"verdict": true}\n```', True),
        ("true", True),
        ("No", False),
        ("no, there is nothing", False),
        ("Let me think.\nIt has two sides.\n\nFinal answer: no", False),
        ("Yes and no", None),
        ("yes or no", None),
        ("Yesterday it was", None),
        ("Not that I know", None),
        ("Nothing found, so I would say yes", None),
        ("The phrase 'yes' was detected", None),
        ("No-one knows", None),
        ("Well.\nYes", None),
        ("", None),
        ('{"a": true, "b": false}', None),
    ],
)
def test_a_verdict_stands_by_itself(said: str, meant: bool | None) -> None:
    assert verdict(said) is meant


def test_other_words_and_the_longer_of_two() -> None:
    words = (("found",), ("safe", "not found"))
    assert verdict("FOUND\n- line 3", *words) is True
    assert verdict("Not found.", *words) is False
    assert verdict("I found nothing", *words) is None


@given(st.text(max_size=200))
def test_any_text_has_a_verdict_or_none(text: str) -> None:
    assert verdict(text) in (True, False, None)


def test_templates_reach_fields_and_nothing_else() -> None:
    row = {"text": "it {x} rains", "n": 3, "none": None, "list": [1]}
    assert filled("{text}|{n}|{none}|{list}", row) == "it {x} rains|3||[1]"
    assert filled("{{n}}", row) == "{n}"
    with pytest.raises(UsageError, match=r"text\.__class__"):
        filled("{text.__class__}", row)
    with pytest.raises(UsageError, match="there are text, n"):
        filled("{nothing}", row)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, Rate()),
        (20, Rate(per_minute=20)),
        ("20/s", Rate(per_second=20)),
        ("600/min", Rate(per_minute=600)),
        ("0.5/s", Rate(per_minute=30)),
        ("6000/h", Rate(per_minute=100)),
    ],
)
def test_rates(said: float | str | None, meant: Rate) -> None:
    assert rate_of(said) == meant


@pytest.mark.parametrize("said", ["0", "-1", "fast", "20/fortnight", float("nan")])
def test_rates_that_are_none(said: float | str) -> None:
    with pytest.raises(UsageError, match="rate limit"):
        rate_of(said)


def test_retry_lists() -> None:
    assert retry_list(["429", 503, "timeout"]) == frozenset({429, 503, "timeout"})
    entries = retry_list(["5xx"])
    assert entries is not None
    assert {500, 529, 599} <= entries
    with pytest.raises(UsageError, match="sometimes"):
        retry_list(["sometimes"])


@pytest.mark.parametrize("bad", [{"max_concurrency": 0}, {"timeout": 0}, {"max_retries": -1}, {"budget_usd": -0.1}])
def test_options_that_cannot_be(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(bad))):
        Options(**bad)  # type: ignore[arg-type]


def asked(lines: list[str], fmt: str, template: str | None = None) -> list[Query | Unasked]:
    return [row.asks for row in read_rows(lines, fmt, template)]  # type: ignore[arg-type]


def test_rows_of_each_format() -> None:
    assert asked(['{"prompt": "a", "id": 7}\n', "\n", '"b"\n'], "jsonl") == [Query("a", id=7), Query("b")]
    assert asked(["id,prompt\n", 'x,"two\n', 'lines"\n'], "csv") == [Query("two\nlines", id="x")]
    assert asked(["  a \n", "\n", "b"], "text", "Say {text}") == [Query("Say a"), Query("Say b")]
    assert (format_of_line('{"prompt": "a"}'), format_of_line("a")) == ("jsonl", "text")


def test_a_bad_row_keeps_its_place_and_a_bad_first_row_ends_it() -> None:
    rows = asked(['{"prompt": "a"}', "{broken", '{"id": 3}', '{"prompt": ""}', '{"prompt": "e"}'], "jsonl")
    assert [isinstance(row, Unasked) for row in rows] == [False, True, True, True, False]
    assert isinstance(rows[1], Unasked)
    assert "line 2 is no JSON" in rows[1].reason
    with pytest.raises(UsageError, match="no field `prompt` \\(it has: name\\)"):
        asked(['{"name": "x"}'], "jsonl")
    with pytest.raises(UsageError, match="text"):
        asked(['{"name": "x"}'], "jsonl", "Summarise: {text}")
