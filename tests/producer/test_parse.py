"""The parser's promises: clean and distinct items, whole items of a cut reply, labels, verdicts, linear work."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.text import clean, is_clean, key
from igentai_producer.parse import Parsed, parse, parse_labels, parse_verdicts

PIECES = [
    *[
        "\n",
        "\n\n",
        "- ",
        "* ",
        "1. ",
        "2) ",
        "**",
        "**Name**",
        ": ",
        " – ",
        "| ",
        "|---|---|\n",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'",
        ",",
    ],
    *[
        "```",
        "```json\n",
        "<think>",
        "</think>",
        "<b>",
        "</b>",
        "# ",
        "> ",
        "Paris",
        "é",
        "日本",
        "あ。",
        "\x1b[31m",
        "\u202e",
        "\ud800",
    ],
    *[
        "I'm sorry, but I can't help with that.",
        "Here are some:",
        "Let me know if",
        "\t",
        "\\n",
        "&amp;",
        "(",
        ")",
        "•",
        "①",
        "a. b",
    ],
]
NAMES = st.from_regex(r"[A-Z][a-z]{2,8}( [A-Z][a-z]{2,8}){0,2}", fullmatch=True).filter(
    lambda name: clean(name) == name and name.lower() not in {"none", "done", "null", "nothing", "empty", "etc"}
)


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.booleans(), st.booleans())
def test_whatever_comes_the_items_are_clean_and_distinct(reply: str, truncated: bool, small: bool) -> None:
    parsed = parse(reply, truncated=truncated, small_model=small)
    assert is_clean(parsed.items)
    assert [clean(item) for item in parsed.items] == list(parsed.items)
    assert len({key(item) for item in parsed.items}) == len(parsed.items)
    assert not (parsed.refusal and parsed.items)
    assert parsed.dropped >= 0


@given(
    st.lists(NAMES, min_size=4, max_size=30, unique_by=key),
    st.sampled_from(["1.", "-", "bold", "json", "plain", "table"]),
)
def test_a_list_in_any_style_comes_back_as_it_was(names: list[str], style: str) -> None:
    assert list(parse(_written(names, style)).items) == names


def _written(names: list[str], style: str) -> str:
    if style == "json":
        return json.dumps(names)
    if style == "table":
        return "| # | Name |\n|---|---|\n" + "\n".join(f"| {n} | {name} |" for n, name in enumerate(names, 1))
    lines = {
        "1.": [f"{n}. {name}" for n, name in enumerate(names, 1)],
        "-": [f"- {name}" for name in names],
        "bold": [f"- **{name}**: something that is worth knowing about it" for name in names],
        "plain": names,
    }
    return "\n".join(lines[style])


@given(st.lists(NAMES, min_size=4, max_size=20, unique_by=key), st.sampled_from(["1.", "json", "table"]), st.data())
def test_of_a_cut_reply_only_whole_items_are_kept(names: list[str], style: str, data: st.DataObject) -> None:
    reply = _written(names, style)
    cut = data.draw(st.integers(len(reply) // 2, len(reply) - 1))
    items = list(parse(reply[:cut], truncated=True).items)
    assert items == names[: len(items)]


def test_a_repetition_is_counted_once() -> None:
    assert parse("1. Paris\n" * 200) == Parsed(("Paris",), refusal=False, dropped=199)


def test_no_more_than_a_thousand_items_are_kept() -> None:
    parsed = parse("\n".join(f"- Item number {n}" for n in range(1500)))
    assert (len(parsed.items), parsed.dropped) == (1000, 500)


def test_a_line_that_is_too_long_is_no_item() -> None:
    assert parse("- Paris\n- " + "x" * 1100 + "\n- Rome").items == ("Paris", "Rome")


@pytest.mark.parametrize(
    ("reply", "labels"),
    [
        ('["Museums", "Parks", "Churches"]', ("Museums", "Parks", "Churches")),
        ('{"categories": ["Museums", "Parks"]}', ("Museums", "Parks")),
        (
            "1. **Museums**: galleries and collections of art\n2. **Parks**: gardens and green places",
            ("Museums", "Parks"),
        ),
        ("Category 1: Museums\nCategory 2: Parks\nCategory 3: Churches", ("Museums", "Parks", "Churches")),
        ("- Museums & Galleries\n- Parks, Gardens and Squares", ("Museums & Galleries", "Parks, Gardens and Squares")),
        ("I'm sorry, but I can't help with that.", ()),
        ("", ()),
    ],
)
def test_labels_of_a_split(reply: str, labels: tuple[str, ...]) -> None:
    assert parse_labels(reply) == labels


@pytest.mark.parametrize(
    ("reply", "verdicts"),
    [
        ("1. Yes\n2. No\n3. Yes", (True, False, True)),
        ("1: yes\n3: no", (True, None, False)),
        ("3. no\n1. yes\n2. yes", (True, True, False)),
        ("**1.** Yes – a real place\n**2.** No, this does not exist.\n**3.** Unsure", (True, False, None)),
        ("1. Real Madrid: No\n2. No Country for Old Men: yes\n3. True Detective – real", (False, True, True)),
        ("1. Paris - not real\n2. Rome (yes)\n3. ???", (False, True, None)),
        ("Yes\nNo\nYes", (True, False, True)),
        ("yes, no, yes", (True, False, True)),
        ("[true, false, true]", (True, False, True)),
        ('["yes", "no", null]', (True, False, None)),
        ('{"1": true, "2": "no", "3": "yes"}', (True, False, True)),
        ('{"verdicts": [true, false, false]}', (True, False, False)),
        ('```json\n[{"item": "A", "real": true}, {"item": "B", "real": false}]\n```', (True, False, None)),
        ('[{"number": 2, "verdict": "no"}, {"number": 1, "verdict": "yes"}]', (True, False, None)),
        ("1. ✅\n2. ❌\n3. ✓", (True, False, True)),
        ("1. Oui\n2. Non\n3. да", (True, False, True)),
        ("<think>1. no\n2. no</think>\n1. yes\n2. yes", (True, True, None)),
        ("I cannot say.", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_verdicts_of_a_spot_check(reply: str, verdicts: tuple[bool | None, ...]) -> None:
    assert parse_verdicts(reply, 3) == verdicts


@given(st.lists(st.sampled_from([*PIECES, "yes", "no", "true", "3: "]), max_size=40).map("".join), st.integers(0, 20))
def test_there_are_as_many_verdicts_as_were_asked_for(reply: str, n: int) -> None:
    assert len(parse_verdicts(reply, n)) == n


HOSTILE = [
    *[
        "*",
        "[",
        "{",
        '["',
        '{"a":',
        "(",
        "<",
        "<think>",
        "</think>",
        "`",
        "```\n",
        "|",
        "| a ",
        "|-",
        "- ",
        "-",
        " ",
        "\n",
        "1. ",
    ],
    *[
        "1. a ",
        "a, ",
        "a,",
        "\\",
        '"',
        "'",
        "“",
        "[x](",
        "[x](y",
        "&amp;",
        "\x1b[",
        "\x1b]",
        "** ",
        "**a** ",
        "a: ",
        "a - ",
        "# ",
    ],
    *[
        "> ",
        "i can't help ",
        "\t",
        "a\tb\n",
        "a b c.\n",
        "\u202e",
        "\u0301",
        "é",
        "、",
        "  - a\n",
        "1. a\n- b\n",
        "<li>",
        "<a>",
        "_a_",
    ],
    *[
        "a (",
        "<|x",
        "①",
        "-–—",
        "I. ",
        "(((a",
        "here are ",
        "i am sorry ",
        "sure ",
        " " * 500 + "- a\n",
        '{"name":"a"}\n',
        '["a"]\n',
    ],
]


def _calls(reply: str) -> int:
    """How many calls, of Python or C functions, parsing takes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        parse(reply, truncated=True)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("pattern", HOSTILE, ids=ascii)
def test_twice_the_reply_is_at_most_twice_the_work(pattern: str) -> None:
    once, twice = (_calls(pattern * (size // len(pattern))) for size in (8192, 16384))
    assert twice <= 2.1 * once + 500


@pytest.mark.parametrize("pattern", ["*", "[", '{"a":', "(", "<think>", "<", "|", "- ", '"', "a (", "1. "], ids=ascii)
def test_a_mebibyte_of_one_pattern_is_read_to_its_end(pattern: str) -> None:
    """What backtracks or recurses does not come back from here."""
    reply = pattern * ((1 << 20) // len(pattern)) + "\n1. Paris\n2. Rome\n"
    assert len(parse(reply).items) <= 3
    assert len(parse_verdicts(reply, 5)) == 5


@settings(max_examples=25)
@given(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE), st.sampled_from(HOSTILE))
def test_mixed_patterns_raise_nothing(one: str, two: str, three: str) -> None:
    reply = (one * 50 + two * 50 + three) * 20
    assert is_clean(parse(reply).items)
