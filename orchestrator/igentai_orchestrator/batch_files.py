"""The files of `igentai batch`: checked before anything is asked, then opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from igentai.batch.journal import Journal
from igentai.batch.outputs import JsonLines, Output, check_name, output_at
from igentai.batch.rows import InputFormat, Row, count_rows, format_of, format_of_line, read_rows
from igentai.errors import UsageError

if TYPE_CHECKING:
    from igentai_orchestrator.batch_plan import Asked

STANDARD: Final = Path("-")


def check_files(asked: Asked) -> None:
    """That all can be read and written as was asked.

    Raises:
        UsageError: it cannot, or would overwrite what nobody said to overwrite.
    """
    if asked.source != STANDARD and not asked.source.is_file():
        raise UsageError(f"there is no file {asked.source}; check the path, or say - for standard input")
    named = [path.resolve() for path in (asked.source, asked.output, asked.failed) if path and path != STANDARD]
    if len(set(named)) < len(named):
        raise UsageError("IN, OUT and --failed must be different files")
    if asked.resume and asked.overwrite:
        raise UsageError("--overwrite and --resume contradict each other; say one")
    if asked.output == STANDARD:
        if asked.resume:
            raise UsageError("--resume needs an output file: say -o OUT.jsonl")
        return
    check_name(asked.output)
    for path, flag in ((asked.output, "-o"), (asked.failed, "--failed")):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}; make it, or choose another {flag}")
    there = asked.output.exists() or _journal_path(asked.output).exists()
    if there and not (asked.resume or asked.overwrite):
        raise UsageError(
            f"{asked.output} is there already: say --resume to ask what is missing, or --overwrite to start again"
        )


def open_rows(asked: Asked, files: ExitStack) -> tuple[Iterator[Row], int | None]:
    """The rows, the first read already: where it cannot be asked the command ends before anything is written."""
    fmt = cast("InputFormat | None", asked.input_format)
    total: int | None = None
    lines: Iterator[str]
    if asked.source == STANDARD:
        first_line = sys.stdin.readline()
        fmt = fmt or format_of_line(first_line)
        lines = _and_then([first_line] if first_line else [], sys.stdin)
    else:
        fmt = fmt or format_of(asked.source)
        total = count_rows(asked.source, fmt)
        lines = files.enter_context(
            asked.source.open(encoding="utf-8-sig", errors="replace", newline="" if fmt == "csv" else None)
        )
    rows = read_rows(lines, fmt, asked.template)
    first = next(rows, None)
    return _and_then([] if first is None else [first], rows), total


def _and_then(first: list[Any], rest: Any) -> Iterator[Any]:
    yield from first
    yield from rest


def open_journal(asked: Asked, files: ExitStack) -> Journal | None:
    """The journal of the output, new unless this run resumes one; None where there is no file to go on with."""
    if asked.output == STANDARD:
        return None
    path = _journal_path(asked.output)
    if not asked.resume:
        path.unlink(missing_ok=True)
    journal = Journal(path)
    files.callback(journal.close)
    return journal


def _journal_path(output: Path) -> Path:
    """Where the journal of an output stands: beside it."""
    return output.with_name(f"{output.name}.journal")


def open_output(path: Path) -> Output:
    if path == STANDARD:
        return JsonLines(os.fdopen(os.dup(sys.stdout.fileno()), "wb"), "standard output")
    return output_at(path)


def open_failed(path: Path) -> JsonLines:
    """Where rows that failed go."""
    try:
        file: IO[bytes] = path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another --failed") from None
    return JsonLines(file, str(path))
