"""The pages in docs/ name what is there: messages and fields, log events, tables, commands, settings."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
import typer.main

from igentai.messages import PROTOCOL_VERSION
from igentai_orchestrator.cli import app
from igentai_orchestrator.shell.archive import schema
from tests.documentation import REPOSITORY, logged_events, rewritten

DOCS = REPOSITORY / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text()


def test_the_protocol_page_holds_every_message_as_it_is() -> None:
    assert page("protocol.md") == rewritten(page("protocol.md")), "run: python -m tests.documentation"
    assert f"`PROTOCOL_VERSION`, now {PROTOCOL_VERSION}" in page("protocol.md")


def test_the_operations_page_explains_every_event_and_no_other() -> None:
    explained = set(
        re.findall(r"`([a-z]+\.[a-z_]+)`", page("operations.md").partition("## The log")[2].partition("\n## ")[0])
    )
    logged = set(logged_events()) | {"producer.said", "embedded.said"}
    assert logged - explained == set(), "not explained"
    assert explained - logged == set(), "no longer there"


def test_the_files_page_names_every_table_and_its_queries_run() -> None:
    ledger = sqlite3.connect(":memory:")
    schema.create(ledger)
    for name, kind in ledger.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"):
        assert f"`{name}`" in page("files.md"), f"{kind} {name}"
    queries = re.findall(r"```sql\n(.*?)```", page("files.md"), re.DOTALL)
    assert len(queries) >= 5
    for query in queries:
        ledger.execute(query).fetchall()
    ledger.close()


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_command_and_flag_that_a_page_shows_is_there(name: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # the app is a group
    for line in re.findall(r"(?:^    |^       |`)(?:sudo )?(?:\S*/)?(igentai [a-z]+[^`\n]*)", page(name), re.MULTILINE):
        words = line.split("#")[0].split()
        assert words[1] in commands, line
        command = commands[words[1]]
        flags = {flag for parameter in command.params for flag in parameter.opts + parameter.secondary_opts}
        for sub in getattr(command, "commands", {}).values():
            flags |= {flag for parameter in sub.params for flag in parameter.opts}
        said = {word.partition("=")[0].strip("[]") for word in words[2:] if word.startswith(("-", "[-"))}
        assert said <= flags | {"--help", "-h"}, line


@pytest.mark.parametrize("path", sorted([*DOCS.rglob("*.md"), REPOSITORY / "outputs" / "README.md"]), ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target
