"""How studies are given to commands and to study.run: once or twice, among modules, by titles, from nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import STUDY_FILE, Study
from storages import made_storage

import study as library
from study import StudyError

FAST = {"dataset": "digits", "batch_size": 512, "width": 2, "epochs": 1}


def test_a_study_given_twice_is_one(study: Study, tiny_study: Path) -> None:
    whole = str(study.folder / "tiny_width.py")
    done = study("plan", "tiny_width.py", "./tiny_width.py", whole, "--seeds", "1", "--json")
    assert json.loads(done.stdout)["to_train"] == 2, done.stderr


def test_modules_without_a_study_are_passed_over_among_files(study: Study, tiny_study: Path) -> None:
    (study.folder / "helpers.py").write_text("STUDIES = []\n")
    files = sorted(path.name for path in study.folder.glob("*.py"))
    done = study("plan", *files, "--seeds", "1", "--json")
    assert json.loads(done.stdout)["to_train"] == 2
    assert done.stderr == "passed over: helpers.py has no STUDY.\n"
    alone = study("plan", "helpers.py")
    assert (alone.returncode, alone.stderr.splitlines()[0]) == (2, "helpers.py has no STUDY.")


@pytest.mark.parametrize("title", ["?!", "w" * 300])
def test_a_title_that_gives_no_name_says_so_of_the_title(title: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"title = .* which must have letters or digits"):
        library.run(library.Study(title=title, arms={"a": {}}), storage=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_study_made_in_python_is_run_again_from_python(tmp_path: Path) -> None:
    one = library.Study(title="Two Widths", arms={"a": {}, "b": {"width": 3}}, fixed=FAST)
    library.run(one, one, seeds=2, storage=tmp_path / "r", overrides={"lr": 0.05}, in_process=True)
    done = subprocess.run(
        [sys.executable, "-m", "study", "report", "--storage", "r"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report/report.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith("Run it again"))
    said, _, call = line.partition(": ")
    assert said == "Run it again from Python, with its Study as STUDY"
    told = {"study": library, "STUDY": one}
    exec(call.strip("`").replace("study.run(", f"study.run(storage={str(tmp_path / 'again')!r}, in_process=True, *[")
         .replace("STUDY,", "STUDY],"), told)  # fmt: skip
    assert {path.name for path in (tmp_path / "again/trials").iterdir()} == {
        path.name for path in (tmp_path / "r/trials").iterdir()
    }


def test_a_deleted_current_folder_is_said(study: Study) -> None:
    gone = study.folder / "gone"
    command = (
        f"mkdir {gone} && cd {gone} && rmdir {gone} && exec {sys.executable} -m study plan network_width"
    )
    done = subprocess.run(["sh", "-c", command], env=study.environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "The current folder was deleted: change to another (cd).\n")


def test_what_is_a_folder_and_a_study_is_taken_as_it_is_said(study: Study) -> None:
    for name, accuracy in (("left", 0.9), ("right", 0.95)):
        made_storage(study.folder / "results", {"12": (0.5, 0.51, 0.52)}, name=name)
        made_storage(study.folder / name, {"12": (accuracy, accuracy + 0.01, accuracy)}, name="one")

    def difference(*given: str) -> tuple[str, float]:
        done = study("compare", *given, "--json")
        return done.stderr, round(json.loads(done.stdout)[0]["arms"][0]["difference"], 6)

    said = "Compared are the folders left and right; the studies of these names: left.py right.py\n"
    assert difference("left", "right") == (said, 5.0)
    assert difference("left.py", "right.py") == ("", 0.0)
    (study.folder / "right").rename(study.folder / "elsewhere")
    assert difference("left", "right") == ("", 0.0)


def test_two_storages_are_compared_whatever_the_usual_one_is(study: Study) -> None:
    for name in ("a/left", "a/right"):
        made_storage(study.folder / name, {"12": (0.5, 0.51, 0.52)}, name="one")
    (study.folder / "taken").write_text("")
    assert study("compare", "a/left", "a/right", STUDY_STORAGE="taken").returncode == 0


def test_a_study_file_among_modules_still_says_what_is_wrong_with_it(study: Study) -> None:
    (study.folder / "one.py").write_text(STUDY_FILE)
    (study.folder / "two.py").write_text(STUDY_FILE.replace("digits", "no-such-set"))
    done = study("plan", "one.py", "two.py")
    assert done.returncode == 2
    assert "two.py: " in done.stderr


FACTS = """
import study

class Counted(study.Training):
    metrics = (study.lower("loss"),)
    version = "1"

    @classmethod
    def cost(cls, config, data=None):
        return study.Cost(facts={"trials": 77, "study": 78, "to_train": 79, "layers": 80})

    def __init__(self, config, data, seed, device):
        self.steps = 1

    def step(self, t):
        return {"loss": 1.0}

STUDY = study.Study(title="Counted", training=Counted, arms={"a": {}})
"""


def test_a_fact_called_as_a_column_of_the_plan_replaces_none(study: Study) -> None:
    (study.folder / "counted.py").write_text(FACTS)
    (arm,) = json.loads(study("plan", "counted.py", "--seeds", "2", "--json").stdout)["arms_of"]
    assert (arm["study"], arm["trials"], arm["to train"], arm["layers"]) == ("counted", 2, 2, 80)
    assert (arm["study (fact)"], arm["trials (fact)"], arm["to train (fact)"]) == (78, 77, 79)
