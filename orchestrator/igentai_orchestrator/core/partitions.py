"""The partition tree: the topic, cut into slices that a prompt can name.

Nodes are known by id: "" is the whole topic, others are the path of their labels ("museums/art"). Categories come from
a person's file or from models (`open`); ranges of initials (`open_alphabet`) and clusters (`open` with kind "cluster")
are what is left where models give no usable categories. A node that is split stays askable: items no child covers are
found there alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from igentai.text import clean, key
from igentai_orchestrator.core.alphabets import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from igentai_orchestrator.core.topic import PartitionMode

Kind: TypeAlias = Literal["topic", "category", "alphabet", "cluster"]
State: TypeAlias = Literal["open", "split", "retired"]

ROOT: Final = ""
ROOT_CHILDREN_MAX: Final = 150
CHILDREN_MAX: Final = 8
CHILDREN_MIN: Final = 3
DEPTH_MAX: Final = 4
LABEL_CHARS_MAX: Final = 60
# A bucket for the rest names nothing a model could list; what no child covers is asked for at the parent.
_BUCKETS: Final = frozenset(
    (
        "other",
        "others",
        "misc",
        "miscellaneous",
        "general",
        "various",
        "etc",
        "none",
        "unknown",
        "category",
        "categories",
    )
)


@dataclass(slots=True)
class Partition:
    """One node. `splittable` turns False once asking for its sub-categories has failed or cannot help."""

    id: str
    label: str
    parent: str
    depth: int
    kind: Kind
    phrase: str | None
    state: State = "open"
    splittable: bool = True
    children: list[str] = field(default_factory=list)


class PartitionTree:
    """Grows by `open`, shrinks by `retire` and `merge`; ids are stable for ever.

    Args:
        mode: `none` is the whole topic alone; `alphabetical` has its ranges from the start; `categories` opens
            `categories` at the start and lets models cut them further; `auto` leaves all of it to models.
        topic: only its script matters, for ranges of initials, and that no label repeats it.
    """

    def __init__(self, mode: PartitionMode, *, categories: Sequence[str] = (), topic: str = "") -> None:
        self.mode = mode
        self._topic = topic
        self._nodes: dict[str, Partition] = {ROOT: Partition(ROOT, topic, ROOT, 0, "topic", None)}
        if mode == "none":
            self._nodes[ROOT].splittable = False
        elif mode == "alphabetical":
            self.open_alphabet(ROOT)
        elif categories:
            self._add(self._nodes[ROOT], list(self._usable(ROOT, categories)), "category")
            self._nodes[ROOT].splittable = False

    def __contains__(self, node: str) -> bool:
        return node in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, node: str) -> Partition:
        return self._nodes[node]

    def nodes(self) -> tuple[str, ...]:
        """Every id, parents before children, in the order of opening."""
        return tuple(self._nodes)

    def children(self, node: str) -> tuple[str, ...]:
        """Ids of the slices of `node` that are in use."""
        return tuple(c for c in self._nodes[node].children if self._nodes[c].state != "retired")

    def askable(self, node: str) -> bool:
        return node in self._nodes and self._nodes[node].state != "retired"

    def splittable(self, node: str) -> bool:
        """Whether a model may be asked for sub-categories of `node`."""
        found = self._nodes[node]
        return found.splittable and found.state == "open" and found.depth < DEPTH_MAX

    def phrase(self, node: str) -> str | None:
        """What a prompt says of `node`: "museums", "names that begin with A, B or C"; None for the whole topic."""
        return self._nodes[node].phrase

    def open(
        self, parent: str, labels: Sequence[str], kind: Kind = "category", *, at_least: int = CHILDREN_MIN
    ) -> tuple[str, ...]:
        """Take in a split reply. Labels that are empty, too long, or equal to an ancestor or sibling are left out.

        Returns the ids of the new children: none if fewer than `at_least` children would result, and then the parent
        is not offered for splitting again. A second reply for the same parent adds what the first did not have.
        """
        if parent not in self._nodes:
            return ()
        node = self._nodes[parent]
        room = (ROOT_CHILDREN_MAX if node.depth == 0 else CHILDREN_MAX) - len(node.children)
        usable = list(self._usable(parent, labels))[: max(room, 0)]
        if len(node.children) + len(usable) < at_least or node.depth >= DEPTH_MAX:
            node.splittable = False
            return ()
        return self._add(node, usable, kind)

    def open_alphabet(self, parent: str) -> tuple[str, ...]:
        """Open ranges of initials below `parent`, in the script of the topic. They are not split further."""
        node = self._nodes[parent]
        if node.children:
            return ()
        opened = self._add(node, [r.label for r in ranges(self._topic)], "alphabet")
        for child, r in zip(opened, ranges(self._topic), strict=True):
            self._nodes[child].phrase = r.phrase if node.phrase is None else f"{node.phrase}: only {r.phrase}"
        return opened

    def seal(self, node: str) -> None:
        """Do not offer `node` for splitting again."""
        self._nodes[node].splittable = False

    def retire(self, node: str) -> None:
        """Stop asking about `node` and everything below it. The whole topic cannot be retired."""
        if node == ROOT:
            return
        found = self._nodes[node]
        found.state = "retired"
        for child in found.children:
            self.retire(child)

    def merge(self, node: str) -> None:
        """Undo a split: its children are retired, `node` with its exclusion list covers them again."""
        found = self._nodes[node]
        for child in found.children:
            self.retire(child)
        found.state = "retired" if found.state == "retired" else "open"
        found.splittable = False

    def snapshot(self) -> list[dict[str, Any]]:
        return [
            {"id": n.id, "label": n.label, "parent": n.parent, "depth": n.depth, "kind": n.kind, "state": n.state}
            for n in self._nodes.values()
        ]

    def _add(self, node: Partition, labels: Sequence[str], kind: Kind) -> tuple[str, ...]:
        opened = []
        for label in labels:
            child = label if node.id == ROOT else f"{node.id}/{label}"
            named = f"names with or like {label}" if kind == "cluster" else label
            phrase = named if node.phrase is None else f"{named} (within {node.phrase})"
            splittable = kind == "category" and self.mode != "none"
            self._nodes[child] = Partition(child, label, node.id, node.depth + 1, kind, phrase, "open", splittable)
            node.children.append(child)
            opened.append(child)
        if node.children:
            node.state = "split"
        return tuple(opened)

    def _usable(self, parent: str, labels: Iterable[str]) -> Iterable[str]:
        """Clean labels that add something, first spelling first."""
        taken = {_stem(self._nodes[c].label) for c in self._nodes[parent].children} | {_stem(self._topic)}
        above = parent
        while above != ROOT:
            taken.add(_stem(self._nodes[above].label))
            above = self._nodes[above].parent
        for raw in labels:
            label = (clean(raw.replace("/", "-")) or "").replace("/", "-")
            stem = _stem(label)
            if stem and stem not in taken and stem not in _BUCKETS and len(label) <= LABEL_CHARS_MAX:
                taken.add(stem)
                yield label


def _stem(label: str) -> str:
    """A label's key without the plural, so that "museum" and "Museums" are one."""
    plain = key(label)
    if not any(c.isalnum() for c in plain):
        return ""
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain
