"""What a study's figures show: computed as DataFrames, then drawn."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from upath import UPath

from analysis.results import Results

STYLE = Path(__file__).with_name("study.mplstyle")
# A minibatch's accuracy is a noisy estimate; the line is its moving average over this share of an epoch.
SMOOTHING_SHARE = 0.03


def smoothing_window(iterations: int) -> int:
    """Iterations of the moving average for a curve of this length, at least 1."""
    return max(1, round(iterations * SMOOTHING_SHARE))


def drawn(results: Results, study: str) -> pd.DataFrame:
    """The trials whose curves a figure shows: those that ended by themselves."""
    trials = results.of(study)
    return trials[trials.status.isin(["finished", "diverged"])]


def training_curves(results: Results, study: str) -> pd.DataFrame:
    """Training accuracy per iteration and arm over the seeds that are finished.

    Columns: arm, iteration, mean, low, high (of the seeds' moving averages: mean, lowest and highest),
    raw (the first seed's unsmoothed value). In [0, 1].
    """
    trials = drawn(results, study)
    curves = results.curves(trials.key).merge(trials[["key", "arm", "seed"]], on="key")
    frames = []
    for arm, of_arm in curves.groupby("arm", sort=False):
        seeds = of_arm.pivot_table(index="iteration", columns="seed", values="train_accuracy")
        smooth = seeds.rolling(smoothing_window(len(seeds)), min_periods=1).mean()
        frames.append(
            pd.DataFrame(
                {
                    "arm": arm,
                    "iteration": seeds.index,
                    "mean": smooth.mean(axis=1),
                    "low": smooth.min(axis=1),
                    "high": smooth.max(axis=1),
                    "raw": seeds.iloc[:, 0],
                }
            )
        )
    if not frames:
        return pd.DataFrame(columns=["arm", "iteration", "mean", "low", "high", "raw"])
    in_order = pd.concat(frames, ignore_index=True)
    order = {arm["label"]: place for place, arm in enumerate(results.studies[study]["arms"])}
    return in_order.sort_values(
        ["arm", "iteration"], key=lambda of: of.map(order) if of.name == "arm" else of
    )


def draw_training_curves(results: Results, study: str) -> Figure:
    """The report's kind of figure: training accuracy per iteration, a line per arm, a band over seeds."""
    record = results.studies[study]
    curves = training_curves(results, study)
    seeds = int(drawn(results, study).groupby("arm").size().max())
    with style.context(STYLE):
        figure = Figure()
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for place, (arm, of_arm) in enumerate(curves.groupby("arm", sort=False)):
            colour = f"C{place}"
            axes.plot(of_arm.iteration, of_arm.raw * 100, color=colour, alpha=0.15, linewidth=0.5)
            axes.fill_between(
                of_arm.iteration, of_arm.low * 100, of_arm.high * 100, color=colour, alpha=0.3, lw=0
            )
            axes.plot(of_arm.iteration, of_arm["mean"] * 100, color=colour, label=str(arm))
        number = "" if record["figure"] is None else f"Figure {record['figure']}: "
        axes.set(title=f"{number}{record['title']}", xlabel="iteration", ylabel="training accuracy, %")
        axes.set_ylim(0, 101)
        axes.set_xlim(0, None)
        axes.legend(title=record["varies"].replace("_", " "), loc="lower right")
        window = smoothing_window(int(curves.iteration.max()))
        band = f"; band: lowest to highest of {seeds} seeds" if seeds > 1 else ""
        figure.supxlabel(
            f"Line: moving average over {window} iterations{band}. Faint: one seed, unsmoothed.", fontsize=5.5
        )
    return figure


def save(figure: Figure, folder: UPath, name: str) -> list[UPath]:
    """Write the figure as PNG and SVG; the same results give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with style.context(STYLE):
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            content = io.BytesIO()
            figure.savefig(content, format=kind, metadata=metadata)
            paths.append(folder / f"{name}.{kind}")
            paths[-1].write_bytes(content.getvalue())
    return paths
