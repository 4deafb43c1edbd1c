"""`sweeps/<id>/report.html`: one file that tells a sweep: means and spreads, dots, pooled confusion, every point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Final

from engine import plot
from engine.console import count, duration
from engine.errors import sentence
from engine.evidence import MOST_CLASSES, SHARES, UNITS, metric_text, words
from engine.plot_dots import Band, Dot, Row, dots
from engine.report_page import Page, Tile, write_page
from engine.svg import Figure
from engine.sweep_record import REPORT, WORKFLOW, Point, SweepRecord, name_of, value_text
from engine.sweep_summary import Metric, Result, Spread, Summary
from engine.theme import state
from engine.workflow import load

MOST_PLOTS: Final = 24
MOST_ROWS: Final = 40
MOST_TILES: Final = 6
HEADLINE: Final = ("accuracy", "uar", "auc", "f1")
HEAD: Final = ("", "mean", "sd", "95 % of the mean", "smallest", "largest", "points")


def write_sweep_report(summary: Summary) -> None:
    """Write the page of a sweep into its folder."""
    write_page(render(summary), summary.record.folder / REPORT)


def render(summary: Summary) -> str:
    """The page."""
    record = summary.record
    return str(Page(
        record, "sweep", f"{record.workflow} · sweep", f"{record.workflow}, over {over_text(record)}",
        duration(record.seconds), load(record.folder / WORKFLOW).about, map(str, tiles(summary)),
        map(_error, record.in_state("failed")), "\n".join(_body(summary)),
    ))  # fmt: skip


def _body(summary: Summary) -> Iterator[str]:
    """Figures, plots, then figures by value and the points."""
    yield from map(_figures_card, summary.results)
    plots = [*dot_figures(summary), *confusion_figures(summary)][:MOST_PLOTS]
    yield f'<section class="plots">{"".join(map(_plot, plots))}</section>'
    yield from map(_groups_card, summary.results)
    yield _points_card(summary)


def over_text(record: SweepRecord) -> str:
    """What was swept over, in words: "15 seed x 10 fold"."""
    return " x ".join(f"{len(values)} {name}" for name, values in record.over.items())


# ---- figures in words


Tell = Callable[[float], str]


def teller(name: str, spread: Spread) -> Tell:
    """How a figure of that name is told: shares as percent, also where an interval leaves [0, 1]."""
    return (
        (lambda value: f"{100 * value:.2f} %") if is_share(name, spread) else (lambda value: metric_text(name, value))
    )


def is_share(name: str, spread: Spread) -> bool:
    """Whether `metric_text` tells figures of that name and size as percent."""
    is_named = any(part in name for part in SHARES) and not any(name.endswith(ending) for ending in UNITS)
    return is_named and spread.min >= 0 and spread.max <= 1


def spread_text(name: str, spread: Spread) -> str:
    """ "93.12 % ± 0.41 %", the mean and the standard deviation."""
    tell = teller(name, spread)
    return f"{tell(spread.mean)} ± {tell(spread.sd)}" if spread.sd is not None else tell(spread.mean)


def headline(summary: Summary) -> Iterator[tuple[Result, str, Metric]]:
    """The figures worth a tile or a column: accuracies first, then what there is, none that is equal everywhere."""
    every = [(result, name, metric) for result in summary.results for name, metric in result.metrics.items()]
    first = [row for key in HEADLINE for row in every if row[1] == key]
    rest = [row for row in every if row not in first and row[2].spread.min != row[2].spread.max]
    yield from [*first, *rest]


def tiles(summary: Summary) -> Iterator[Tile]:
    """Points, then the first figures with their spread."""
    record = summary.record
    done, failed = len(record.in_state("done")), len(record.in_state("failed"))
    note = f"{failed} failed" if failed else "all done" if done == len(record.points) else "not all were run"
    yield Tile("points", f"{done} of {len(record.points)}", "", note)
    for result, name, metric in [*headline(summary)][:MOST_TILES]:
        mean, _, unit = metric_text(name, metric.spread.mean).partition(" ")
        sd = metric.spread.sd
        spare = f"± {teller(name, metric.spread)(sd)} · " if sd is not None else ""
        yield Tile(words(name), mean, unit, f"{spare}n = {metric.spread.n} · {result.node}")


# ---- plots


def dot_figures(summary: Summary) -> Iterator[Figure]:
    """A plot per figure that differs between points, the headline ones first."""
    for result, name, metric in headline(summary):
        if metric.spread.n > 1 and metric.spread.min != metric.spread.max:
            yield dot_figure(summary.record, f"{words(name)} · {result.node}", name, metric)


def dot_figure(record: SweepRecord, title: str, name: str, metric: Metric) -> Figure:
    """All points of one figure: a row per value of the first variable, or one row if these are many."""
    factor, unit = (100.0, "%") if is_share(name, metric.spread) else (1.0, "")
    first = next((key for key, values in record.over.items() if len(values) > 1), next(iter(record.over)))
    names = {p.number: value_text(p.values[first]) for p in record.points}
    is_many = len(record.over[first]) > MOST_ROWS
    rows: dict[str, list[Dot]] = {}
    for point in record.points:
        if point.number in metric.values:
            value = factor * metric.values[point.number]
            told = f"{point.name}: {metric_text(name, metric.values[point.number])}"
            rows.setdefault("all" if is_many else f"{first} {names[point.number]}", []).append(Dot(value, told))
    spread = metric.spread
    band = Band(factor * spread.mean, _times(spread.low, factor), _times(spread.high, factor))
    caption = f"{spread_text(name, spread)}, n = {spread.n}; shaded: 95 % of the mean"
    return dots([_dot_row(key, found) for key, found in rows.items()], band, title, caption, unit)


def _times(value: float | None, factor: float) -> float | None:
    return value * factor if value is not None else None


def _dot_row(name: str, found: Sequence[Dot]) -> Row:
    spread = Spread.of([dot.value for dot in found])
    return Row(name, found, spread.mean, spread.low, spread.high)


def confusion_figures(summary: Summary) -> Iterator[Figure]:
    """The pooled confusion matrix of every report that has one."""
    for result in summary.results:
        found = result.confusion
        if found is not None and len(found.classes) <= MOST_CLASSES:
            title = f"Confusion · {result.node} · {count(found.reports, 'point')} added up"
            yield plot.confusion(found.matrix, found.classes, title)


def _plot(figure: Figure) -> str:
    title = f"<h3>{escape(figure.title)}<small>{escape(figure.caption)}</small></h3>"
    return f'<section class="card">{title}{figure.inline()}</section>'


# ---- tables


def spread_cells(name: str, spread: Spread) -> tuple[str, ...]:
    """Mean, standard deviation, interval, extremes and number, in words."""
    tell = teller(name, spread)
    interval = "–"
    if spread.low is not None and spread.high is not None:
        interval = f"{tell(spread.low)} to {tell(spread.high)}"
    sd = tell(spread.sd) if spread.sd is not None else "–"
    return tell(spread.mean), sd, interval, tell(spread.min), tell(spread.max), str(spread.n)


def _figures_card(result: Result) -> str:
    rows = [(words(name), *spread_cells(name, metric.spread)) for name, metric in result.metrics.items()]
    return _card(result.node, f"{result.kind} · {result.title}" if result.title else result.kind, _table(HEAD, rows))


def _groups_card(result: Result) -> str:
    """Where there are several variables: the same figures per value of each."""
    parts = [_group_table(name, metric) for name, metric in result.metrics.items() if metric.by]
    return _card(f"{result.node}, by variable", "each row: the points that share one value", *parts) if parts else ""


def _group_table(name: str, metric: Metric) -> str:
    rows: list[tuple[str, ...]] = []
    for variable, groups in metric.by.items():
        rows += [(name_of({variable: group.value}), *spread_cells(name, group.spread)) for group in groups]
        rows.append((f"means of {variable}", *spread_cells(name, metric.between[variable])))
    opened = " open" if name in HEADLINE else ""
    return f"<details{opened}><summary><b>{escape(words(name))}</b></summary>{_table(HEAD, rows)}</details>"


def _points_card(summary: Summary) -> str:
    record = summary.record
    columns = [*headline(summary)][:MOST_TILES]
    head = ("point", *record.over, "state", "took", "nodes", *(f"{words(n)} · {r.node}" for r, n, _ in columns), "run")
    rows = [_point_row(record, point, columns) for point in record.points]
    return _card("Points", count(len(record.points), "point"), _table(head, rows, is_html=True))


def _point_row(record: SweepRecord, point: Point, columns: Sequence[tuple[Result, str, Metric]]) -> tuple[str, ...]:
    look = state(point.state)
    nodes = ", ".join(f"{number} {name}" for name, number in point.nodes.items())
    cells = [str(point.number), *(value_text(value) for value in point.values.values())]
    figures = [_at(metric.values, point.number, name) for _, name, metric in columns]
    link = f'<a href="../../runs/{escape(point.run)}/report.html">{escape(point.run)}</a>' if point.run else ""
    mark = f'<span class="k" style="color:var(--{look.token})">{look.mark} {escape(look.word)}</span>'
    return (*map(escape, cells), mark, duration(point.seconds), escape(nodes), *map(escape, figures), link)


def _at(values: Mapping[int, float], number: int, name: str) -> str:
    return metric_text(name, values[number]) if number in values else ""


def _error(point: Point) -> str:
    fault = point.error
    if fault is None:
        return ""
    place = f"{point.name}: {point.node}: " if point.node else f"{point.name}: "
    return (
        f'<section class="card error"><b>{escape(place)}{escape(sentence(fault.what))}</b>'
        f"<p>Expected: {escape(sentence(fault.expected))}</p><p>{escape(sentence(fault.remedy))}</p></section>"
    )


def _card(title: str, caption: str, *parts: str) -> str:
    return f'<section class="card"><h2>{escape(title)}<small>{escape(caption)}</small></h2>{"".join(parts)}</section>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, is_html: bool = False) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{cell if is_html else escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
