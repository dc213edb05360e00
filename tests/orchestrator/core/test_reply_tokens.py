"""How much of the room it is given a reply is expected to use."""

from __future__ import annotations

from random import Random

from igentai_orchestrator.core.reply_tokens import TRUSTED_AFTER, ReplyTokens


def test_until_some_replies_are_in_all_of_the_room_is_counted() -> None:
    replies = ReplyTokens()
    for _ in range(TRUSTED_AFTER):
        assert replies.expected("m", "list", 900) == 900
        replies.observe("m", "list", 900, 180)
    assert replies.expected("m", "list", 900) < 900
    assert replies.expected("m", "split", 600) == 600, "each purpose is its own"
    assert replies.expected("other", "list", 900) == 900


def test_nearly_every_reply_stays_below_what_is_expected_and_that_is_not_far_above() -> None:
    rng, replies, over, used, counted = Random(3), ReplyTokens(), 0, 0, 0
    for number in range(500):
        tokens = max(1, int(900 * rng.gauss(0.3, 0.07)))
        if number >= 50:
            expected = replies.expected("m", "list", 900)
            over += tokens > expected
            used, counted = used + tokens, counted + expected
        replies.observe("m", "list", 900, tokens)
    assert over <= 0.12 * 450
    assert counted <= 1.7 * used


def test_a_model_whose_thoughts_come_on_top_is_counted_with_them() -> None:
    replies = ReplyTokens()
    for _ in range(50):
        replies.observe("m", "list", 900, 2_000)
    assert 1_900 <= replies.expected("m", "list", 900) <= 2_200
