"""The shapes in which models send a list, whatever they were asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STYLES: dict[str, Callable[[Sequence[str]], str]] = {
    "plain": lambda names: "\n".join(names),
    "numbered": lambda names: "\n".join(f"{n}. {name}" for n, name in enumerate(names, 1)),
    "bulleted": lambda names: "\n".join(f"- {name}" for name in names),
    "bold": lambda names: "\n".join(f"{n}. **{name}**: well worth knowing." for n, name in enumerate(names, 1)),
    "dash": lambda names: "\n".join(f"* {name} – one of its kind" for name in names),
    "json": lambda names: json.dumps(list(names), ensure_ascii=False),
    "fenced": lambda names: f"```json\n{json.dumps(list(names), ensure_ascii=False, indent=2)}\n```",
    # Three with commas between them may be one name, as of a law firm: models that mean three say so first.
    "comma": lambda names: ("Here they are:\n" if len(names) < 4 else "") + ", ".join(names),
    "table": lambda names: "| Name | Note |\n|---|---|\n" + "\n".join(f"| {name} | of note |" for name in names),
    "chatter": lambda names: (
        f"Sure! Here are {len(names)} of them:\n\n"
        + "\n".join(f"{n}. {name}" for n, name in enumerate(names, 1))
        + "\n\nLet me know if you would like more!"
    ),
}
