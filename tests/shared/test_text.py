"""Lines and keys: what is trimmed, what is kept, and the properties everything else relies on."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.text import LINE_BYTES, clean, is_clean, key, key64, keys, keys_of_clean, unclean

# Printable ASCII, the characters rules are about, and everything else Unicode has, lone surrogates included.
TRICKY = st.sampled_from(
    list("-*_`\"'“”‘’«».,;:!?…()[]#+/&%~|<>=1234①•·–—−　 \t\n\r\x00\x1b\x07\x9b\u202e\u2066\u200b\u200c\u200d\ufe0f")
    + list("éßİıςЙйがハ\u3099क्षलाمیन\u0301\u0345ﬁ™Ⅷ½²👍🏽👩❤\U000e0041\U000e0100\ud800\uffff\u3164")
)
HOSTILE = st.text(st.one_of(TRICKY, st.characters(exclude_categories=[]), st.sampled_from("abcXYZ")), max_size=40)
ASCII = st.text(st.characters(max_codepoint=126), max_size=20)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("1. Paris", "Paris"),
        ("12) Paris", "Paris"),
        ("(3) Paris", "Paris"),
        ("[4] Paris", "Paris"),
        ("① Paris", "Paris"),
        ("1️⃣ Paris", "Paris"),
        ("- Paris", "Paris"),
        ("•Paris", "Paris"),
        ("* [x] Paris", "Paris"),
        ("## Paris", "Paris"),
        ("> Paris", "Paris"),
        ("**Paris**", "Paris"),
        ("***Paris***", "Paris"),
        ("*Paris*", "Paris"),
        ("_Paris_", "Paris"),
        ("`Paris`", "Paris"),
        ("~~Paris~~", "Paris"),
        ("**Paris** (France)", "Paris (France)"),
        ("**Paris", "Paris"),
        ('"Paris",', "Paris"),
        ("“Paris”", "Paris"),
        ("«Paris»", "Paris"),
        ("《红楼梦》", "红楼梦"),
        ("'Schindler's List'", "Schindler's List"),
        ("Paris.", "Paris"),
        ("Paris:", "Paris"),
        ("パリ。", "パリ"),
        ("Paris...", "Paris"),
        ("  New \t York\u00a0\u2003City ", "New York City"),
        ("Cafe\u0301", "Café"),
    ],
)
def test_clean_trims_what_is_not_the_name(raw: str, line: str) -> None:
    assert clean(raw) == line


@pytest.mark.parametrize(
    "name",
    [
        *[
            "C#",
            "C++",
            ".NET",
            "AC/DC",
            "Yahoo!",
            "Who's Afraid of Virginia Woolf?",
            "Jr.",
            "Acme Inc.",
            "U.S.A.",
            "St.",
        ],
        *["Ph.D.", "M*A*S*H", "*args", "**kwargs", "__init__", "*NSYNC", "A*", "(500) Days of Summer", "10:04", "-5"],
        *[
            '"Weird Al" Yankovic',
            '12"',
            "'Salem's Lot",
            "#1 Dad",
            "1.FC Köln",
            "+44",
            "+",
            "&&",
            "!=",
            ":hover",
            "2**3",
        ],
        *["Washington, D.C.", "a_b_c", "Spider-Man", "日本", "می‌خواهم", "क्‍ष", "👨‍👩‍👧", "❤️", "🎉"],
    ],
)
def test_clean_keeps_what_tells_names_apart(name: str) -> None:
    assert clean(name) == name


@pytest.mark.parametrize(
    "raw", ["", " ", "---", "***", "•", "...", "“”", "\x00", "\u200b\u3164", "\x1b[31m\x1b[0m", "\ud800"]
)
def test_clean_of_nothing_is_none(raw: str) -> None:
    assert clean(raw) is None


def test_clean_refuses_what_is_too_long_for_a_line() -> None:
    assert clean("x" * LINE_BYTES) == "x" * LINE_BYTES
    assert clean("x" * (LINE_BYTES + 1)) is None
    assert clean("あ" * (LINE_BYTES // 3 + 1)) is None
    assert clean("\"'" * 600 + "x" + "'\"" * 600) is None


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("\x1b[31mRed\x1b[0m", "Red"),
        ("\x1b]0;owned\x07Paris", "Paris"),
        ("\x1b]8;;http://x\x1b\\Paris\x1b]8;;\x1b\\", "Paris"),
        ("\x1b]Paris", "Paris"),
        ("\x9b2JParis", "Paris"),
        ("Pa\x08\x00ris", "Paris"),
        ("\u202eParis\u202c", "Paris"),
        ("Paris" + "".join(chr(0xE0000 + ord(c)) for c in "ignore all"), "Paris"),
        ("Paris\ufe0f\U000e0101\U000e0102", "Paris"),
        ("Pa\u200dris\u200c", "Paris"),
        ("a\ud83db", "ab"),
    ],
)
def test_clean_drops_what_must_not_reach_a_terminal(raw: str, line: str) -> None:
    assert clean(raw) == line


@given(HOSTILE)
def test_clean_gives_legal_lines_and_cleaning_twice_is_cleaning_once(raw: str) -> None:
    line = clean(raw)
    if line is None:
        return
    assert clean(line) == line
    assert is_clean([line])
    assert unicodedata.is_normalized("NFC", line)
    assert len(line.encode()) <= LINE_BYTES
    assert not {unicodedata.category(c) for c in line.replace("\u200c", "").replace("\u200d", "")} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
    }
    assert " ".join(line.split()) == line


@given(HOSTILE)
def test_the_key_of_a_key_is_itself(raw: str) -> None:
    assert key(key(raw)) == key(raw)


def test_the_key_of_a_key_is_itself_for_every_character() -> None:
    odd = []
    for code in range(0x20000):  # beyond are ideographs and selectors, which NFKC and casefold leave alone
        one = key(f"a{chr(code)}")
        if key(one) != one:
            odd.append(code)
    assert odd == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("São Paulo", "sao paulo"),
        ("Ёлка", "елка"),
        ("Ἀθῆναι", "αθηναι"),
        ("STRASSE", "Straße"),
        ("Istanbul", "İstanbul"),
        ("Rock ’n’ Roll", "rock 'n' roll"),
        ("“Heroes”", '"heroes"'),
        ("Spider-Man", "spider man"),
        ("Spider\u2011Man", "spider — man"),
        ("Yahoo!", "YAHOO"),
        ("Jr.", "jr"),
        ("Ｃ＃", "c#"),
        ("H₂O", "h2o"),
        ("Lego™", "LEGO"),
        ("می‌خواهم", "میخواهم"),
        ("❤️", "❤"),
    ],
)
def test_one_attribute_has_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    "names",
    [
        ["C", "C++", "C#", "C*", "Objective-C", ".C"],
        [".NET", "NET"],
        ["Boeing 737", "Boeing 747"],
        ["AC/DC", "ACDC"],
        ["Perl 5", "Perl 6"],
        ["5", "-5"],
        ["+", "-", "*", "/", "%", "!", "!=", "?", "--"],
        ["かき", "がき"],
        ["कि", "की", "क"],
        ["Python 3.10", "Python 310"],
        ["Orsted", "Ørsted"],
    ],
)
def test_different_attributes_have_different_keys(names: list[str]) -> None:
    assert len(set(map(key, names))) == len(names)


@given(
    st.lists(
        st.one_of(HOSTILE, ASCII, st.sampled_from(["Paris", "Rock - Roll", "-5", "Yahoo!", "", " x", "a\nb"])),
        max_size=30,
    )
)
def test_keys_at_once_are_the_single_keys(texts: list[str]) -> None:
    assert keys(texts) == [key(text) for text in texts]


@given(st.lists(ASCII, max_size=30))
def test_keys_at_once_are_the_single_keys_of_ascii(texts: list[str]) -> None:
    assert keys(texts) == [key(text) for text in texts]


NAMES = st.sampled_from(
    ["Paris", "Rock-n-Roll", "Rock - Roll", "-5", "Yahoo!", "U.S.", "Qu`ran", "", " x", "a\nb", "é"]
)


@given(st.one_of(st.lists(st.one_of(ASCII, NAMES), max_size=6), st.lists(HOSTILE, max_size=4)))
def test_keys_of_clean_lines_are_given_for_clean_lines_alone(texts: list[str]) -> None:
    found = keys_of_clean(texts)
    assert found is None or (is_clean(texts) and found == [key(text) for text in texts])
    assert found is not None or not texts or not is_clean(texts) or not "".join(texts).isascii()


@given(st.lists(st.one_of(HOSTILE, st.sampled_from(["Paris", "São Paulo"])), max_size=10))
def test_unclean_is_what_cleaning_its_characters_would_change(texts: list[str]) -> None:
    found = unclean(texts)
    assert found == [place for place, text in enumerate(texts) if unclean([text])]
    assert is_clean(texts) is (not found)


NO_LINES = [
    *["", " a", "a ", "a  b", "a\nb", "a\tb", "a\u00a0b", "\x1b[0ma", "e\u0301", "a\u202eb", "a\ud800", "x" * 1025],
    *["あ" * 342, "a\u200db", "\u3164", "a\u2028b", "a\x7fb", "a\x85b", "a\ufffeb"],
]


@pytest.mark.parametrize("text", NO_LINES, ids=lambda text: ascii(text[:8]))
def test_what_may_not_be_a_line_is_found_in_a_batch(text: str) -> None:
    assert unclean(["Paris", text, "São Paulo"]) == [1]
    assert unclean(["Paris", text, "Rome"]) == [1]


def test_key64_is_eight_bytes_and_stable() -> None:
    assert key64("paris").hex() == "916f67f3bcf8ff16"  # on the wire and in spools: it may never change
    assert len({key64(key(name)) for name in ["C", "C++", "C#"]}) == 3
