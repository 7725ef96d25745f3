"""What a study's table says, as a DataFrame and as text."""

from __future__ import annotations

import pandas as pd
from upath import UPath

from analysis.results import Results
from analysis.statistics import mean_of


def arm_table(results: Results, study: str) -> pd.DataFrame:
    """One row per arm of the study, in order.

    Columns: arm, n (finished seeds), diverged, stopped (early) and pending
    (counts), test_accuracy (mean, in percent),
    half_width (of its 95 % interval over seeds, in points, NaN where n < 2), published (in percent, NaN
    where the report has none).
    """
    record = results.studies[study]
    rows = []
    for arm, trials in results.of(study).groupby("arm", sort=False):
        accuracy = mean_of(trials.test_accuracy * 100)
        rows.append(
            {
                "arm": arm,
                "n": accuracy.n,
                "diverged": int((trials.status == "diverged").sum()),
                "stopped": int((trials.status == "stopped").sum()),
                "pending": int(trials.status.isna().sum()),
                "test_accuracy": accuracy.mean,
                "half_width": accuracy.half_width,
                "published": record["published"].get(arm, {}).get("test_accuracy"),
            }
        )
    return pd.DataFrame(rows).astype({"published": "float64"})


def as_shown(table: pd.DataFrame, varies: str) -> pd.DataFrame:
    """The same as text for people: `96.52 ± 0.31`, empty where there is nothing to say."""
    shown = pd.DataFrame({varies: table.arm})
    shown["top-1 test accuracy, %"] = [
        _with_interval(mean, half_width)
        for mean, half_width in zip(table.test_accuracy, table.half_width, strict=True)
    ]
    shown["n"] = table.n.astype(str)
    for count in ("diverged", "stopped", "pending"):
        if table[count].any():
            shown[count] = table[count].astype(str).replace("0", "")
    if table.published.notna().any():
        shown["published, %"] = ["" if pd.isna(value) else f"{value:.2f}" for value in table.published]
    return shown


def save(table: pd.DataFrame, folder: UPath, name: str) -> UPath:
    """Write a table as CSV, with all its digits."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    path.write_text(table.to_csv(index=False))
    return path


def _with_interval(mean: float, half_width: float) -> str:
    if pd.isna(mean):
        return ""
    return f"{mean:.2f}" if pd.isna(half_width) else f"{mean:.2f} ± {half_width:.2f}"
