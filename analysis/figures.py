"""What a study's figures show: computed as DataFrames, then drawn."""

from __future__ import annotations

import io
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.measures import Curve, smoothed, smoothing_window
from analysis.own_matplotlib import Axes, Figure, FigureCanvasAgg, style
from analysis.results import ENDED, Results, by_trial, last_epochs
from analysis.statistics import mean_of
from study.store.files import Files
from study.terminal import plain

# Used after a reset: settings that a program made of matplotlib before change nothing.
STYLE = Path(__file__).with_name("study.mplstyle")
# What a figure is without: when and by what it was made, so that the same results give the same bytes.
SOURCE = {"png": "Source", "svg": "Source", "pdf": "Subject"}
METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# Test accuracies that are further apart are drawn on a logarithmic scale of the error, in points.
WIDE_RANGE = 15.0
# With more arms than the style has colours, the lines differ.
COLOURS, LINES = 8, ("-", "--", ":")
# The arms of a figure, and the characters of its title and of a label. More can't be read on so little paper,
# and matplotlib would take minutes for thousands.
MOST_ARMS, MOST_IN_TITLE, MOST_IN_LABEL = 100, 200, 100


def drawn(results: Results, study: str) -> pd.DataFrame:
    """The trials whose curves a figure shows: those of its arms that ended by themselves."""
    trials = _of_first_arms(results.of(study))
    return trials[trials.status.isin(ENDED)]


def shows_last_epoch(results: Results, study: str) -> bool:
    """Whether arms differ in epochs; their curves are then those of each arm's last epoch."""
    return len(set(drawn(results, study).epochs)) > 1


def training_curves(results: Results, study: str) -> pd.DataFrame:
    """Training accuracy per iteration and arm over the seeds that are finished, arms in order.

    Columns: arm, iteration (from 1; within the last epoch where `shows_last_epoch`), mean, low, high (of the
    seeds' moving averages: mean, lowest and highest), raw (the first seed's unsmoothed value). In [0, 1].
    """
    trials = drawn(results, study)
    shown = last_epochs if shows_last_epoch(results, study) else by_trial
    curves = shown(results.curves(trials.key))
    frames = []
    for arm, keys in trials.groupby("arm", sort=False).key:
        of_arm = [curves[key] for key in keys if key in curves]
        if not of_arm:
            continue
        # A diverged trial's curve is shorter.
        seeds = pd.concat([pd.Series(smoothed(curve)) for curve in of_arm], axis=1)
        frames.append(
            pd.DataFrame(
                {
                    "arm": arm,
                    "iteration": np.arange(1, len(seeds) + 1),
                    "mean": seeds.mean(axis=1),
                    "low": seeds.min(axis=1),
                    "high": seeds.max(axis=1),
                    "raw": pd.Series(of_arm[0]).reindex(seeds.index),
                }
            )
        )
    if not frames:
        return pd.DataFrame(columns=["arm", "iteration", "mean", "low", "high", "raw"])
    return pd.concat(frames, ignore_index=True)


def draw_training_curves(results: Results, study: str) -> Figure:
    """The report's kind of figure: training accuracy per iteration, a line per arm, a band over seeds."""
    record = results.studies[study]
    curves = training_curves(results, study)
    seeds = int(drawn(results, study).groupby("arm").size().max())
    with style.context(STYLE, after_reset=True):
        figure, axes = _figure(record)
        for place, (arm, of_arm) in enumerate(curves.groupby("arm", sort=False)):
            colour = f"C{place % COLOURS}"
            axes.plot(of_arm.iteration, of_arm.raw * 100, color=colour, alpha=0.15, linewidth=0.5)
            axes.fill_between(
                of_arm.iteration, of_arm.low * 100, of_arm.high * 100, color=colour, alpha=0.3, lw=0
            )
            # A label that begins with an underscore would be left out of the legend.
            label = f" {_label(arm)}" if str(arm).startswith("_") else _label(arm)
            line = LINES[place // COLOURS % len(LINES)]
            axes.plot(of_arm.iteration, of_arm["mean"] * 100, line, color=colour, label=label)
        last = " of the arm's last epoch" if shows_last_epoch(results, study) else ""
        axes.set(xlabel=f"iteration{last}", ylabel="training accuracy, %")
        axes.set_ylim(0, 101)
        axes.set_xlim(0, None)
        axes.legend(title=_label(record["varies"].replace("_", " ")), loc="best")
        lengths = set(curves.groupby("arm").size())
        band = f"\nBand: lowest to highest of {seeds} seeds." if seeds > 1 else ""
        over = f"{smoothing_window(lengths.pop())} iterations" if len(lengths) == 1 else "3 % of the curve"
        note = f"Line: moving average over {over}. Faint: one seed, unsmoothed.{band}"
        _note(figure, note + _left_out(record))
    return figure


def effects(results: Results, study: str) -> pd.DataFrame:
    """What the effect figure shows, arms in order, in percent.

    Columns: arm, seeds (an array of each seed's test accuracy), mean, half_width (of the 95 % interval),
    published (NaN where the report has none).
    """
    published = results.studies[study]["published"]
    rows = []
    for arm, trials in _of_first_arms(results.comparable(study)).groupby("arm", sort=False):
        accuracy = mean_of(trials.test_accuracy * 100)
        rows.append(
            {
                "arm": str(arm),
                "seeds": (trials.test_accuracy.dropna() * 100).to_numpy(float),
                "mean": accuracy.mean,
                "half_width": accuracy.half_width,
                "published": published.get(arm, {}).get("test_accuracy", float("nan")),
            }
        )
    return pd.DataFrame(rows)


def draw_effects(results: Results, study: str) -> Figure:
    """Arms on x, test accuracy on y: every seed a dot, mean and 95 % interval, the published value a mark."""
    record, shown = results.studies[study], effects(results, study)
    with style.context(STYLE, after_reset=True):
        figure, axes = _figure(record)
        for place, seeds in enumerate(shown.seeds):
            axes.plot(np.full(len(seeds), place - 0.15), seeds, "o", color="C0", markersize=3, alpha=0.6)
        spread = shown.half_width.fillna(0)
        axes.errorbar(shown.index, shown["mean"], spread, fmt="_", color="black", capsize=3, markersize=8)
        axes.plot(shown.index + 0.15, shown.published, "D", color="C3", markersize=4, markerfacecolor="none")
        axes.set_xticks(shown.index, [textwrap.fill(_label(arm), 12) for arm in shown.arm])
        axes.set(xlabel=_label(record["varies"].replace("_", " ")), ylabel="top-1 test accuracy, %")
        axes.set_xlim(-0.5, len(shown) - 0.5)
        values = np.concatenate([*shown.seeds, shown.published.dropna()])
        note = "Dots: seeds. Bar: mean and its 95 % interval."
        if shown.published.notna().any():
            note += " Diamond: published."
        if len(values) and np.ptp(values) > WIDE_RANGE:
            _log_error_scale(axes, values)
            note += "\nThe scale is logarithmic in the error."
        else:  # an interval may reach beyond what an accuracy can be
            axes.set_ylim(top=min(axes.get_ylim()[1], 100.5))
        _note(figure, note + _left_out(record))
    return figure


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


def _figure(record: dict[str, object]) -> tuple[Figure, Axes]:
    figure = Figure()
    FigureCanvasAgg(figure)
    number = "" if record["figure"] is None else f"Figure {record['figure']}: "
    axes = figure.add_subplot()
    axes.set_title(_cut(plain(f"{number}{record['title']}"), MOST_IN_TITLE))
    return figure, axes


def _of_first_arms(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[trials.arm.isin(trials.arm.unique()[:MOST_ARMS])]


def _left_out(record: dict[str, Any]) -> str:
    """A line for the note where a figure has not all arms of the study."""
    arms = len(record["arms"])
    return f"\nShown: the first {MOST_ARMS} of {arms:,} arms." if arms > MOST_ARMS else ""


def _label(text: object) -> str:
    return _cut(plain(text), MOST_IN_LABEL)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _note(figure: Figure, text: str) -> None:
    figure.supxlabel(text, fontsize=5.5)


def _log_error_scale(axes: Axes, values: Curve) -> None:
    """y as the logarithm of the error, so that 10 % and 97 % are legible side by side."""
    axes.set_yscale(
        "function",
        functions=(lambda y: -np.log10(np.maximum(100.01 - y, 1e-9)), lambda z: 100.01 - 10.0 ** (-z)),
    )
    ticks = [tick for tick in (10, 50, 80, 90, 95, 98, 99, 99.5) if values.min() - 10 <= tick]
    ticks = [tick for tick in ticks if tick <= 100 - (100 - values.max()) / 2]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_ylim(max(0.0, values.min() - 10), 100 - (100 - values.max()) / 2)
