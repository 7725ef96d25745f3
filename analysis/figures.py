"""A study's figures: the curves of its watched metric, and the effect of its arms on its first."""

from __future__ import annotations

import io
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from study.store.files import Files
from study.terminal import plain

from .own_matplotlib import (
    Axes,
    Figure,
    FigureCanvasAgg,
    Normalize,
    ScalarMappable,
    colormaps,
    style,
)
from .plotted import MOST_ARMS, Curves, curves, effects
from .results import Results
from .series import Values

# Used after a reset: settings that a program made of matplotlib before change nothing.
STYLE = Path(__file__).with_name("study.mplstyle")
# What a figure is without: when and by what it was made, so that the same results give the same bytes.
SOURCE = {"png": "Source", "svg": "Source", "pdf": "Subject"}
METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# Percentages that are further apart, where higher is better, are drawn on a logarithmic scale of what is missing to
# 100 %, in points.
WIDE_RANGE = 15.0
# Farther out matplotlib fails to divide an axis.
MOST_DRAWN = 1e100
# With more arms than the style has colours, the lines differ. With more than both tell apart, a colour map goes over
# the arms in their order, whose bar names some of them.
COLOURS, LINES, MAP = 8, ("-", "--", ":"), "viridis"
MOST_NAMED = 10
# More lines of a legend, or longer ones, would cover the curves: it is then above them.
MOST_INSIDE, LONGEST_INSIDE = 8, 24
# Of more arms, or with longer labels, the effect figure has its arms below each other: inches for each.
MOST_ACROSS, EACH = 12, 0.16
# The characters of a figure's title and of a label; the table has the whole text.
MOST_IN_TITLE, MOST_IN_LABEL = 200, 40


def draw_training_curves(results: Results, study: str) -> Figure:
    """The watched metric by step, a line per arm, a band over seeds."""
    record, shown = results.studies[study], curves(results, study)
    percent = shown.metric.unit == "%"
    with style.context(STYLE, after_reset=True):
        figure, axes = _figure(record)
        arms = list(shown.table.arm.unique())
        told_apart = len(arms) <= COLOURS * len(LINES)
        for place, (arm, line) in enumerate(shown.table.groupby("arm", sort=False)):
            colour = f"C{place % COLOURS}" if told_apart else colormaps[MAP](place / (len(arms) - 1))
            mean, low, high, raw = (
                _drawable(line[name].to_numpy(float)) for name in ("mean", "low", "high", "raw")
            )
            if shown.is_smoothed and told_apart:
                axes.plot(line.x, raw, color=colour, alpha=0.15, linewidth=0.5)
            if told_apart:
                axes.fill_between(line.x, low, high, color=colour, alpha=0.3, lw=0)
            if is_point := bool(np.isfinite(mean).sum() == 1):  # a line or a band of one point has no extent
                axes.vlines(line.x, low, high, color=colour, alpha=0.3, lw=4)
            # A label that begins with an underscore would be left out of the legend.
            label = f" {labelled(arm)}" if str(arm).startswith("_") else labelled(arm)
            dash = LINES[place // COLOURS % len(LINES)] if told_apart else "-"
            marks: dict[str, Any] = {"marker": "o", "markersize": 2.5} if shown.sparse or is_point else {}
            axes.plot(line.x, mean, dash, color=colour, label=label, **marks)
        xlabel = "% of its own training" if shown.relative else "step"
        axes.set(xlabel=xlabel, ylabel=labelled(shown.metric.title))
        if percent and _are_shares(shown.table[["low", "high"]].to_numpy(float)):
            axes.set_ylim(0, 101)
        axes.set_xlim(0, None)
        title = labelled(record["varies"].replace("_", " "))
        if told_apart:
            _legend(figure, axes, title, max(map(len, map(labelled, arms)), default=0))
        else:
            _colour_bar(figure, axes, title, arms)
        noted(figure, _about(shown, told_apart) + _left_out(record))
    return figure


def _legend(figure: Figure, axes: Axes, title: str, longest: int) -> None:
    """Where matplotlib finds room among the curves; of many arms or long labels above them, in columns."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) <= MOST_INSIDE and longest <= LONGEST_INSIDE:
        axes.legend(title=title, loc="best")
        return
    columns = max(1, min(4, 60 // (longest + 5)))
    lines = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + EACH * (lines + 1))
    figure.legend(handles, labels, title=title, loc="outside upper center", ncols=columns)


def _colour_bar(figure: Figure, axes: Axes, title: str, arms: list[str]) -> None:
    last = len(arms) - 1
    bar = figure.colorbar(ScalarMappable(Normalize(0, last), MAP), ax=axes, label=title)
    places = np.unique(np.linspace(0, last, MOST_NAMED).round().astype(int))
    bar.set_ticks(places.tolist(), labels=[labelled(arms[place]) for place in places])


def _about(shown: Curves, told_apart: bool) -> str:
    over = "3 % of the curve" if shown.window is None else f"{shown.window} steps"
    line = "Line: mean over seeds." if shown.seeds > 1 else "Line: one seed."
    if shown.is_smoothed:
        line = f"Line: moving average over {over}." + (" Faint: one seed, unsmoothed." if told_apart else "")
    banded = shown.seeds > 1 and told_apart
    return line + (f"\nBand: lowest to highest of {shown.seeds} seeds." if banded else "")


def draw_effects(results: Results, study: str) -> Figure:
    """Arms on x, the first metric on y: every seed a dot, mean and 95 % interval, the published value a mark.

    Many arms, or some with long labels, are below each other, with the metric on x.
    """
    record, shown = results.studies[study], effects(results, study)
    metric = next(iter(results.metrics(study).values()))
    labels = [labelled(arm) for arm in shown.arm]
    below = len(labels) > MOST_ACROSS or max(map(len, labels), default=0) > LONGEST_INSIDE
    with style.context(STYLE, after_reset=True):
        figure, axes = _figure(record)
        for place, seeds in enumerate(shown.seeds):
            dots = _drawable(seeds)
            _plot(
                axes, below, np.full(len(dots), place - 0.15), dots, "o", color="C0", markersize=3, alpha=0.6
            )
        places, means = shown.index.to_numpy(float), _drawable(shown["mean"].to_numpy(float))
        spread = _drawable(shown.half_width.fillna(0).to_numpy(float))
        bars: dict[str, Any] = {"color": "black", "capsize": 3, "markersize": 8, "fmt": "|" if below else "_"}
        if below:
            axes.errorbar(means, places, xerr=spread, **bars)
        else:
            axes.errorbar(places, means, yerr=spread, **bars)
        published = _drawable(shown.published.to_numpy(float))
        _plot(axes, below, places + 0.15, published, "D", color="C3", markersize=4, markerfacecolor="none")
        of_arms, of_values = (axes.yaxis, axes.xaxis) if below else (axes.xaxis, axes.yaxis)
        of_arms.set_ticks(places, labels if below else [textwrap.fill(label, 12) for label in labels])
        of_arms.set_label_text(labelled(record["varies"].replace("_", " ")))
        of_values.set_label_text(labelled(metric.title))
        if below:
            figure.set_figheight(max(figure.get_figheight(), 1.0 + EACH * len(labels)))
            axes.set_ylim(len(shown) - 0.5, -0.5)
        else:
            axes.set_xlim(-0.5, len(shown) - 0.5)
        values = np.concatenate([*shown.seeds, shown.published.dropna()])
        note = "Dots: seeds. Bar: mean and its 95 % interval."
        if shown.published.notna().any():
            note += " Diamond: published."
        if metric.unit == "%" and _are_shares(values):
            if metric.better == "higher" and np.ptp(values) > WIDE_RANGE:
                _log_error_scale(axes, values, "x" if below else "y")
                note += "\nThe scale is logarithmic in what is missing to 100 %."
            else:  # an interval may reach beyond what a share can be
                low, high = of_values.get_view_interval()
                (axes.set_xlim if below else axes.set_ylim)(low, min(high, 100.5))
        noted(figure, note + _left_out(record))
    return figure


def _plot(axes: Axes, below: bool, places: Values, values: Values, *words: Any, **more: Any) -> None:
    """Values at the places of arms, which are on x, or below each other on y."""
    axes.plot(*((values, places) if below else (places, values)), *words, **more)


def _are_shares(values: Values) -> bool:
    """Whether there are any, all from 0 to 100 %."""
    known = values[~np.isnan(values)]
    return bool(len(known) and known.min() >= 0 and known.max() <= 100)


def _drawable(values: Values) -> Values:
    """The values [n] without those that no axis can have, which are NaN."""
    return np.where(np.abs(values) < MOST_DRAWN, values, np.nan)


def save(
    figure: Figure, files: Files, stem: str, kinds: tuple[str, ...] = ("png", "svg"), made_from: str = ""
) -> dict[str, bytes]:
    """Write the figure in these formats, as `<stem>.png` and so on; the same results give the same bytes.

    `made_from` says in the files' metadata what they were made from. Returns the files by their kind.
    """
    made = {kind: rendered(figure, kind, made_from) for kind in kinds}
    for kind, content in made.items():
        files.write(f"{stem}.{kind}", content)
    return made


def rendered(figure: Figure, kind: str, made_from: str = "") -> bytes:
    """The figure as the bytes of a PNG, SVG or PDF file."""
    content = io.BytesIO()
    metadata = METADATA[kind] | ({SOURCE[kind]: made_from} if made_from else {})
    with style.context(STYLE, after_reset=True), warnings.catch_warnings():
        # Labels that leave the axes no room: the figure is drawn all the same.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        figure.savefig(content, format=kind, metadata=metadata)
    return content.getvalue()


def _figure(record: dict[str, Any]) -> tuple[Figure, Axes]:
    figure, axes = new_figure(record)
    return figure, axes[0]


def new_figure(record: dict[str, Any], columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of a study with its title, and so many axes, row by row."""
    figure = Figure()
    FigureCanvasAgg(figure)
    number = "" if record["figure"] is None else f"Figure {record['figure']}: "
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]
    title = _cut(plain(f"{number}{record['title']}"), MOST_IN_TITLE)
    axes[0].set_title(title) if len(axes) == 1 else figure.suptitle(title)
    return figure, axes


def _left_out(record: dict[str, Any]) -> str:
    """A line for the note where a figure has not all arms of the study."""
    arms = len(record["arms"])
    return f"\nShown: the first {MOST_ARMS} of {arms:,} arms." if arms > MOST_ARMS else ""


def labelled(text: object) -> str:
    """The text as a label of a figure: printable, not too long, not empty."""
    return _cut(plain(text), MOST_IN_LABEL) or '""'  # an empty label would be none


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def noted(figure: Figure, text: str) -> None:
    """Say what the figure shows, below it."""
    figure.supxlabel(text, fontsize=5.5)


def _log_error_scale(axes: Axes, values: Values, axis: str) -> None:
    """The axis as the logarithm of what is missing to 100 %, so that 10 % and 97 % are legible side by side."""
    functions = (lambda y: -np.log10(np.maximum(100.01 - y, 1e-9)), lambda z: 100.01 - 10.0 ** (-z))
    set_scale, set_ticks, set_limits = (
        getattr(axes, f"set_{axis}{what}") for what in ("scale", "ticks", "lim")
    )
    set_scale("function", functions=functions)
    ticks = [tick for tick in (10, 50, 80, 90, 95, 98, 99, 99.5) if values.min() - 10 <= tick]
    ticks = [tick for tick in ticks if tick <= 100 - (100 - values.max()) / 2]
    set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    set_limits(max(0.0, values.min() - 10), 100 - (100 - values.max()) / 2)
