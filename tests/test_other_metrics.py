"""Analysis goes by metrics: other units, lower is better, few values of a series, arms of different lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from storages import Trial, made_storage, storage_of

from analysis import load
from analysis.claims import verdicts
from analysis.comparison import from_reference, side_by_side
from analysis.figures import draw_effects, draw_training_curves
from analysis.judging import Verdict
from analysis.plotted import curves, effects
from analysis.report import write
from analysis.shown import as_reported, as_shown, notes
from analysis.tables import arm_table
from study.declare import claims
from study.declare.claims import Claim
from study.metric import Metric, higher, lower

LOSS = lower("loss", "nats", label="validation loss")
NATS = (LOSS, lower("best_loss", "nats", of="loss", counts="best"))
LOW, MIDDLE, HIGH = (2.301, 2.305, 2.303), (2.402, 2.404, 2.409), (2.504, 2.501, 2.505)
DIVERGED: Trial = ("diverged", {"loss": [2.0, 2.0]})
ARMS = {"small": HIGH, "large": LOW}


def ended(value: float, steps: int = 40) -> Trial:
    """Falls by 0.1 a step, and is so high at the end."""
    return {"loss": (value + np.maximum(0, 20 - np.arange(steps)) / 10).tolist()}


def of_values(arms: dict[str, Sequence[float | None]]) -> dict[str, list[Trial]]:
    """Trials that end so high; None diverges."""
    return {
        arm: [DIVERGED if value is None else ended(value) for value in of_seeds]
        for arm, of_seeds in arms.items()
    }


def judged(folder: Path, claim: Claim, arms: dict[str, list[Trial]]) -> Verdict:
    (found,) = verdicts(load(storage_of(folder, NATS, arms, [claim])), "width")
    return found


def test_a_table_of_nats_has_the_digits_of_its_intervals_and_no_hundredfold(tmp_path: Path) -> None:
    published = {"large": {"loss": 2.31}}
    results = load(storage_of(tmp_path, NATS, of_values(ARMS), published=published))
    record, table = results.studies["width"], arm_table(results, "width")
    assert table.loss.tolist() == pytest.approx([np.mean(HIGH), np.mean(LOW)])
    assert table.best_loss_step.tolist() == [21, 21]
    assert table.published_minus_ours.tolist()[1] == pytest.approx(2.31 - 2.303)
    assert table.case_error.isna().all()
    shown = as_shown(table, record)
    # t(2 degrees, 97.5 %) = 4.302653: 4.302653 * 0.0020817 / sqrt(3) = 0.00517, and 0.00497 of the other
    assert shown["validation loss, nats"].tolist() == ["2.5033 ± 0.0052", "2.3030 ± 0.0050"]
    assert shown["published, nats"].tolist() == ["", "2.3100"]
    differences = from_reference(results, "width")
    assert differences.difference.tolist()[1] == pytest.approx(np.mean(LOW) - np.mean(HIGH))
    reported = as_reported(table, differences, record)
    assert reported["difference from small"].tolist()[1].startswith("−0.2003 [−0.2097, −0.19")
    assert reported["published − ours"].tolist() == ["", "+0.0070"]
    assert not [note for note in notes(table, record) if "binomial" in note]


def test_the_report_and_figures_of_nats_say_so(tmp_path: Path) -> None:
    published = {"large": {"loss": 2.31}}
    told = [claims.below("loss", "Larger is better.", "large", "small")]
    results = load(storage_of(tmp_path / "results", NATS, of_values(ARMS), told, published))
    page = write(results, tmp_path / "out").with_name("report.md").read_text()
    assert "validation loss, nats" in page
    assert "below, validation loss, nats: small − large: 0.2003" in page
    assert "nats (n = 3)" in page
    # One margin in points says nothing of nats.
    assert "published value" not in page
    for draw in (draw_training_curves, draw_effects):
        (axes,) = draw(results, "width").axes
        assert axes.get_ylabel() == "validation loss, nats"
        assert axes.get_yscale() == "linear"
        assert axes.get_ylim()[1] < 10
    assert effects(results, "width").published.tolist()[1] == 2.31


@pytest.mark.parametrize(
    ("claim", "arms", "verdict"),
    [
        (claims.increasing("loss", "."), {"a": LOW, "b": MIDDLE, "c": HIGH}, "reproduced"),
        (claims.increasing("loss", ".", each_step=True), {"a": LOW, "b": HIGH, "c": MIDDLE}, "contradicted"),
        (claims.decreasing("loss", "."), {"a": HIGH, "b": MIDDLE, "c": LOW}, "reproduced"),
        (claims.decreasing("loss", "."), {"a": LOW, "b": MIDDLE, "c": HIGH}, "contradicted"),
        (claims.below("loss", ".", "a", "b"), {"a": LOW, "b": HIGH}, "reproduced"),
        (claims.below("loss", ".", "a", "b"), {"a": HIGH, "b": LOW}, "contradicted"),
        # Margins are in nats, not in hundredths of them.
        (claims.below("loss", ".", "a", "b", margin=0.15), {"a": LOW, "b": HIGH}, "reproduced"),
        (claims.below("loss", ".", "a", "b", margin=0.25), {"a": LOW, "b": HIGH}, "contradicted"),
        (claims.equivalent("loss", ".", margin=0.15), {"a": LOW, "b": MIDDLE}, "reproduced"),
        (claims.equivalent("loss", ".", margin=0.05), {"a": LOW, "b": MIDDLE}, "contradicted"),
        (claims.levels_off("loss", ".", "a", margin=0.01), {"a": LOW * 2, "b": HIGH}, "reproduced"),
        (claims.drops("loss", ".", "a", to=2.3, margin=0.1), {"a": LOW * 2, "b": HIGH}, "reproduced"),
        (claims.drops("loss", ".", "b", to=2.3, margin=0.1), {"a": LOW, "b": HIGH * 2}, "contradicted"),
        # The first 10 steps, 2 to 1.1 nats higher, are told apart by the same 0.2.
        (claims.below("loss", ".", "a", "b", first=10), {"a": LOW, "b": HIGH}, "reproduced"),
        # Where a loss diverged there is nothing to say of what it would have been.
        (claims.below("loss", ".", "a", "b"), {"a": LOW, "b": (*HIGH[:2], None)}, "undecided"),
        (claims.below("loss", ".", "a", "b"), {"a": HIGH, "b": (*LOW, None)}, "undecided"),
        (claims.below("loss", ".", "a", "b"), {"a": (None,) * 3, "b": HIGH}, "undecided"),
        (claims.increasing("loss", "."), {"a": LOW, "b": (None, *MIDDLE[1:]), "c": HIGH}, "undecided"),
        (claims.equivalent("loss", ".", margin=0.3), {"a": LOW, "b": (*HIGH, None)}, "undecided"),
        (claims.equivalent("loss", ".", margin=0.1), {"a": (*LOW, None), "b": (*HIGH, 2.5)}, "undecided"),
        (claims.levels_off("loss", ".", "a", margin=0.1), {"a": (*LOW, None), "b": HIGH}, "undecided"),
        # Their starts are there all the same.
        (
            claims.equivalent("loss", ".", first=1, margin=6),
            {"a": (*LOW, 2.3), "b": (None, *LOW)},
            "reproduced",
        ),
        # Other arms than those of the claim may diverge.
        (claims.below("loss", ".", "a", "b"), {"a": LOW, "b": HIGH, "c": (None,) * 3}, "reproduced"),
    ],
)
def test_claims_about_a_loss(
    tmp_path: Path, claim: Claim, arms: dict[str, Sequence[float | None]], verdict: str
) -> None:
    found = judged(tmp_path, claim, of_values(arms))
    assert found.verdict == verdict, found.numbers


def test_a_loss_that_still_falls_does_not_level_off(tmp_path: Path) -> None:
    falling: list[Trial] = [{"loss": np.linspace(4 + seed / 100, 2, 40).tolist()} for seed in range(3)]
    found = judged(tmp_path, claims.levels_off("loss", ".", "a", margin=0.01), {"a": falling})
    assert found.verdict == "contradicted"
    assert found.comparisons[0].mean == pytest.approx(-40 * 2.01 / 39)
    assert found.comparisons[0].unit == "nats"


def test_a_diverged_trial_counts_as_the_worst_that_its_metric_names(tmp_path: Path) -> None:
    worst = (lower("loss", "nats", worst=10.0),)
    claim = claims.below("loss", ".", "a", "b")
    arms = of_values({"a": LOW, "b": (None,) * 3})
    (found,) = verdicts(load(storage_of(tmp_path, worst, arms, [claim])), "width")
    assert found.verdict == "reproduced"
    assert found.comparisons[0].mean == pytest.approx(10 - np.mean(LOW))


def test_an_arm_with_a_diverged_trial_has_no_difference(tmp_path: Path) -> None:
    results = load(storage_of(tmp_path, NATS, of_values({"a": LOW, "b": (*HIGH[:2], None)})))
    table = arm_table(results, "width").set_index("arm")
    assert (table.n["b"], table.diverged["b"]) == (2, 1)
    assert table.loss["b"] == pytest.approx(np.mean(HIGH[:2]))
    assert math.isnan(from_reference(results, "width").set_index("arm").difference["b"])


@pytest.mark.parametrize(
    ("second", "selected"),
    [
        ((2.2, 2.2, 2.2), "lr=0.2"),
        (HIGH, "lr=0.1"),
        ((None, 2.0, 2.0), "lr=0.1"),  # none of the first's diverged
    ],
)
def test_of_candidates_the_one_with_the_lowest_loss_is_selected(
    tmp_path: Path, second: Sequence[float | None], selected: str
) -> None:
    metrics = (higher("accuracy", "%"), LOSS)
    trials: dict[str, list[Trial]] = {}
    for arm, of_seeds in {"first": LOW, "second": second}.items():
        trials[arm] = [
            ("diverged", {"loss": [2.0], "accuracy": [0.5]})
            if value is None
            else {"loss": [value], "accuracy": [0.5]}
            for value in of_seeds
        ]
    store = storage_of(tmp_path, metrics, trials)
    record = {**store.study("width"), "selected_by": "loss"}
    for arm, lr in zip(record["arms"], (0.1, 0.2), strict=True):
        arm["candidates"][0]["overrides"] = {"lr": lr}
    record["arms"] = [{**record["arms"][0], "candidates": [arm["candidates"][0] for arm in record["arms"]]}]
    store.save_study(record)
    assert set(load(store).of("width").tuned) == {selected}


def sparse(values: Sequence[float], every: int) -> list[float]:
    """A value at the end of each so many steps."""
    return [of for value in values for of in [*[math.nan] * (every - 1), value]]


def test_a_sparse_metric_s_curve_has_its_own_steps_and_no_average(tmp_path: Path) -> None:
    trials: dict[str, list[Trial]] = {
        "a": [{"loss": sparse([4 - seed, 3 - seed, 2 - seed], 10)} for seed in range(2)]
    }
    results = load(storage_of(tmp_path, NATS, trials))
    shown = curves(results, "width")
    assert (shown.sparse, shown.relative, shown.seeds) == (True, False, 2)
    assert shown.table.x.tolist() == [10, 20, 30]
    assert shown.table["mean"].tolist() == pytest.approx([3.5, 2.5, 1.5])
    assert shown.table.low.tolist() == pytest.approx([3, 2, 1])
    assert shown.table.high.tolist() == shown.table.raw.tolist() == pytest.approx([4, 3, 2])
    figure = draw_training_curves(results, "width")
    assert "moving average" not in figure.get_supxlabel()
    (line,) = figure.axes[0].get_lines()
    assert line.get_xydata().tolist() == [[10, 3.5], [20, 2.5], [30, 1.5]]
    assert line.get_marker() == "o"


def test_an_arm_that_is_measured_once_is_drawn_as_a_point_and_a_bar(tmp_path: Path) -> None:
    trials: dict[str, list[Trial]] = {
        "long": [{"loss": [4.0 - seed, 3, 2]} for seed in range(2)],
        "once": [{"loss": [1.0 + seed]} for seed in range(2)],
    }
    axes = draw_training_curves(load(storage_of(tmp_path, NATS, trials)), "width").axes[0]
    drawn = {line.get_label(): line for line in axes.get_lines()}
    assert drawn["once"].get_xydata().tolist() == [[100, 1.5]]
    assert (drawn["long"].get_marker(), drawn["once"].get_marker()) == ("None", "o")
    (bar,) = (lines for lines in axes.collections if isinstance(lines, LineCollection))
    assert [path.vertices.tolist() for path in bar.get_paths()] == [[[100, 1], [100, 2]]]


@pytest.mark.parametrize(
    ("claim", "verdict", "means"),
    [
        # At the first 20 steps stand two values of one arm and one of the other.
        (claims.above("loss", ".", "a", "b", first=20), "reproduced", [3.5 - 1.5]),
        # As many steps of both: the shorter one has 30.
        (claims.above("loss", ".", "a", "b", first=1000), "reproduced", [3 - 1.5]),
        # None of one arm: that says nothing.
        (claims.above("loss", ".", "a", "b", first=15), "undecided", [math.nan]),
        # Three values and four are no equal parts of the training.
        (claims.rougher("loss", ".", "a", "b"), "undecided", [math.nan]),
        (claims.above("best_loss", ".", "a", "b"), "reproduced", [2 - 0.5]),
    ],
)
def test_claims_about_a_sparse_metric_go_by_its_steps(
    tmp_path: Path, claim: Claim, verdict: str, means: list[float]
) -> None:
    # Each seed a little higher, and in one arm a little more so.
    arms: dict[str, list[Trial]] = {
        "a": [{"loss": sparse(np.array([4, 3, 2]) + seed / 500, 10)} for seed in range(3)],
        "b": [{"loss": sparse(np.array([1.5, 1, 0.5, 1.0]) + seed / 900, 20)} for seed in range(3)],
    }
    found = judged(tmp_path, claim, arms)
    assert found.verdict == verdict, found.numbers
    assert [one.mean for one in found.comparisons] == pytest.approx(means, abs=0.005, nan_ok=True)


def test_arms_of_different_lengths_are_drawn_by_the_share_of_their_own_training(tmp_path: Path) -> None:
    def rising(steps: int, diverged_after: int | None = None) -> Trial:
        values = {"loss": np.linspace(1 / steps, 1, steps)[:diverged_after].tolist()}
        return values if diverged_after is None else ("diverged", values)

    trials = {
        "short": [rising(40), rising(80)],
        "long": [rising(400), rising(400, diverged_after=200)],
        "gone": [rising(400, diverged_after=100)],
    }
    results = load(storage_of(tmp_path, NATS, trials))
    shown = curves(results, "width")
    assert (shown.relative, shown.sparse, shown.window) == (True, False, None)
    by_arm = dict(iter(shown.table.groupby("arm", sort=False)))
    for arm, line in by_arm.items():
        assert line.x.min() > 0
        assert line.x.max() == pytest.approx(100, abs=1), arm
    # A metric that is the share of the training lies on the diagonal, but for the moving average.
    for arm in ("short", "long"):
        assert (100 * by_arm[arm]["mean"] - by_arm[arm].x).abs().max() < 3
    # The second seed of the longer arm is there up to where it diverged.
    late = by_arm["long"][by_arm["long"].x > 51]
    assert (late.low == late.high).all()
    figure = draw_training_curves(results, "width")
    assert figure.axes[0].get_xlabel() == "% of its own training"
    assert "moving average over 3 % of the curve" in figure.get_supxlabel()


def test_published_values_of_two_metrics_are_each_in_its_own_unit(tmp_path: Path) -> None:
    metrics = (higher("accuracy", "%"), LOSS)
    trials: dict[str, list[Trial]] = {
        "a": [{"accuracy": [0.9 + seed / 1000], "loss": [2.3 + seed / 1000]} for seed in range(3)]
    }
    published = {"a": {"accuracy": 90.0, "loss": 2.305}}
    told = [claims.about_published(".", margin=0.5), claims.about_published(".", margin=0.2)]
    results = load(storage_of(tmp_path / "results", metrics, trials, told, published))
    near, far = verdicts(results, "width")
    assert (near.metric, near.about) == (None, "about published")
    assert near.verdict == "reproduced"
    assert [(one.what, one.unit) for one in near.comparisons] == [
        ("another run of a − published", "points"),
        ("another run of a − published (loss)", "nats"),
    ]
    assert [one.mean for one in near.comparisons] == pytest.approx([0.1, -0.004])
    assert [one.verdict for one in far.comparisons] == ["undecided", "reproduced"]
    # The table and the figure of effects are of the first.
    table = arm_table(results, "width")
    assert table.published.tolist() == [90.0]
    assert table.published_minus_ours.tolist() == pytest.approx([-0.1])
    assert "Of 1 published value in %, 1 lies within" in write(results, tmp_path / "out").read_text()


def test_what_is_left_of_an_arm_that_diverged_is_not_about_what_was_published(tmp_path: Path) -> None:
    arms = of_values({"a": (*LOW, None)})
    told = [claims.about_published(".", margin=0.1), claims.about_published(".", margin=0.001)]
    results = load(storage_of(tmp_path, NATS, arms, told, {"a": {"loss": 2.33}}))
    assert [found.verdict for found in verdicts(results, "width")] == ["undecided"] * 2


def test_a_published_value_of_another_metric_than_the_first_is_no_column(tmp_path: Path) -> None:
    metrics = (higher("accuracy", "%"), LOSS)
    trials: dict[str, list[Trial]] = {"a": [{"accuracy": [0.9], "loss": [2.3]}] * 2}
    results = load(storage_of(tmp_path, metrics, trials, published={"a": {"loss": 2.305}}))
    table = arm_table(results, "width")
    assert table.published.isna().all()
    assert "published, %" not in as_shown(table, results.studies["width"])


def test_studies_of_other_metrics_share_no_arm_that_can_be_compared(tmp_path: Path) -> None:
    nats = load(storage_of(tmp_path / "a", NATS, of_values(ARMS)))
    images = load(made_storage(tmp_path / "b", {"small": (0.9, 0.91), "large": (0.8, 0.81)}))
    assert not len(side_by_side(nats, "width", images, "width"))
    same = side_by_side(nats, "width", nats, "width")
    assert same.unit.tolist() == ["nats", "nats"]
    assert same.difference.tolist() == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("metric", "second", "selected"),
    [
        (lower("tuning", worst=9.0), (1.0, 1.2), "lr=0.2"),
        (higher("tuning", worst=0.0), (3.0, 3.0), "lr=0.2"),
        (higher("tuning", worst=0.0), (1.0, 3.0), "lr=0.1"),
        (lower("tuning", worst=9.0), (None, 1.0), "lr=0.1"),
        (lower("tuning", worst=2.0), (1.0, 1.0, 1.0, None), "lr=0.2"),
        # Of what is left without a worst value, the first has fewer diverged seeds.
        (lower("tuning"), (1.0, 1.0, 1.0, None), "lr=0.1"),
    ],
)
def test_a_diverged_seed_s_candidate_is_selected_by_the_worst_value_or_last(
    tmp_path: Path, metric: Metric, second: Sequence[float | None], selected: str
) -> None:
    diverged: Trial = ("diverged", {"loss": [2.0], "tuning": [1.0]})
    trials = {
        arm: [diverged if value is None else {"loss": [1.0], "tuning": [value]} for value in values]
        for arm, values in {"first": (2.0, 2.0, 2.0, 2.1), "second": second}.items()
    }
    store = storage_of(tmp_path, (LOSS, metric), trials, selected_by="tuning")
    record = store.study("width")
    candidates = [arm["candidates"][0] for arm in record["arms"]]
    for candidate, lr in zip(candidates, (0.1, 0.2), strict=True):
        candidate["overrides"] = {"lr": lr}
    store.save_study({**record, "arms": [{**record["arms"][0], "candidates": candidates}]})
    assert set(load(store).of("width").tuned) == {selected}


def test_seeds_of_different_lengths_are_averaged_where_they_are_equally_far(tmp_path: Path) -> None:
    trials: dict[str, list[Trial]] = {"a": [{"loss": sparse([4, 2], 10)}, {"loss": sparse([6, 5, 4, 3], 10)}]}
    line = curves(load(storage_of(tmp_path, NATS, trials)), "width").table.set_index("x")
    # At 75 % the first seed is halfway between its two values, and before its first it has none.
    assert line.low.to_dict() == {25: 6, 50: 4, 75: 3, 100: 2}
    assert line.high.to_dict() == {25: 6, 50: 5, 75: 4, 100: 3}


def test_a_long_curve_is_drawn_by_some_of_its_points(tmp_path: Path) -> None:
    trials: dict[str, list[Trial]] = {"a": [{"loss": np.linspace(4, 1, 100_000).tolist()}]}
    table = curves(load(storage_of(tmp_path, NATS, trials)), "width").table
    assert len(table) == 2000
    assert (table.x.iloc[0], table.x.iloc[-1]) == (1, 100_000)


def test_only_a_share_of_which_more_is_better_has_a_logarithmic_scale(tmp_path: Path) -> None:
    for better, scale in ((lower, "linear"), (higher, "function")):
        trials: dict[str, list[Trial]] = {"a": [{"share": [0.1]}], "b": [{"share": [0.99]}]}
        store = storage_of(tmp_path / scale, (better("share", "%"),), trials)
        (axes,) = draw_effects(load(store), "width").axes
        assert axes.get_yscale() == scale


def test_what_says_nothing_new_is_no_column(tmp_path: Path) -> None:
    """The best of a series that was its last value, and what might have happened and never did."""
    metrics = (*NATS, higher("stuck", optional=True))
    for folder, values, said in (("falls", [3, 2, 1], False), ("rises", [1, 2, 3], True)):
        trials: dict[str, list[Trial]] = {"a": [{"loss": values, "stuck": [float(said)] * 3}]}
        results = load(storage_of(tmp_path / folder, metrics, trials))
        record, table = results.studies["width"], arm_table(results, "width")
        shown = as_reported(table, from_reference(results, "width"), record)
        assert [name in shown for name in ("best loss, nats", "best loss, step", "stuck")] == [said] * 3


def test_two_storages_need_as_many_seeds_whichever_comes_first(tmp_path: Path) -> None:
    a = load(storage_of(tmp_path / "a", NATS, of_values({"x": LOW, "y": (2.1, 2.5, 2.3)})))
    b = load(storage_of(tmp_path / "b", NATS, of_values({"x": (2.4, 2.2, 2.5), "y": LOW, "z": HIGH})))
    there, back = side_by_side(a, "width", b, "width"), side_by_side(b, "width", a, "width")
    columns = ["arm", "pairs", "p", "p_holm", "seeds_from", "seeds_to"]
    assert there[columns].equals(back[columns])
    assert there.difference.tolist() == pytest.approx((-back.difference).tolist())
