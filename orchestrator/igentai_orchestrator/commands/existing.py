"""A topic that is there already: its folder, and whether to go on with it or to start again."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer

from igentai.errors import UsageError
from igentai_orchestrator.commission import Commission
from igentai_orchestrator.settings import Settings


def folder_of(topic: str, settings: Settings) -> str:
    """The folder of a topic that a person names by its words or by its folder.

    Raises:
        UsageError: there is none.
    """
    from igentai_orchestrator.shell.archive import Archive

    archive = Archive(settings.outputs)
    if any(topic == s.folder for s in archive.topics()):
        return topic
    folder = archive.existing(topic) if topic.strip() else None
    if folder is None:
        raise UsageError(f"there is no topic {topic!r} in {settings.outputs}; `igentai topics` lists them")
    return folder


def ask_what_to_do(asked: Commission, settings: Settings) -> Commission:
    """A topic that exists: ask on a terminal, unless a flag said it."""
    from igentai_orchestrator.shell.archive import Archive

    if asked.overwrite or asked.resume or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return asked
    if not asked.topic.strip() or Archive(settings.outputs).existing(asked.topic) is None:
        return asked
    answer = typer.prompt(
        f"{asked.topic!r} is there already. [r]esume it, [o]verwrite it, or [c]ancel?", default="r", err=True
    )
    choice = answer.strip().lower()[:1]
    if choice not in ("r", "o"):
        raise typer.Exit(2)
    return replace(asked, resume=choice == "r", overwrite=choice == "o")


def resume_by_itself(asked: Commission, settings: Settings) -> Commission:
    """A daemon that was killed and is started with the same words goes on where it was."""
    from igentai_orchestrator.shell.archive import Archive

    if asked.overwrite or asked.resume or not asked.topic.strip():
        return asked
    archive = Archive(settings.outputs)
    folder = archive.existing(asked.topic)
    cut_off = any(s.folder == folder and s.status == "interrupted" for s in archive.topics())
    return replace(asked, resume=True) if cut_off else asked
