"""What becomes of partitions that bring nothing, and what is told of it."""

from __future__ import annotations

from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.pruning import BARREN, BARREN_ALONE, Pruning

PARKS = ("old parks", "new parks", "lost parks")


def grown() -> PartitionTree:
    tree = PartitionTree("auto", topic="Paris")
    tree.open("", ["museums", "parks", "bridges"])
    tree.open("parks", PARKS)
    return tree


def told(pruning: Pruning) -> list[tuple[str, str]]:
    return [(change.kind, change.partition) for change in pruning.changes()]


def exhaust(pruning: Pruning, partition: str, times: int = BARREN, models: tuple[str, ...] = ("a", "b")) -> None:
    for turn in range(times):
        pruning.learn(partition, models[turn % len(models)], 0)


def test_a_split_says_who_named_what() -> None:
    tree = PartitionTree("auto", topic="Paris")
    pruning = Pruning(tree, 2)
    pruning.opened("", tree.open("", [f"kind {c}" for c in "abcdefg"]), "openai:x")
    pruning.opened("", (), "openai:x")
    (change,) = pruning.changes()
    assert change.kind == "split"
    for word in ("the topic", "7 slices", "kind a", "and 2 more", "openai:x"):
        assert word in change.reason
    assert pruning.changes() == [], "each is told once"


def test_a_slice_is_retired_after_barren_answers_of_two_models() -> None:
    tree = grown()
    pruning = Pruning(tree, 2)
    exhaust(pruning, "museums", BARREN - 1)
    pruning.learn("museums", "a", 1)
    exhaust(pruning, "museums", BARREN - 1)
    assert tree.askable("museums"), "something fresh came in between"
    pruning.learn("museums", "a", 0)
    assert not tree.askable("museums")
    assert told(pruning) == [("retire", "museums")]


def test_one_model_alone_takes_longer_to_be_believed() -> None:
    tree = grown()
    pruning = Pruning(tree, 2)
    exhaust(pruning, "museums", BARREN_ALONE - 1, models=("a",))
    assert tree.askable("museums")
    pruning.learn("museums", "a", 0)
    assert not tree.askable("museums")
    lonely = grown()
    exhaust(Pruning(lonely, 1), "museums", BARREN, models=("a",))
    assert not lonely.askable("museums"), "where there is no other, it is believed at once"


def test_a_category_without_living_slices_is_asked_as_a_whole_again() -> None:
    tree = grown()
    pruning = Pruning(tree, 2)
    exhaust(pruning, "parks", 2 * BARREN)
    assert tree.askable("parks"), "its slices may still bring something"
    for label in PARKS[:-1]:
        exhaust(pruning, f"parks/{label}")
    assert tree.children("parks") == (f"parks/{PARKS[-1]}",)
    exhaust(pruning, f"parks/{PARKS[-1]}")
    assert told(pruning)[-2:] == [("retire", f"parks/{PARKS[-1]}"), ("rejoin", "parks")]
    assert tree.askable("parks")
    assert not tree.children("parks")
    assert not tree.splittable("parks")


def test_the_whole_topic_and_unknown_partitions_are_left_alone() -> None:
    tree = grown()
    pruning = Pruning(tree, 1)
    exhaust(pruning, "", 50)
    exhaust(pruning, "nowhere", 50)
    assert tree.askable("")
    assert told(pruning) == []
