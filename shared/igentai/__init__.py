"""igentai: every item that language models know about a topic.

This package is the library's face, and what the orchestrator and its producers share. Its names are imported when they
are first used: a producer that needs none of them starts as fast as it did without.

    from igentai import query_parallel
    results = await query_parallel(["Capital of France?", "Capital of Peru?"], provider="openai:gpt-4o-mini")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from igentai.batch import sync
    from igentai.batch.flow import (
        Processed,
        filter_map,
        process_stream,
        process_with_retry,
    )
    from igentai.batch.flow import map as map  # noqa: A004 - igentai.map, and not with `import *`
    from igentai.batch.pipeline import Batcher, Message, Pipeline, PipelineReport
    from igentai.batch.query import (
        PipelineResult,
        Step,
        query_parallel,
        query_pipeline,
        query_with_retry,
    )
    from igentai.batch.request import Prompt, Query
    from igentai.batch.result import Failure, Result, Usage
    from igentai.batch.route import Route
    from igentai.batch.sqlite_rows import write_results
    from igentai.batch.stats import Progress, Stats, reset_stats, stats
    from igentai.batch.templates import Categorised, Finding, analyze_codebase, categorize_documents
    from igentai.batch.verdict import verdict
    from igentai.batch.windows import batch_process, windowed_analysis
    from igentai.prices import Price

_WHERE: Final = {
    "Batcher": "batch.pipeline",
    "Categorised": "batch.templates",
    "Failure": "batch.result",
    "Finding": "batch.templates",
    "Message": "batch.pipeline",
    "Pipeline": "batch.pipeline",
    "PipelineReport": "batch.pipeline",
    "PipelineResult": "batch.query",
    "Price": "prices",
    "Processed": "batch.flow",
    "Progress": "batch.stats",
    "Prompt": "batch.request",
    "Query": "batch.request",
    "Result": "batch.result",
    "Route": "batch.route",
    "Stats": "batch.stats",
    "Step": "batch.query",
    "Usage": "batch.result",
    "analyze_codebase": "batch.templates",
    "batch_process": "batch.windows",
    "categorize_documents": "batch.templates",
    "filter_map": "batch.flow",
    "map": "batch.flow",
    "process_stream": "batch.flow",
    "process_with_retry": "batch.flow",
    "query_parallel": "batch.query",
    "query_pipeline": "batch.query",
    "query_with_retry": "batch.query",
    "reset_stats": "batch.stats",
    "stats": "batch.stats",
    "sync": "batch.sync",
    "verdict": "batch.verdict",
    "windowed_analysis": "batch.windows",
    "write_results": "batch.sqlite_rows",
}

# All names but `map`, which would hide the built-in one from whoever says `import *`.
__all__ = [
    "Batcher", "Categorised", "Failure", "Finding", "Message", "Pipeline", "PipelineReport", "PipelineResult", "Price",
    "Processed", "Progress", "Prompt", "Query", "Result", "Route", "Stats", "Step", "Usage", "analyze_codebase",
    "batch_process", "categorize_documents", "filter_map", "process_stream", "process_with_retry",
    "query_parallel", "query_pipeline", "query_with_retry", "reset_stats", "stats", "sync", "verdict",
    "windowed_analysis", "write_results",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """PEP 562: a public name, from where it is defined."""
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module 'igentai' has no attribute {name!r}")
    module = import_module(f"igentai.{where}")
    value = module if name == "sync" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
