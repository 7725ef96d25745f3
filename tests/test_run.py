"""`study.run` refuses what it can't do with a StudyError, before anything is trained or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import study


@study.function(study.lower("loss"), version="1")
def line(seed: int, lr: float = 0.1) -> dict[str, float]:
    return {"loss": lr + seed}


ONE = study.Study(title="Line", training=line, arms={"a": {}, "b": {"lr": 0.5}})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": "3"}, "seeds = '3'"),
        ({"seeds": 2.0}, "seeds = 2.0"),
        ({"seeds": True}, "seeds = True"),
        ({"seeds": [0, 1]}, "seeds = [0, 1]"),
        ({"seeds": 0}, "seeds = 0"),
        ({"max_seeds": "5", "until_decided": True}, "max_seeds = '5'"),
        ({"storage": 5}, "storage = 5"),
        ({"data_dir": 5}, "data_dir = 5"),
        ({"overrides": ["lr=1"]}, "overrides = ['lr=1']"),
        ({"overrides": {1: 2}}, "overrides"),
        ({"fresh": "no"}, "fresh = 'no'"),
        ({"progress": None}, "progress = None"),
        ({"options": {"max_concurrent": 1}}, "unknown field 'options'"),
        ({"max_concurrent": "2"}, "max_concurrent = '2'"),
        ({"max_failures": True}, "max_failures = True"),
        ({"in_process": "yes"}, "in_process = 'yes'"),
        ({"scheduler": "x"}, "scheduler = 'x': allowed are asha"),
    ],
    ids=str,
)
def test_an_argument_of_another_kind_is_refused(
    arguments: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(study.StudyError) as error:
        study.run(ONE, **{"storage": tmp_path / "results", "in_process": True, **arguments})
    assert said in str(error.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "given", [[ONE], (ONE, ONE), None, 3, line], ids=["list", "tuple", "None", "3", "class"]
)
def test_what_is_no_study_is_refused(given: Any) -> None:
    with pytest.raises(study.StudyError, match="is no study: give a Study, a file or a name"):
        study.run(given, in_process=True)


def test_numpys_whole_numbers_and_none_are_allowed(tmp_path: Path) -> None:
    quiet = {"storage": tmp_path, "in_process": True, "progress": False}
    assert len(study.run(ONE, seeds=np.int64(1), max_failures=np.int64(1), **quiet)) == 2
    assert len(study.run(ONE, seeds=None, **quiet)) == 6


@pytest.mark.parametrize("fields", [{"seeds": True}, {"seeds": "3"}, {"figure": "3"}], ids=str)
def test_a_studys_numbers_are_numbers(fields: dict[str, Any]) -> None:
    with pytest.raises(study.StudyError, match=f"{next(iter(fields))} = "):
        study.Study(title="Line", training=line, arms={"a": {}}, **fields)
