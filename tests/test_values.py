"""Values of hyperparameters: of any library, of any spelling; what is stored is what the trial had."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Study as CommandLine
from ray import tune

import study
from study.cli.options import settings
from study.store.trial_store import TrialStore

FILE = """from study import Study, function, lower

@function(lower("loss"))
def line(seed, lr: float = 0.1, clip: float = 0.0, steps: int = 2):
    return {"loss": lr + clip + steps + seed / 10}

STUDY = Study(title="Line", training=line, arms={"a": {}, "b": {"lr": 0.5}})
"""


@study.function(study.lower("loss"), version="1")
def line(seed: int, lr: float = 0.1, steps: int = 2) -> dict[str, float]:
    return {"loss": lr + steps + seed / 10}


def run(tmp_path: Path, seeds: int = 1, **fields: Any) -> tuple[Any, dict[str, Any]]:
    """The results and the record of a study of `line`."""
    declared = study.Study(title="Line", training=line, **fields)
    table = study.run(declared, seeds=seeds, storage=tmp_path, in_process=True, progress=False)
    return table, TrialStore(tmp_path).study("line")


@pytest.mark.parametrize(
    "value", [Decimal("0.25"), Fraction(1, 4), torch.tensor(0.25), np.float32(0.25), np.array(0.25)], ids=repr
)
@pytest.mark.parametrize("where", ["grid", "arm", "fixed", "override"])
def test_a_number_of_any_library_is_stored_as_the_trial_had_it(
    value: Any, where: str, tmp_path: Path
) -> None:
    declared = {
        "grid": {"scientific": {"lr": tune.grid_search([value])}},
        "arm": {"arms": {"a": {"lr": value}}},
        "fixed": {"arms": {"a": {}}, "fixed": {"lr": value}},
        "override": {"arms": {"a": {}}},
    }[where]
    one = study.Study(title="Line", training=line, **declared)
    more = {"overrides": {"lr": value}} if where == "override" else {}
    table = study.run(one, seeds=1, storage=tmp_path, in_process=True, progress=False, **more)
    record = TrialStore(tmp_path).study("line")
    assert table.loss[0] == 2.25
    held = record["arms"][0]["overrides"] if where in ("grid", "arm") else record["fixed"]
    assert held == {"lr": 0.25}


@pytest.mark.parametrize(
    "values", [range(2, 5), np.arange(2, 5), (2, 3, 4), torch.arange(2, 5), [np.int64(2), 3, 4]], ids=repr
)
def test_any_sequence_is_a_grid(values: Any, tmp_path: Path) -> None:
    table, record = run(tmp_path, scientific={"steps": tune.grid_search(values)})
    assert list(table.arm) == [arm["label"] for arm in record["arms"]] == ["2", "3", "4"]


def test_what_has_no_order_or_is_text_is_no_grid() -> None:
    for values in ({2, 3}, "23", iter([2, 3])):
        with pytest.raises(study.StudyError, match=r"use tune\.grid_search"):
            study.Study(title="Line", training=line, scientific={"steps": tune.grid_search(values)})


def test_a_function_that_draws_anew_at_each_start_is_refused() -> None:
    drawn = {"lr": tune.sample_from(lambda spec: 0.1)}
    with pytest.raises(study.StudyError, match=r"tune\.sample_from may draw other values"):
        study.Study(title="Line", training=line, scientific=drawn, samples=3)


def test_a_commands_defaults_may_be_numpys() -> None:
    made = study.command("x {lr} {seed}", study.lower("loss"), config={"lr": np.float64(0.5)})
    assert type(made.Config().lr) is float


def pending(study: CommandLine, *settings: str) -> int:
    """How many trials `study plan` would train with these settings."""
    words = [word for setting in settings for word in ("--set", setting)]
    done = study("plan", "line.py", "--seeds", "1", "--json", *words)
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["to_train"])


def test_two_spellings_of_a_value_are_one_trial(study: CommandLine) -> None:
    (study.folder / "line.py").write_text(FILE)
    done = study("tune", "line.py", "--seeds", "1", "--in-process")
    assert done.returncode == 0, done.stderr
    assert pending(study, "clip=-0.0") == 0
    assert pending(study, "clip=.0", "steps=2e0") == 0
    assert pending(study, "clip=0.", "steps=+2") == 0
    assert pending(study, "clip=.5") == 2


def test_settings_are_numbers_as_python_writes_them() -> None:
    written = {
        "a": ".05",
        "b": "1.",
        "c": "1_000",
        "d": "1e2",
        "e": "+3",
        "f": "-.5",
        "g": "007",
        "h": "1_0.5",
    }
    read = settings([f"{name}={text}" for name, text in written.items()])
    assert repr(read) == repr(
        {"a": 0.05, "b": 1.0, "c": 1000, "d": 100.0, "e": 3, "f": -0.5, "g": "007", "h": 10.5}
    )
    texts = {"a": "1__0", "b": "_1", "c": "1_", "d": "1e", "e": ".", "f": "0x10", "g": "one", "h": "nan"}
    assert settings([f"{name}={text}" for name, text in texts.items()]) == texts


def test_zero_has_no_sign_within_a_value() -> None:
    class Config(study.Config):
        betas: tuple[float, ...] = (0.9, 0.0)

    assert str(Config(betas=(0.9, -0.0)).betas) == "(0.9, 0.0)"
