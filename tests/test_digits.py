"""Numbers as people see them: digits, titles, and the largest numbers that there are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from storages import storage_of

from analysis import load
from analysis.claims import verdicts
from analysis.comparison import from_reference, side_by_side
from analysis.digits import Digits, digits_of, digits_of_counts
from analysis.figures import draw_effects, draw_training_curves, rendered
from analysis.shown import as_reported
from analysis.tables import arm_table
from study.declare import claims
from study.errors import StudyError
from study.metric import lower

LOSS = lower("loss", "nats")


@pytest.mark.parametrize(
    ("values", "half_widths", "shown"),
    [
        ([0.0123, 0.0131], [0.0004, 0.0005], ["0.01230 ± 0.00040", "0.01310 ± 0.00050"]),
        ([1234567.8, 1300000.0], [math.nan, math.nan], ["1,234,568", "1,300,000"]),
        ([1234567.8], [2345.6], ["1,234,568 ± 2,346"]),
        ([0.5123, 3.2], [math.nan, math.nan], ["0.51", "3.20"]),
        ([-3.14159], [math.nan], ["−3.142"]),
        ([0.0, 0.0], [0.0, math.nan], ["0.00 ± 0.00", "0.00"]),
        ([math.nan, 2.0], [math.nan, 0.5], ["", "2.00 ± 0.50"]),
        ([1.5e-12], [2e-14], ["1.500e-12 ± 2.000e-14"]),
        ([6.02214e23], [math.nan], ["6.022e+23"]),
    ],
)
def test_a_column_has_the_digits_that_its_intervals_have(
    values: list[float], half_widths: list[float], shown: list[str]
) -> None:
    assert digits_of("nats", values, half_widths).with_intervals(values, half_widths) == shown


def test_percentages_have_two_decimals_and_counts_none() -> None:
    assert digits_of("%", [12.3456], [0.0001]) == digits_of("points", [7.0]) == Digits(2)
    assert digits_of_counts([3274.0, math.nan]).texts([3274.0, math.nan]) == ["3,274", ""]
    assert digits_of_counts([0.25, 3]).texts([0.25, 3]) == ["0.25", "3.00"]


@pytest.mark.parametrize("name", ["seed", "rate", "val_loss_half_width", "best_step"])
def test_a_metric_is_not_called_like_a_column_beside_it(name: str) -> None:
    with pytest.raises(StudyError, match="is the name of a column of our own"):
        lower(name)


def test_columns_of_one_title_are_told_apart(tmp_path: Path) -> None:
    metrics = [LOSS, lower("count", label="n"), lower("other", label="n")]
    trial = {"loss": [1.0], "count": [2.0], "other": [3.0]}
    results = load(storage_of(tmp_path, metrics, {"an arm": [trial]}, varies="n"))
    table = arm_table(results, "width")
    shown = as_reported(table, from_reference(results, "width"), results.studies["width"])
    assert list(shown)[:5] == ["n", "loss, nats", "n (2)", "n (3)", "n (4)"]
    assert shown["n"].tolist() == ["an arm"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("large", [1e308, -1e308, 1e200, 5e-324])
def test_the_largest_numbers_there_are_are_shown_and_drawn(tmp_path: Path, large: float) -> None:
    claimed = [
        claims.increasing("loss", "."),
        claims.equivalent("loss", ".", margin=1),
        claims.levels_off("loss", ".", margin=1),
        claims.rougher("loss", ".", "a", "b"),
    ]
    trials = {
        "a": [{"loss": [1.0, value]} for value in (large, -large, large)],
        "b": [{"loss": [2.0, value]} for value in (1.0, large, large)],
    }
    published = {"a": {"loss": large}}
    results = load(storage_of(tmp_path, [LOSS], trials, claimed, published))
    assert len(verdicts(results, "width")) == 4
    assert all(found.numbers for found in verdicts(results, "width"))
    differences = from_reference(results, "width")
    assert len(as_reported(arm_table(results, "width"), differences, results.studies["width"])) == 2
    assert len(side_by_side(results, "width", results, "width")) == 2
    for draw in (draw_training_curves, draw_effects):
        assert rendered(draw(results, "width"), "png")
