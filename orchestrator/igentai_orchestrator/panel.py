"""A run as a picture for the terminal: what was found, what is left, what it costs, and who works on it.

Made from metrics.json as the daemon and the API give it; any number in it may be missing. Adapts to the terminal it is
drawn on: fewer columns and rows where there is little room, one line where there is hardly any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from igentai.lines import legal_line
from igentai_orchestrator.progress import clock, line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

LEAST_WIDTH: Final = 60
LEAST_HEIGHT: Final = 12
WIDEST: Final = 120
OTHER_LINES: Final = 9  # of the picture, beside the models and the alerts
ALERTS: Final = 3
FEWEST_ROWS: Final = 2  # one model, and how many more there are
NONE: Final = "–"
TROUBLED: Final = {"waiting": "yellow", "half-open": "yellow", "open": "red", "out": "red"}


@dataclass(frozen=True, slots=True)
class Panel:
    """`numbers` as in metrics.json, `note` what is to be said of the connection or the end, if anything."""

    numbers: Mapping[str, Any]
    note: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = console.height
        if options.max_width < LEAST_WIDTH or height < LEAST_HEIGHT:
            text = f"{plain(self.numbers.get('topic'))}: {line(self.numbers)}"
            yield Text(text, no_wrap=True, overflow="ellipsis", end="")
            return
        room = height - OTHER_LINES
        fewest = min(len(self.numbers.get("providers") or ()), FEWEST_ROWS)
        alerts = [] if self.note else list(self.numbers.get("alerts") or ())[: min(ALERTS, room - fewest)]
        rows = room - max(1, len(alerts))
        width = min(options.max_width, WIDEST)
        parts: list[RenderableType] = [_head(self.numbers, width), Text()]
        if models := self.numbers.get("providers"):
            parts += [_figures(self.numbers), Text(), _models(models, rows, width)]
        parts.append(_producers(self.numbers))
        if self.note:
            parts.append(Text(self.note, style="yellow", no_wrap=True, overflow="ellipsis"))
        parts += [_alert(alert) for alert in alerts]
        yield from Group(*parts).__rich_console__(console, options)


def plain(text: Any) -> str:
    """A text from outside without what a terminal would obey."""
    return legal_line(str(text or ""))


def _head(numbers: Mapping[str, Any], width: int) -> Table:
    made = "simulated: nothing here is real" if numbers.get("simulated") else ""
    made = made or ("embedded model: it invents" if numbers.get("embedded") else "")
    name = Text(plain(numbers.get("topic")), style="bold", no_wrap=True, overflow="ellipsis")
    if made:
        name.append(f"  {made}", style="not bold yellow")
    grid = Table.grid(expand=False, padding=(0, 2, 0, 0))
    grid.width = width
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(name, Text(f"{numbers.get('status') or 'running'} · {clock(numbers.get('elapsed_s') or 0)}"))
    return grid


def _figures(numbers: Mapping[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style="dim", no_wrap=True, overflow="ellipsis")
    coverage = numbers.get("coverage") or {}
    found = numbers.get("unique_attributes") or 0
    grid.add_row("found", Text(_count(found), style="bold green"), _left(numbers, coverage, found))
    grid.add_row("new a minute", _rate(numbers.get("unique_per_minute")), _yield(numbers, coverage))
    grid.add_row("repeats", _share(numbers.get("repeats_share")), _near(numbers))
    grid.add_row("spent", _money(numbers.get("cost_usd") or 0.0), _money_left(numbers))
    return grid


def _left(numbers: Mapping[str, Any], coverage: Mapping[str, Any], found: int) -> str:
    parts = []
    least = coverage.get("at_least")
    if numbers.get("embedded"):
        return "most are made up: so small a model knows little"
    if least is not None:
        parts.append(f"at least {_count(max(least, found))} exist")
    if coverage.get("estimated_total"):
        low, high = coverage.get("low"), coverage.get("high")
        between = f" ({_count(low)} – {_count(high)})" if low and high else ""
        parts.append(f"estimated {_count(coverage['estimated_total'])}{between}")
    return ", ".join(parts)


def _yield(numbers: Mapping[str, Any], coverage: Mapping[str, Any]) -> str:
    ok = (numbers.get("requests") or {}).get("ok") or 0
    parts = [f"{_rate((numbers.get('unique_attributes') or 0) / ok)} a request so far"] if ok else []
    if (following := coverage.get("forecast_next_request")) is not None:
        parts.append(f"≈ {_rate(following)} from the next")
    if (dollar := coverage.get("forecast_next_usd")) is not None:
        parts.append(f"≈ {_count(dollar)} for the next dollar")
    return ", ".join(parts)


def _near(numbers: Mapping[str, Any]) -> str:
    merged = (numbers.get("near_duplicates") or {}).get("merged") or 0
    return f"{_count(merged)} of those found are probably near-duplicates" if merged else ""


def _money_left(numbers: Mapping[str, Any]) -> str:
    limit, spent = numbers.get("budget_usd"), numbers.get("cost_usd") or 0.0
    return f"of {_money(limit)}, {_money(max(0.0, limit - spent))} left" if limit else ""


def _models(models: Mapping[str, Mapping[str, Any]], rows: int, width: int) -> Table:
    """The busiest models; those that do not fit are counted."""
    roomy = width >= 96
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=width // 3)
    names = ["share", "found", "new/min", *(["new/$"] if roomy else []), "repeats", *(["latency"] if roomy else [])]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    order = sorted(models.items(), key=lambda item: (-(item[1].get("weight") or 0.0), item[0]))
    shown = order if len(order) <= rows else order[: max(1, rows - 1)]
    for key, row in shown:
        state = str(row.get("state") or "ok")
        cells = {
            "share": _share(row.get("weight")),
            "found": _count(row.get("unique_attributes") or 0),
            "new/min": _rate(row.get("unique_per_minute")),
            "new/$": "free"
            if row.get("cost_usd") == 0 and row.get("requests")
            else _rate(row.get("unique_per_dollar")),
            "repeats": _share(row.get("repeats_share")),
            "latency": _latency(row.get("latency_ms")),
        }
        said = Text(plain(row.get("detail")) or (state if state != "ok" else ""), style=TROUBLED.get(state, "dim"))
        table.add_row(Text(plain(key)), *(cells[name] for name in names), said)
    if len(shown) < len(order):
        table.add_row(Text(f"and {len(order) - len(shown)} more", style="dim"))
    return table


def _producers(numbers: Mapping[str, Any]) -> Text:
    producers = numbers.get("producers") or []
    states = Counter(str(row.get("state")) for row in producers)
    flying = sum(row.get("in_flight") or 0 for row in producers)
    requests = numbers.get("requests") or {}
    failed = requests.get("failed") or 0
    said = f"producers: {', '.join(f'{n} {state}' for state, n in states.most_common())}" if states else "no producers"
    said += f" · {flying} in flight · {_count((requests.get('ok') or 0) + failed)} requests"
    return Text(
        said + (f" ({_count(failed)} failed)" if failed else ""), style="dim", no_wrap=True, overflow="ellipsis"
    )


def _alert(alert: Mapping[str, Any]) -> Text:
    style = "red" if alert.get("level") == "error" else "yellow"
    return Text(f"! {plain(alert.get('text'))}", style=style, no_wrap=True, overflow="ellipsis")


def _count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def _rate(value: float | None) -> str:
    """Three significant digits: the others only flicker."""
    if value is None:
        return NONE
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.0%}"


def _money(value: float) -> str:
    return f"${value:.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def _latency(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
