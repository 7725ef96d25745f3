"""The results of a storage's trials as one table, a row each, of a bounded number of columns."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from study.lineage import told

# The columns that any trial has; durations in seconds, `rate` in what its training counts a second.
FIXED = {
    "key": "str",
    "status": "str",
    "seed": "Int64",
    "training": "str",
    "data": "str",
    "steps": "Int64",
    "training_seconds": "float64",
    "rate": "float64",
    "started": "str",
    "device": "str",
    "cpu": "str",
    "torch": "str",
    "ray": "str",
    "python": "str",
    "weights_sha256": "str",
}
FROM_PROVENANCE = ("training_seconds", "rate", "started", "device", "cpu", "torch", "ray", "python")
# Columns of each kind besides: what somebody else wrote may name another metric in each trial.
MOST_METRICS, MOST_HYPERPARAMETERS, MOST_FACTS = 1000, 200, 100
A_METRIC = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)

Result = dict[str, Any]


def row_of(result: Result) -> Result:
    """What the table needs of a result; of a diverged trial no metrics."""
    finished, changes = result["status"] == "finished", result.get("lineage")
    return {
        **{name: result[name] for name in FIXED if name in result},
        **{name: result["provenance"][name] for name in FROM_PROVENANCE},
        "metrics": result["metrics"] if finished else {},
        "at": result["at"] if finished else {},
        "config": {**result["config"], **({"lineage": told(changes)} if changes else {})},
        "facts": result["facts"],
    }


def table_of(rows: Sequence[Result], metrics: Iterable[str], best: Iterable[str]) -> pd.DataFrame:
    """One row per trial, from what `row_of` gives; of a trial without a result only key and status.

    Columns: those of FIXED; each of `metrics`, then others that were found (float64, not scaled for a unit);
    `at.<metric>` for each of `best`, the step of its value; `config.<name>`; `facts.<name>` (float64).
    NaN where a trial has none. Hyperparameters that are lists or mappings are JSON.
    """
    fixed = {name: [row.get(name) for row in rows] for name in FIXED}
    measured, found_at, facts, configs = (
        [row.get(part, {}) for row in rows] for part in ("metrics", "at", "facts", "config")
    )
    known = [name for name in _names(measured, MOST_METRICS, metrics) if _is_metric(name)]
    wide = {
        **{name: _numbers(name, measured) for name in known},
        **{f"at.{name}": _numbers(name, found_at) for name in best},
        **{f"config.{name}": _values(name, configs) for name in _names(configs, MOST_HYPERPARAMETERS)},
        **{f"facts.{name}": _numbers(name, facts) for name in _names(facts, MOST_FACTS)},
    }
    # All at once: a table that grows column by column is copied each time.
    return pd.concat([pd.DataFrame(fixed).astype(FIXED), pd.DataFrame(wide, index=range(len(rows)))], axis=1)


def _is_metric(name: str) -> bool:
    return name not in FIXED and A_METRIC.fullmatch(name) is not None


def _names(parts: Iterable[Mapping[str, Any]], most: int, first: Iterable[str] = ()) -> list[str]:
    names = dict.fromkeys(first)
    for part in parts:
        names.update(dict.fromkeys(part))
        if len(names) >= most:
            break
    return list(names)[:most]


def _numbers(name: str, parts: Iterable[Mapping[str, Any]]) -> pd.Series:
    return pd.Series([float(part.get(name, math.nan)) for part in parts], dtype="float64")


def _values(name: str, parts: Iterable[Mapping[str, Any]]) -> pd.Series:
    values = [part.get(name) for part in parts]
    return pd.Series([json.dumps(value) if isinstance(value, list | dict) else value for value in values])
