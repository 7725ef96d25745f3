"""What all studies of a page come to: counts, one table of all arms, and what the trials were made with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from study.store.trial_store import keys_of

from . import shown
from .results import Results, metrics_of
from .sections import Section

# How near a published value in % must be to count as about the same as ours, in percentage points.
MARGIN = 1.0


def counted(results: Results, sections: Sequence[Section]) -> dict[str, Any]:
    """How many published values and claims hold, and how much is still to be trained.

    Published values are counted where they are in % and for the data that ours are for: one margin says nothing of
    other units.
    """
    differences = [
        section.table.published_minus_ours
        for section in sections
        if metrics_of(section.record)[0].unit == "%" and not shown.other_data(section.record)
    ]
    away = pd.concat(differences or [pd.Series(dtype=float)]).dropna().abs()
    keys = {key for section in sections for key in keys_of(section.record)}
    return {
        "trials": len(results.trials),
        "pending": len(keys - set(results.trials.key)),
        "published": len(away),
        "within_margin": int((away <= MARGIN).sum()),
        "margin": MARGIN,
        "verdicts": Counter(found.verdict for section in sections for found in section.verdicts),
        "claims": sum(len(section.verdicts) for section in sections),
    }


def table(sections: Sequence[Section]) -> pd.DataFrame:
    """All arms of all studies as text: the table of the whole report, by each study's first metric.

    Where studies have other first metrics, a column names them.
    """
    titles = {metrics_of(section.record)[0].title for section in sections}
    parts = [_summarized(section, one_metric=len(titles) == 1) for section in sections]
    return pd.concat(parts, ignore_index=True).fillna("")


def _summarized(section: Section, one_metric: bool) -> pd.DataFrame:
    arms, metric = section.table, metrics_of(section.record)[0]
    digits, others = shown.digits_of_metric(arms, metric), len(arms) - 1
    columns = {"study": [section.record["title"], *[""] * others], "arm": arms.arm}
    if not one_metric:
        columns["metric"] = [metric.title, *[""] * others]
    columns |= {
        metric.title if one_metric else "mean": [
            text or "pending" for text in shown.with_intervals(arms, metric)
        ],
        "n": arms.n.astype(str),
        shown.published_title(metric) if one_metric else "published": digits.texts(arms.published),
        "published − ours": digits.texts(arms.published_minus_ours, sign=True),
    }
    return pd.DataFrame(columns)


def made_with(trials: pd.DataFrame) -> list[str]:
    """Trainings, hardware and versions of the trials, a line each, with the number of trials where they differ."""
    lines = []
    for name in ("training", "device", "cpu", "torch", "ray", "python"):
        counts = trials[name].dropna().value_counts()
        if len(counts):
            each = [f"{value} ({n} trials)" for value, n in counts.items()]
            lines.append(f"{name}: {', '.join(each) if len(counts) > 1 else counts.index[0]}")
    seconds = trials.training_seconds.dropna()
    if len(seconds):
        lines.append(f"time: {seconds.sum():,.0f} s of training in {len(seconds)} trials")
    return lines
