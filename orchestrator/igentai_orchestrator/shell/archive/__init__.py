"""The archive: outputs/, its ledger, and everything that is read from them."""

from __future__ import annotations

from igentai_orchestrator.shell.archive.archive import Archive
from igentai_orchestrator.shell.archive.attributes import AttributeRow, MergedInto, Naming, Provenance
from igentai_orchestrator.shell.archive.export import ExportFormat, export
from igentai_orchestrator.shell.archive.fsck import Finding, Report, fsck
from igentai_orchestrator.shell.archive.opening import OpenedTopic, OpenMode
from igentai_orchestrator.shell.archive.reader import Reader
from igentai_orchestrator.shell.archive.spending import spent_lately
from igentai_orchestrator.shell.archive.summaries import TopicSummary
from igentai_orchestrator.shell.archive.writer import ArchiveListener

__all__ = [
    "Archive",
    "ArchiveListener",
    "AttributeRow",
    "ExportFormat",
    "Finding",
    "MergedInto",
    "Naming",
    "OpenMode",
    "OpenedTopic",
    "Provenance",
    "Reader",
    "Report",
    "TopicSummary",
    "export",
    "fsck",
    "spent_lately",
]
