"""Everything that a storage holds as a few plain tables, for R, Excel and programs of one's own.

    trials         one row per study, arm, candidate and seed: metrics, hyperparameters (config.*), facts.*, provenance
    curves         one row per trial and step: key, step, each metric (not scaled for a unit), empty where not measured
    arms           one row per study and arm: means, intervals, counts, differences from the reference arm
    verdicts       one row per study, claim and comparison

A trial that several studies share stands in each of them; its curve stands once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from upath import UPath

from study.paths import expanded
from study.store.files import Files

from . import claims, comparison, tables
from .results import ENDED, Results

Kind = Literal["csv", "parquet"]
# Those that are a comparison's own are called as in `judging.Comparison`. Those of which `counts` is false are shown
# beside a verdict, such as the steps between the arms of a trend.
OF_COMPARISON = ("n", "mean", "low", "high", "unit", "note")
VERDICT = ["claim", "kind", "sentence", "verdict", "counts", "compared", *OF_COMPARISON, "comparison_verdict"]


def write(results: Results, out: Path, kind: Kind) -> list[Path]:
    """Write the tables of all studies that were loaded into `out`; where they lie. Raises OSError where that fails."""
    out = expanded(out)
    out.mkdir(parents=True, exist_ok=True)
    files, written = Files(UPath(out.absolute())), []
    for name, table in _tables(results):
        content = tables.csv(table) if kind == "csv" else _parquet(table)
        files.write(f"{name}.{kind}", content)
        written.append(out / f"{name}.{kind}")
    return written


def _tables(results: Results) -> Iterator[tuple[str, pd.DataFrame]]:
    trials = {study: results.every(study) for study in results.studies}
    yield "trials", _of_all(trials)
    keys = pd.concat([table.key[table.status.isin(ENDED)] for table in trials.values()])
    yield "curves", results.curves(keys)
    yield (
        "arms",
        _of_all(
            {
                study: tables.arm_table(results, study).merge(
                    comparison.from_reference(results, study), on="arm"
                )
                for study in results.studies
            }
        ),
    )
    yield "verdicts", _of_all({study: _verdicts(results, study) for study in results.studies})


def _of_all(of_studies: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One table, with the study as its first column."""
    together = [table.assign(study=study) for study, table in of_studies.items()]
    table = pd.concat(together, ignore_index=True)
    return table[["study", *(name for name in map(str, table) if name != "study")]]


def _verdicts(results: Results, study: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "claim": place,
            "kind": found.claim.kind,
            "sentence": found.claim.sentence,
            "verdict": found.verdict,
            "counts": counts,
            "compared": one.what,
            **{name: getattr(one, name) for name in OF_COMPARISON},
            "comparison_verdict": one.verdict,
        }
        for place, found in enumerate(claims.verdicts(results, study))
        for counts, part in ((True, found.comparisons), (False, found.beside))
        for one in part
    ]
    return pd.DataFrame(rows, columns=VERDICT)


def _parquet(table: pd.DataFrame) -> bytes:
    """Columns of more than one kind of value (a hyperparameter that is a number here and a word there) become texts."""
    mixed = {
        name: column.map(lambda value: None if pd.isna(value) else str(value))
        for name, column in table.items()
        if column.dtype == object and len(set(map(type, column.dropna()))) > 1
    }
    content = io.BytesIO()
    table.assign(**{str(name): column for name, column in mixed.items()}).to_parquet(content, index=False)
    return content.getvalue()
