"""Near-duplicates: what is grouped, for which reason, and above all what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.kinship import Kinship, kin_key, reason
from igentai.text import key

KIN = [
    ("The Matrix", "Matrix", "article"),
    ("Matrix, The", "Matrix", "article"),
    ("A Bug's Life", "Bug's Life", "article"),
    ("Le Louvre", "Louvre", "article"),
    ("The Beatles", "Beatles", "article"),
    ("U.S.A.", "USA", "acronym"),
    ("U. S. A.", "USA", "acronym"),
    ("J.R.R. Tolkien", "JRR Tolkien", "acronym"),
    ("R.E.M.", "REM", "acronym"),
    ("Hypertext Markup Language (HTML)", "HTML", "acronym"),
    ("HTML (HyperText Markup Language)", "Hypertext Markup Language", "acronym"),
    ("World Health Organization (WHO)", "WHO", "acronym"),
    ("J. R. R. Tolkien", "J.R.R. Tolkien", "punctuation"),
    ("Portland, Oregon", "Portland Oregon", "punctuation"),
    ("Schindler's List", "Schindlers List", "punctuation"),
    ("Salt & Pepper", "Salt and Pepper", "punctuation"),
    ("Alien: Covenant", "Alien Covenant", "punctuation"),
    ("St. Louis", "St Louis", "punctuation"),
    ("Node.js", "Nodejs", "punctuation"),
    ('"Weird Al" Yankovic', "Weird Al Yankovic", "punctuation"),
    ("George Washington", "Washington, George", "order"),
    ("University of Oxford", "Oxford University", "order"),
    ("Museum of Modern Art", "Modern Art Museum", "order"),
    ("San Francisco Museum of Modern Art", "Museum of Modern Art, San Francisco", "order"),
    ("Programming Language", "Programming Languages", "plural"),
    ("Cat", "Cats", "plural"),
    ("City", "Cities", "plural"),
    ("Box", "Boxes", "plural"),
    ("Wolf", "Wolves", "plural"),
    ("Child", "Children", "plural"),
    ("Tomato", "Tomatoes", "plural"),
    ("Python", "Python (programming language)", "parenthesis"),
    ("Inception", "Inception (2010)", "parenthesis"),
    ("Mediterranean Sea", "Mediterranaen Sea", "transposition"),
    ("Massachusetts", "Massachusetst", "transposition"),
]
NOT_KIN = [
    ("Perl 5", "Perl 6"),
    ("Type 1 diabetes", "Type 2 diabetes"),
    ("Boeing 737", "Boeing 747"),
    ("Iran", "Iraq"),
    ("C", "C++"),
    ("C", "C#"),
    ("C++", "C#"),
    (".NET", "NET"),
    ("AC/DC", "AC DC"),
    ("Chocolate milk", "Milk chocolate"),
    ("Race horse", "Horse race"),
    ("Boat house", "House boat"),
    ("Mercury (planet)", "Mercury (element)"),
    ("Halloween (1978)", "Halloween (2018)"),
    ("Rocky", "Rocky (2)"),
    ("Trail", "Trial"),
    ("Angel", "Angle"),
    ("Complaint", "Compliant"),
    ("Discreet", "Discrete"),
    ("Python 3.10", "Python 310"),
    ("3.5", "35"),
    ("1984", "1948"),
    ("Man Bites Dog", "Dog Bites Man"),
    ("London to Paris", "Paris to London"),
    ("Slow train from Paris to London", "Slow train from London to Paris"),
    ("Windows 95 before Windows 98", "Windows 98 before Windows 95"),
    ("Red Green Blue 1 2", "Red Green Blue 2 1"),
    ("Star Trek II", "Star Trek III"),
    ("Henry IV", "Henry VI"),
    ("Bus", "Bu"),
    ("Physics", "Physic"),
    ("La Paz", "Paz"),
    ("El Salvador", "Salvador"),
    ("Austria", "Australia"),
    ("Slovakia", "Slovenia"),
    ("Niger", "Nigeria"),
    ("Dominica", "Dominican"),
    ("Guinea", "Guinea-Bissau"),
    ("Vitamin B1", "Vitamin B2"),
    ("Apollo 11", "Apollo 13"),
    ("Hepatitis A", "Hepatitis B"),
    ("Methanol", "Ethanol"),
    ("United States", "United Kingdom"),
    ('12"', "12"),
    ("War of the Worlds", "World War"),
    ("Mars", "Marx"),
    ("日本語学校大学院生会", "日本語学校学大院生会"),
]


@pytest.mark.parametrize(("one", "other", "why"), KIN)
def test_spellings_of_one_attribute_are_proposed_with_their_reason(one: str, other: str, why: str) -> None:
    for first, second in ((one, other), (other, one)):
        kinship = Kinship()
        assert kinship.add(1, key(first)) is None
        assert kinship.add(2, key(second)) == (1, why)


@pytest.mark.parametrize(("one", "other"), NOT_KIN)
def test_siblings_stay_apart(one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        kinship = Kinship()
        assert kinship.add(1, key(first)) is None
        assert kinship.add(2, key(second)) is None


def test_two_risky_reasons_at_once_are_one_too_many() -> None:
    assert reason(key("Language of Programming"), key("Programming Languages")) is None
    assert reason(key("Cats (animal)"), key("Cat")) is None
    assert reason(key("The Cats"), key("Cat")) == "plural"


def test_a_second_meaning_does_not_join_through_the_bare_name() -> None:
    kinship = Kinship()
    assert kinship.add(1, "mercury") is None
    assert kinship.add(2, "mercury (planet)") == (1, "parenthesis")
    assert kinship.add(3, "mercury (element)") is None
    assert kinship.head(3) == 3


def test_groups_have_one_head() -> None:
    kinship = Kinship()
    kinship.add(10, "the cats")
    assert kinship.add(11, "cats") == (10, "article")
    assert kinship.add(12, "cat") == (10, "plural")
    assert [kinship.head(number) for number in (10, 11, 12)] == [10, 10, 10]


def test_a_merge_undone_stands_alone_and_leaves_the_others() -> None:
    kinship = Kinship()
    kinship.add(1, "cat")
    kinship.add(2, "cats")
    kinship.add(3, "the cat")
    kinship.undo(2)
    assert [kinship.head(number) for number in (1, 2, 3)] == [1, 2, 1]
    kinship.undo(2)
    kinship.undo(1)
    assert [kinship.head(number) for number in (1, 2, 3)] == [1, 2, 1]


def test_those_that_joined_through_an_undone_member_stay_with_it() -> None:
    kinship = Kinship()
    kinship.add(1, "html")
    assert kinship.add(2, "hypertext markup language (html)") == (1, "acronym")
    assert kinship.add(3, "hypertext markup language") == (1, "parenthesis")
    kinship.undo(2)
    assert [kinship.head(number) for number in (1, 2, 3)] == [1, 2, 2]


def test_an_attribute_is_taken_in_once() -> None:
    kinship = Kinship()
    kinship.add(1, "cat")
    kinship.add(2, "cats")
    assert kinship.add(2, "cats") is None
    assert kinship.head(2) == 1


WORDS = st.sampled_from(
    [
        "the",
        "a",
        "cat",
        "cats",
        "of",
        "city",
        "cities",
        "usa",
        "u.s.a",
        "modern",
        "art",
        "museum",
        "(2010)",
        "(planet)",
        "5",
        "6",
        "&",
        "and,",
        "c++",
        "languages",
    ]
)
KEYS = st.lists(WORDS, min_size=1, max_size=5).map(lambda words: key(" ".join(words)))


@given(KEYS, KEYS)
def test_kinship_goes_both_ways_and_kin_share_a_kin_key(one: str, other: str) -> None:
    why = reason(one, other)
    assert reason(other, one) == why
    if why not in (None, "acronym"):  # an abbreviation is found by an alias of its own
        assert kin_key(one) == kin_key(other)


@given(st.lists(st.one_of(KEYS, st.text(max_size=12).map(key)), max_size=40))
def test_the_same_calls_give_the_same_groups(texts: list[str]) -> None:
    one, other = Kinship(), Kinship()
    assert [one.add(n, t) for n, t in enumerate(texts)] == [other.add(n, t) for n, t in enumerate(texts)]
    for number in range(len(texts)):
        assert one.head(number) <= number
        assert one.head(one.head(number)) == one.head(number)


def test_a_crowd_of_look_alikes_costs_no_more_than_a_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    real = Kinship._matched

    def counted(self: Kinship, known: list[int], words: object) -> object:
        nonlocal compared
        compared = max(compared, len(known))
        return real(self, known, words)  # type: ignore[arg-type]  # the double does not care what it hands on

    monkeypatch.setattr(Kinship, "_matched", counted)
    kinship = Kinship()
    for number in range(2000):
        kinship.add(number, f"mercury (sense {chr(0x4E00 + number)})")
    assert compared <= 8
