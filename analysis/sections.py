"""What a page says of one study: its table as text, notes, verdicts, and what would run it again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup

from . import claims, comparison, searching, shown, tables
from .judging import CONTRADICTED, REPRODUCED, UNDECIDED, Verdict
from .results import Results


@dataclass(frozen=True)
class Searched:
    """What is said of a study's search: what its best points came to, by objective and as text, and notes."""

    tables: dict[str, pd.DataFrame]
    shown: dict[str, pd.DataFrame]
    notes: list[str]


@dataclass(frozen=True)
class Section:
    """What is said of one study; `shown` is None while no trial of it is finished.

    `table` has all numbers, `shown` is the text of it. `figures` are elements of a page by their path in a report,
    `plots` what plotly.js draws in their place (see interactive).
    """

    record: dict[str, Any]
    table: pd.DataFrame
    shown: pd.DataFrame | None
    notes: list[str]
    verdicts: list[Verdict]
    pending: int
    command: str
    search: Searched | None = None
    figures: dict[str, Markup] = field(default_factory=dict)
    plots: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The study's name, by which its files are called."""
        return str(self.record["name"])

    @property
    def heading(self) -> str:
        """`Figure 10: Network Width`."""
        number = "" if self.record["figure"] is None else f"Figure {self.record['figure']}: "
        return f"{number}{self.record['title']}"

    @property
    def verdict_counts(self) -> dict[str, int]:
        """How many of its claims have which verdict, in the order in which they are told."""
        found = Counter(one.verdict for one in self.verdicts)
        return {
            verdict: found[verdict] for verdict in (REPRODUCED, CONTRADICTED, UNDECIDED) if found[verdict]
        }


def in_order(results: Results, studies: Iterable[str] | None = None) -> list[str]:
    """The names of these studies (all of the storage) in the order of their figures."""
    records = [results.studies[name] for name in (results.studies if studies is None else studies)]
    records.sort(key=lambda record: (record["figure"] or 10**6, record["name"]))
    return [record["name"] for record in records]


def section(results: Results, study: str) -> Section:
    """What is said of the study, without its figures."""
    record, table = results.studies[study], tables.arm_table(results, study)
    differences = comparison.from_reference(results, study)
    full = table.merge(differences, on="arm")
    reported, notes = None, []
    if table.n.any() or table.diverged.any():
        reported = shown.as_reported(table, differences, record)
        notes = [*shown.notes(table, record), *shown.other_data(record)]
    verdicts, pending = claims.verdicts(results, study), int(table.pending.sum())
    searched = _searched(results, study) if searching.searches(record) else None
    return Section(record, full, reported, notes, verdicts, pending, _again(record), searched)


def _searched(results: Results, study: str) -> Searched:
    metrics = searching.objectives(results, study)
    tables = {metric.name: searching.honest(results, study, metric) for metric in metrics}
    texts = {metric.title: shown.as_found(tables[metric.name], metric) for metric in metrics}
    return Searched(tables, texts, [*searching.said(results, study)])


def _again(record: Mapping[str, Any]) -> str:
    """What runs a study again: a command; of one that comes from no file, a call."""
    seeds, overrides = record["seeds"], record["overrides"]
    # Seeds that were added where something was undecided differ from arm to arm.
    same = len({len(candidate["keys"]) for arm in record["arms"] for candidate in arm["candidates"]}) == 1
    if record["source"]:
        how = ["--seeds", str(seeds)] if same else ["--until-decided", "--max-seeds", str(seeds)]
        changed = [word for key, value in overrides.items() for word in ("--set", _setting(key, value))]
        return shlex.join(["study", "tune", record["source"], *how, *changed])
    how = [f"seeds={seeds}"] if same else ["until_decided=True", f"max_seeds={seeds}"]
    changed = [f"overrides={overrides!r}"] if overrides else []
    return f"study.run({', '.join(['STUDY', *how, *changed])})"


def _setting(key: str, value: Any) -> str:
    return f"{key}={value if isinstance(value, str) else json.dumps(value)}"
