"""Arms compared in pairs, seed by seed: with a study's reference arm, and with another storage or study."""

from __future__ import annotations

import pandas as pd

from analysis.results import Results
from analysis.statistics import CONFIDENCE, holm, mean_of, p_value, paired, seeds_to_decide


def from_reference(results: Results, study: str) -> pd.DataFrame:
    """Each arm's test accuracy minus the reference arm's, in percentage points; one row per arm, in order.

    Columns: arm, pairs (seeds that both have), difference, half_width (of its 95 % interval), p (paired t
    test), p_holm (corrected for the study's comparisons), seeds_to_decide (about how many would find this
    difference with 80 % power, where it is undecided). NaN for the reference itself, below 2 pairs, and
    where a seed diverged or was stopped early, since the others are no fair sample.
    """
    record = results.studies[study]
    by_arm = {
        str(arm): _by_seed(trials) for arm, trials in results.comparable(study).groupby("arm", sort=False)
    }
    reference = by_arm[record["reference"]]
    table = pd.DataFrame([_row(arm, reference, of, max(1, len(by_arm) - 1)) for arm, of in by_arm.items()])
    of_reference = table.arm == record["reference"]
    table.loc[of_reference, ["difference", "half_width", "p", "seeds_to_decide"]] = float("nan")
    return _corrected(table)


def side_by_side(a: Results, study_a: str, b: Results, study_b: str) -> pd.DataFrame:
    """The arms that two storages' (or one storage's two) studies share, and B's accuracy minus A's.

    Columns: arm, a and b (mean test accuracies in percent), n_a and n_b, then those of `from_reference`. p is
    corrected for the number of arms.
    """
    rows = []
    of_b = dict(list(b.comparable(study_b).groupby("arm", sort=False)))
    for arm, of_a in a.comparable(study_a).groupby("arm", sort=False):
        if arm not in of_b:
            continue
        left, right = (_by_seed(trials) for trials in (of_a, of_b[arm]))
        means = mean_of(left), mean_of(right)
        sides = {"a": means[0].mean, "n_a": means[0].n, "b": means[1].mean, "n_b": means[1].n}
        row = _row(str(arm), left, right, len(of_b))
        rows.append({"arm": row.pop("arm"), **sides, **row})
    return _corrected(pd.DataFrame(rows)) if rows else pd.DataFrame()


def _by_seed(trials: pd.DataFrame) -> pd.Series:
    """Test accuracies in percent by seed; none where a seed diverged."""
    accuracy: pd.Series = trials.set_index("seed").test_accuracy * 100
    return accuracy * float("nan") if (trials.status == "diverged").any() else accuracy


def _row(arm: str, left: pd.Series, right: pd.Series, comparisons: int) -> dict[str, object]:
    """right - left, over the seeds that both have."""
    both = pd.concat([left, right], axis=1, join="inner")
    difference = paired(both.iloc[:, 0], both.iloc[:, 1])
    return {
        "arm": arm,
        "pairs": difference.n,
        "difference": difference.mean,
        "half_width": difference.half_width,
        "p": p_value(both.iloc[:, 1] - both.iloc[:, 0]),
        "seeds_to_decide": seeds_to_decide(difference, comparisons),
    }


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """With p_holm; seeds_to_decide stays only where the corrected p leaves the difference undecided."""
    table.insert(list(table).index("p") + 1, "p_holm", holm(table.p))
    table["seeds_to_decide"] = table.seeds_to_decide.astype("float64").mask(table.p_holm < 1 - CONFIDENCE)
    return table
