"""The examples and the code of docs/your-training.md: planned, checked, trained, killed and continued, reported."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Study, wait_until

ROOT = Path(__file__).parents[1]
# What makes each small; two cores take some seconds.
SMALL = {
    "language_model": ["--set", "iterations=60", "--set", "width=16", "--set", "batch_size=4"],
    "tabular": ["--set", "trees=5"],
    "script": ["--set", "epochs=3"],
}


@pytest.fixture
def examples(study: Study) -> Study:
    """A copy of the examples' folder."""
    shutil.copytree(ROOT / "examples", study.folder, dirs_exist_ok=True)
    return study


def results(folder: Path) -> dict[str, Any]:
    """By key each trial's curve as bytes, and its result but for when and where."""
    found = {}
    for path in folder.glob("trials/*/result.json"):
        result = json.loads(path.read_text())
        del result["provenance"], result["sha256"]
        found[path.parent.name] = (path.with_name("curve.parquet").read_bytes(), result)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_an_example_goes_the_whole_way(examples: Study, name: str) -> None:
    words = [f"{name}.py", *SMALL[name], "--seeds", "2"]
    plan = examples("plan", *words, "--json")
    assert json.loads(plan.stdout)["to_train"] == 6
    checked = examples("check", f"{name}.py", *SMALL[name], "--steps", "4")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "broken" not in checked.stdout
    tuned = examples("tune", *words, "--in-process")
    assert tuned.returncode == 0, tuned.stderr
    assert "±" in tuned.stdout
    again = examples("tune", *words)
    assert "6 stored, 0 to train" in again.stderr
    verified = examples("verify", name, "--json")
    assert len(json.loads(verified.stdout)) == 2
    assert examples("report").returncode == 0
    assert (examples.folder / f"report/figures/effects/{name}.svg").exists()


@pytest.mark.parametrize("name", SMALL)
def test_an_example_killed_in_the_middle_ends_with_the_same_bits(examples: Study, name: str) -> None:
    slow = {"language_model": ["--set", "iterations=400"], "tabular": [], "script": ["--set", "epochs=30"]}[
        name
    ]
    words = ["tune", f"{name}.py", *SMALL[name][2 if slow else 0 :], *slow, "--seeds", "1"]
    undisturbed = examples(*words, "--in-process", "--storage", "whole")
    assert undisturbed.returncode == 0, undisturbed.stderr
    run = examples.begin(*words, "--checkpoint-every", "0.2")
    begun = "checkpoint.pt" if name == "language_model" else "lock"
    wait_until(lambda: bool([*examples.folder.glob(f"results/trials/*/{begun}")]), "a first trial")
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    done = examples(*words)
    assert done.returncode == 0, done.stderr
    if name == "language_model":
        assert "continues at step" in done.stderr
    assert results(examples.folder / "results") == results(examples.folder / "whole")


def blocks() -> dict[str, str]:
    """The files of the docs that train something of one's own."""
    texts = [(ROOT / name).read_text() for name in ("README.md", "docs/tutorial.md", "docs/your-training.md")]
    return dict(re.findall(r"^```python file=(\S+)\n(.*?)^```$", "\n".join(texts), re.MULTILINE | re.DOTALL))


STUDIES = [name for name, text in blocks().items() if "STUDY =" in text]


def test_the_example_that_searches_goes_the_whole_way(examples: Study) -> None:
    words = ["search_network.py", "--set", "epochs=1", "--budget", "5", "--seeds", "2"]
    assert (
        json.loads(examples("plan", *words, "--json").stdout)["to_train"] == 5 + 2 + 3
    )  # the baseline is no point of the space
    tuned = examples("tune", *words, "--in-process")
    assert tuned.returncode == 0, tuned.stderr
    assert "baseline" in tuned.stdout
    assert examples("report").returncode == 0
    assert "trials were suggested by tpe" in (examples.folder / "report/report.md").read_text()


@pytest.mark.parametrize("name", STUDIES)
def test_the_code_of_the_guide_works_as_it_stands(study: Study, name: str) -> None:
    text = blocks()[name]
    for package in ("lightning", "transformers"):
        if re.search(rf"^(import|from) {package}\b", text, re.MULTILINE):
            pytest.importorskip(package)
    for file, content in blocks().items():
        (study.folder / file).write_text(content)
    checked = study("check", name, "--steps", "4")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tuned = study("tune", name, "--in-process", "--seeds", "2")
    assert tuned.returncode == 0, tuned.stderr
