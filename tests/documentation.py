"""What the pages in docs/ must say, read from the code. `python -m tests.documentation` writes the tables of
docs/protocol.md anew.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

from igentai import messages

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("orchestrator", "producer", "shared")
BEGIN, END = "<!-- written by `python -m tests.documentation` -->", "<!-- end of what it writes -->"
PARTS = (messages.ProviderAccess, messages.GenerationConfig, messages.AnswerMetadata, messages.ProviderHealth)
EVENT = re.compile(r"[a-z]+\.[a-z_]+")
LEVELS = ("debug", "info", "warning", "error")


def message_tables() -> str:
    """Every message, with its fields, as Markdown."""
    sections = [
        ("From the producer", get_args(messages.FromProducer)),
        ("From the orchestrator", get_args(messages.FromOrchestrator)),
        ("Parts of messages", PARTS),
    ]
    lines: list[str] = []
    for title, kinds in sections:
        lines += [f"### {title}", ""]
        for kind in kinds:
            lines += [*_message(kind), ""]
    return "\n".join(lines)


def _message(kind: type[Any]) -> Iterator[str]:
    yield f"#### {kind.__name__}"
    yield ""
    said = inspect.getdoc(kind) or ""
    if not said.startswith(f"{kind.__name__}("):  # what dataclasses put where nobody said anything
        yield " ".join(said.split())
        yield ""
    yield "| field | type | default |"
    yield "|---|---|---|"
    for field in fields(kind):
        default = "" if field.default is MISSING else f"`{field.default!r}`"
        if field.default_factory is not MISSING:
            default = f"`{field.default_factory()!r}`"
        yield f"| `{field.name}` | `{str(field.type).replace('|', chr(92) + '|')}` | {default} |"


def rewritten(page: str) -> str:
    """docs/protocol.md with the tables as they are now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{message_tables()}\n{END}{after}"


def logged_events() -> dict[str, str]:
    """Every event that the daemon and the producers may log, with the file that does."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and _logs(node.func):
                    texts = (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
                    found.update({text: path.name for text in texts if EVENT.fullmatch(text)})
    return found


def _logs(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr in LEVELS
    return isinstance(called, ast.Name) and called.id in ("Log", "Note")


if __name__ == "__main__":
    protocol = REPOSITORY / "docs" / "protocol.md"
    protocol.write_text(rewritten(protocol.read_text()))
