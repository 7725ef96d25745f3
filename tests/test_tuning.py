"""Tuned arms: some seeds choose a candidate, the others tell what was chosen, and nothing is said before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from storages import Accuracy, made_storage

from analysis import tuning
from analysis.claims import verdicts
from analysis.comparison import from_reference
from analysis.results import Results, load, looks_of
from analysis.tables import arm_table
from study.declare.claims import above

# Of an arm's candidates the values by seed; their validation accuracy is their test accuracy.
Candidates = Sequence[Sequence[Accuracy]]


def tuned_storage(folder: Path, arms: Mapping[str, Candidates]) -> Results:
    """Studies of arms whose candidates are lr=0.1, lr=0.2, ...; `b` is claimed to be above `a`."""
    flat = {
        f"{arm}-{place}": values
        for arm, candidates in arms.items()
        for place, values in enumerate(candidates)
    }
    store = made_storage(folder, flat, selected_by="validation_accuracy")
    record = store.study("width")
    of_label = {arm["label"]: arm["candidates"][0] for arm in record["arms"]}
    record["arms"] = [
        {
            "label": arm,
            "overrides": {},
            "candidates": [
                {**of_label[f"{arm}-{place}"], "overrides": {"lr": (place + 1) / 10}}
                for place in range(len(candidates))
            ],
        }
        for arm, candidates in arms.items()
    ]
    claims = [above("test_accuracy", "b is better", "b", "a").model_dump(mode="json")] if "b" in arms else []
    store.save_study({**record, "reference": next(iter(arms)), "claims": claims})
    results = load(store)
    results.trials["validation_accuracy"] = results.trials.test_accuracy
    return results


@pytest.mark.parametrize(
    ("second", "selected", "pending"),
    [
        ((0.99, 0.5, 0.5, 0.99), "lr=0.2", 0),  # seeds 0 and 3 choose
        ((0.5, 0.99, 0.99, 0.5), "lr=0.1", 0),
        ((0.99, None, None, 0.99), "lr=0.2", 2),  # chosen, and not all seeds are there that tell
        ((0.99, 0.99, 0.99, None), "", 1),  # not yet
        ((0.99, 0.99, 0.99, "stopped"), "lr=0.1", 0),  # out of the race
        ((0.99, 0.99, 0.99, "diverged"), "lr=0.1", 0),  # counts as 0
    ],
)
def test_some_seeds_choose_and_the_others_tell(
    tmp_path: Path, second: Sequence[Accuracy], selected: str, pending: int
) -> None:
    results = tuned_storage(tmp_path, {"a": [(0.9, 0.91, 0.92, 0.9), second]})
    chosen = results.of("width")
    assert set(chosen.tuned) == {selected}
    assert chosen.seed.tolist() == [1, 2]
    table = arm_table(results, "width").iloc[0]
    assert table.pending == pending
    if selected == "lr=0.1":
        assert table.test_accuracy == pytest.approx(91.5)
    elif pending:
        assert math.isnan(table.test_accuracy)


def test_the_seed_that_chose_says_nothing_of_what_was_chosen(tmp_path: Path) -> None:
    lucky = (0.99, 0.9, 0.9)
    results = tuned_storage(tmp_path, {"a": [(0.9, 0.91, 0.89)], "b": [(0.9, 0.91, 0.89), lucky]})
    assert arm_table(results, "width").test_accuracy.tolist() == pytest.approx([90.0, 90.0])


def test_one_seed_chooses_and_is_shown(tmp_path: Path) -> None:
    results = tuned_storage(tmp_path, {"a": [(0.9,), (0.95,)]})
    assert arm_table(results, "width").test_accuracy.tolist() == pytest.approx([95.0])


def test_nothing_is_decided_while_a_candidate_is_tried(tmp_path: Path) -> None:
    low, high = (0.80, 0.81, 0.82, 0.81, 0.80, 0.81), (0.90, 0.91, 0.92, 0.91, 0.91, 0.91)
    finished = tuned_storage(tmp_path / "finished", {"a": [low, low], "b": [high, low]})
    [verdict] = verdicts(finished, "width")
    assert verdict.verdict == "reproduced"
    assert from_reference(finished, "width").p.notna().sum() == 1
    going_on = tuned_storage(
        tmp_path / "going_on", {"a": [low, (*low[:3], None, *low[4:])], "b": [high, low]}
    )
    [verdict] = verdicts(going_on, "width")
    assert (verdict.verdict, verdict.comparisons[0].n) == ("undecided", 0)
    assert from_reference(going_on, "width").p.notna().sum() == 0


def test_planned_seeds_are_looked_at_without_those_that_chose(tmp_path: Path) -> None:
    results = tuned_storage(tmp_path, {"a": [(0.9,) * 7, (0.8,) * 7]})
    assert looks_of(results.studies["width"]).planned == 4


def test_the_seeds_that_would_decide_are_counted_with_those_that_choose(tmp_path: Path) -> None:
    apart = {"a": [(0.9, 0.9, 0.91, 0.9, 0.92), (0.1,) * 5], "b": [(0.9, 0.91, 0.912, 0.9, 0.92), (0.1,) * 5]}
    whole = {arm: [candidates[0][1:3] + candidates[0][4:]] for arm, candidates in apart.items()}
    tuned, plain = (
        tuned_storage(tmp_path / name, arms) for name, arms in (("tuned", apart), ("plain", whole))
    )
    (of_tuned,), (of_plain,) = verdicts(tuned, "width"), verdicts(plain, "width")
    needed, telling = of_tuned.comparisons[0].seeds_to_decide, of_plain.comparisons[0].seeds_to_decide
    assert telling is not None
    assert needed == tuple(tuning.with_telling(n or 0) for n in telling)
    table, alone = (from_reference(one, "width").iloc[1] for one in (tuned, plain))
    assert table.seeds_from == tuning.with_telling(int(alone.seeds_from))


@pytest.mark.parametrize("n", range(3, 40))
def test_so_many_seeds_tell(n: int) -> None:
    told = tuning.telling(n)
    assert told == sum(seed % 3 > 0 for seed in range(n))
    needed = tuning.with_telling(told)
    assert tuning.telling(needed) >= told > tuning.telling(needed - 1)


def test_tuning_favours_nobody(tmp_path: Path) -> None:
    """Equal arms, of which one is tuned among eight candidates: its mean is no better on average."""
    generator, gains = np.random.default_rng(0), []
    for number in range(40):
        drawn = generator.normal(0.9, 0.01, (8, 9)).tolist()
        table = arm_table(tuned_storage(tmp_path / str(number), {"a": drawn}), "width")
        gains.append(table.test_accuracy[0] - 90)
    # Chosen by all seeds, it would lie 0.47 points higher: eight standard errors.
    assert abs(np.mean(gains)) < 4 * np.std(gains) / math.sqrt(len(gains))
