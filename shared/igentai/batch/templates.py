"""Two tasks that many bring: what is wrong in a code base, and which category a document belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from igentai.batch.flow import map as each
from igentai.batch.query import Asking
from igentai.batch.template import filled
from igentai.batch.verdict import verdict
from igentai.errors import UsageError

if TYPE_CHECKING:
    from typing import Unpack

    from igentai.batch.result import Result

T = TypeVar("T")

SUFFIXES: Final = (
    ".py", ".js", ".ts", ".tsx", ".jsx", ".rb", ".ex", ".exs", ".go", ".rs", ".java", ".kt", ".c", ".h", ".cc", ".cpp",
    ".hpp", ".cs", ".php", ".swift", ".scala", ".sh", ".sql",
)  # fmt: skip
_NOT_OURS: Final = frozenset(
    {"node_modules", "__pycache__", "venv", "dist", "build", "target", "vendor", "deps", "_build"}
)
LARGEST_FILE: Final = 100_000  # bytes of a source file that is sent

_CODE: Final = (
    "\n\nFile {path}:\n```\n{code}\n```\n\n"
    "Begin with one word: FOUND if there is any, SAFE if there is none. Then, if FOUND, name each with its line."
)
ANALYSES: Final[Mapping[str, str]] = {
    "security": "Look for security vulnerabilities in this code: SQL injection, XSS, authentication bypasses, exposure "
    f"of sensitive data, unsafe deserialisation, path traversal.{_CODE}",
    "quality": f"Look for defects in this code: wrong logic, unhandled errors, leaks, races, dead code.{_CODE}",
    "documentation": "Look for public functions, classes and modules in this code whose documentation is missing or "
    f"wrong.{_CODE}",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One file of one analysis. `found` None: the reply gave no clear verdict, or there is none."""

    path: Path
    found: bool | None
    report: str
    result: Result = field(repr=False)


async def analyze_codebase(
    path: str | Path,
    analyses: Sequence[str] | Mapping[str, str] = ("security", "quality", "documentation"),
    *,
    suffixes: Sequence[str] = SUFFIXES,
    **asking: Unpack[Asking],
) -> dict[str, list[Finding]]:
    """Ask about every source file below `path`, once an analysis.

    Args:
        path: a folder, or one file. Hidden and third-party folders are passed over, links are not followed, and files
            over 100 kB are left out.
        analyses: names out of security, quality and documentation; or your own, as name → template with `{path}` and
            `{code}` that asks for FOUND or SAFE.
        suffixes: of the files that count.

    Returns:
        For each analysis one `Finding` a file, in the order of the paths.

    Raises:
        UsageError: there is no such folder, or no such analysis.

    >>> import asyncio, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.py").write_text("print(1)")
    ...     found = asyncio.run(analyze_codebase(folder, ["security"], provider="simulated:small"))
    >>> [finding.path.name for finding in found["security"]]
    ['a.py']
    """
    templates = analyses if isinstance(analyses, Mapping) else {name: _analysis(name) for name in analyses}
    files = list(_source_files(Path(path), tuple(suffixes)))
    asked = [(name, file) for name in templates for file in files]

    def prompt(pair: tuple[str, Path]) -> str:
        name, file = pair
        code = file.read_text(encoding="utf-8", errors="replace")
        return filled(templates[name], {"path": str(file), "code": code})

    reports: dict[str, list[Finding]] = {name: [] for name in templates}
    async for (name, file), result in each(asked, prompt, **asking):
        found = verdict(result.text, ("found",), ("safe", "not found")) if result.ok else None
        reports[name].append(Finding(file, found, result.text, result))
    return reports


def _analysis(name: str) -> str:
    if name not in ANALYSES:
        raise UsageError(f"no analysis is called {name!r}; say {', '.join(ANALYSES)}, or give a mapping of your own")
    return ANALYSES[name]


def _source_files(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}; check the path")
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_dir():
            if entry.name not in _NOT_OURS:
                yield from _source_files(entry, suffixes)
        elif entry.suffix in suffixes and entry.stat().st_size <= LARGEST_FILE:
            yield entry


@dataclass(frozen=True, slots=True)
class Categorised:
    """`by_category` has every category, in the order given. `unclear` are (document, result) without a clear one."""

    by_category: dict[str, list[Any]]
    unclear: list[tuple[Any, Result]]


async def categorize_documents(
    documents: Iterable[T],
    categories: Sequence[str],
    *,
    content: Callable[[T], str] | None = None,
    **asking: Unpack[Asking],
) -> Categorised:
    """Put each document into one category.

    Args:
        documents: texts, mappings with `content` or `text`, or anything with `content` to say what to read.
        categories: two or more names that differ.
        content: the text of a document.

    The reply must be the name of one category and nothing else, in any case and with any quotes; everything else is
    unclear, so nothing is put where the model did not put it.

    Raises:
        UsageError: fewer than two categories, two that are the same, or a document without a text.

    >>> import asyncio
    >>> sorted_ = asyncio.run(categorize_documents(["It rained."], ["weather", "sport"], provider="simulated:small"))
    >>> list(sorted_.by_category), len(sorted_.unclear)
    (['weather', 'sport'], 1)
    """
    by_name = {_bare(category): category for category in categories}
    if len(by_name) < 2 or len(by_name) < len(categories):
        raise UsageError("give at least two categories, no two the same")
    names = ", ".join(categories)

    def prompt(document: T) -> str:
        text = content(document) if content is not None else _content(document)
        return (
            f"Put this document into one of these categories: {names}\n\nDocument:\n{text}\n\n"
            "Answer with the name of the category and nothing else."
        )

    by_category: dict[str, list[Any]] = {category: [] for category in categories}
    unclear: list[tuple[Any, Result]] = []
    async for document, result in each(documents, prompt, **asking):
        chosen = by_name.get(_bare(result.text)) if result.ok else None
        if chosen is None:
            unclear.append((document, result))
        else:
            by_category[chosen].append(document)
    return Categorised(by_category, unclear)


def _bare(text: str) -> str:
    """A name without case, quotes, emphasis, label and closing dot."""
    plain = re.sub(r"^\s*category\s*:\s*", "", text.strip(), flags=re.IGNORECASE)
    return " ".join(plain.strip(" \t\n\"'`*_.“”‘’").casefold().split())


def _content(document: Any) -> str:
    if isinstance(document, str):
        return document
    for name in ("content", "text"):
        value = document.get(name) if isinstance(document, Mapping) else getattr(document, name, None)
        if isinstance(value, str):
            return value
    raise UsageError("a document has neither `content` nor `text`; say content=… to name its text")
