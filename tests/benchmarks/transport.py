"""What the filter of what is known saves on the way from producers: `python -m tests.benchmarks.transport`.

Bytes a request of everything that a producer says (answers and what it asks for next; heartbeats left out), on a topic
of which nearly all is known, and on one of which little is. Without sockets: real sessions, a real desk, real frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from igentai.messages import TextWanted
from igentai_orchestrator.core.topic import Limits, ModelChoice
from tests.end_to_end.conversation import Conversation
from tests.end_to_end.test_shorthand import names, output
from tests.orchestrator.core.floor import Floor, spec

ANSWERS = 300
ONE = (ModelChoice("openai", "cheap"),)


def talk(bloom: str, reply: Callable[[int], Sequence[str]], answers: int) -> Conversation:
    floor = Floor(bloom=bloom)
    floor.open(spec(models=ONE, producers=1, request_size=60, limits=Limits(saturation=False)))
    conversation = Conversation(floor, reply)
    conversation.answer(answers)
    return conversation


def measured(length: int, each: int, known_share: float) -> tuple[float, float, int]:
    """Bytes an answer without and with the filter, once the known part was named, and answers asked for again."""
    known = names(60 * each // 2, length)
    first = len(known) // each

    def reply(assignment: int) -> list[str]:
        if assignment <= first:
            return known[each * (assignment - 1) : each * assignment]
        rng = Random(assignment)
        repeats = round(each * known_share)
        return [*rng.sample(known, repeats), *(f"{rng.choice(known)} {assignment}.{n}" for n in range(each - repeats))]

    sent: list[float] = []
    texts = []
    asked_again = 0
    for bloom in ("off", "on"):
        before, after = talk(bloom, reply, first + 5), talk(bloom, reply, first + 5 + ANSWERS)
        sent.append((sum(after.up.values()) - sum(before.up.values())) / ANSWERS)
        texts.append(output(after))
        asked_again = len(after.floor.sent(TextWanted))
    assert texts[0] == texts[1], "output.txt must not differ"
    return sent[0], sent[1], asked_again


def main() -> None:
    print("| characters a name | names an answer | known | bytes without | with | saved | asked again |")
    print("|---|---|---|---|---|---|---|")
    for known_share in (0.98, 0.5, 0.1):
        for length in (12, 18, 25):
            for each in (40, 60):
                off, on, again = measured(length, each, known_share)
                saved = f"{1 - on / off:.0%}"
                print(f"| {length} | {each} | {known_share:.0%} | {off:.0f} | {on:.0f} | {saved} | {again} |")


if __name__ == "__main__":
    main()
