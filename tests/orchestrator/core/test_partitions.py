"""The partition tree: what becomes a node and what a prompt says of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from igentai.text import key
from igentai_orchestrator.core.partitions import ROOT, PartitionTree


def test_a_split_opens_distinct_children() -> None:
    tree = PartitionTree("auto", topic="Paris attractions")
    opened = tree.open("", ["Museums", "museum", "Paris attractions", "Parks", "Other", " ", "Bridges"])
    assert opened == ("Museums", "Parks", "Bridges")
    assert tree.children("") == opened
    assert tree.phrase("Museums") == "Museums"
    assert tree.phrase("") is None


def test_children_carry_their_path_and_differ_from_their_ancestors() -> None:
    tree = PartitionTree("auto", topic="Paris")
    tree.open("", ["Museums", "Parks", "Bridges"])
    opened = tree.open("Museums", ["museums", "Art", "History", "AC/DC"])
    assert opened == ("Museums/Art", "Museums/History", "Museums/AC-DC")
    assert tree.phrase("Museums/Art") == "Art (within Museums)"


def test_fewer_than_three_labels_open_nothing_and_are_not_asked_again() -> None:
    tree = PartitionTree("auto", topic="Paris")
    assert tree.open("", ["Sure, here you go", "!!!"]) == ()
    assert not tree.splittable("")
    assert tree.askable("")


def test_a_second_reply_adds_what_the_first_did_not_have() -> None:
    tree = PartitionTree("auto", topic="Paris")
    tree.open("", ["Museums", "Parks", "Bridges"])
    assert tree.open("", ["Parks", "Churches"]) == ("Churches",)


def test_there_is_a_bound_on_children() -> None:
    tree = PartitionTree("auto", topic="Paris")
    labels = [f"kind {chr(65 + i)}{chr(65 + j)}x" for i in range(26) for j in range(7)]
    assert len(tree.open("", labels[:100])) == 100
    assert len(tree.open("", labels)) == 50, "150 in all"
    assert len(tree.open("kind AAx", [f"sub {chr(65 + i)}x" for i in range(20)])) == 8


def test_modes() -> None:
    assert PartitionTree("none").nodes() == (ROOT,)
    assert not PartitionTree("none").splittable(ROOT)
    letters = PartitionTree("alphabetical", topic="Paris")
    assert "a–b" in letters.children("")
    assert letters.phrase("a–b") == "names that begin with A or B"
    assert not letters.splittable("a–b")
    given_ = PartitionTree("categories", categories=["x1", "x2"], topic="Paris")
    assert given_.children("") == ("x1", "x2")
    assert given_.splittable("x1")
    assert not given_.splittable("")


def test_retired_partitions_are_asked_no_more_and_a_merge_leaves_the_parent() -> None:
    tree = PartitionTree("auto", topic="Paris")
    tree.open("", ["Museums", "Parks", "Bridges"])
    tree.open("Museums", ["Art", "History", "Science"])
    tree.merge("Museums")
    assert tree.askable("Museums")
    assert not tree.askable("Museums/Art")
    assert tree.children("Museums") == ()
    tree.retire("Parks")
    tree.retire("")
    assert not tree.askable("Parks")
    assert tree.askable("")
    assert {n["id"]: n["state"] for n in tree.snapshot()}["Parks"] == "retired"


def test_clusters_are_children_like_others() -> None:
    tree = PartitionTree("auto", topic="Paris")
    tree.open("", ["Museums", "Parks", "Bridges"])
    opened = tree.open("Parks", ["garden, square", "forest", "zoo"], "cluster")
    assert {tree[c].kind for c in opened} == {"cluster"}
    assert not tree.splittable(opened[0])
    assert tree.phrase(opened[0]) == "names with or like garden, square (within Parks)"


@given(st.lists(st.lists(st.text(max_size=20), max_size=30), max_size=4))
def test_any_labels_give_a_sound_tree(replies: list[list[str]]) -> None:
    tree = PartitionTree("auto", topic="topic")
    for labels in replies:
        for node in tree.nodes()[:5]:
            tree.open(node, labels)
    for node in tree.nodes():
        assert tree.askable(node)
        assert tree[node].depth <= 4
        siblings = [key(tree[c].label) for c in tree.children(node)]
        assert len(siblings) == len(set(siblings))
        for child in tree.children(node):
            assert tree[child].parent == node
            assert "/" not in tree[child].label
            assert tree.phrase(child)
            assert child.split("/")[:-1] == (node.split("/") if node else [])
