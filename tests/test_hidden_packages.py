"""Files that have the name of a package, and errors of processes that can't import what they are to train."""

from __future__ import annotations

import subprocess
import sys

from conftest import STUDY_FILE, Study

SCRIPT = """
import analysis
import study

ONE = study.Study(title="One", arms={"a": {}}, fixed={"dataset": "digits", "batch_size": 512, "width": 2, "epochs": 1})
table = study.run(ONE, seeds=1, storage="results", progress=False, in_process=True)
print(len(table), analysis.MINE)
"""


def test_an_analysis_py_beside_a_script_is_the_scripts_and_no_ones_else(study: Study) -> None:
    (study.folder / "analysis.py").write_text("MINE = 7")
    (study.folder / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=study.folder, env=study.environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "1 7\n"), done.stderr


def test_a_file_that_hides_a_package_is_named_before_anything_is_trained(study: Study) -> None:
    (study.folder / "torch.py").write_text(STUDY_FILE)
    done = study("tune", "torch.py", "--seeds", "1")
    assert done.returncode == 2
    assert f"{study.folder}/torch.py hides the package torch (" in done.stderr
    assert "rename the file" in done.stderr
    assert not (study.folder / "results/trials").exists()


def test_a_study_file_may_be_called_study(study: Study) -> None:
    folder = study.folder / "mine"
    folder.mkdir()
    (folder / "study.py").write_text(STUDY_FILE)
    done = study("tune", "mine/study.py", "--seeds", "1", "--set", "epochs=1")
    assert done.returncode == 0, done.stderr


HELPED = """
import sys
sys.path.insert(0, "elsewhere")
import helper
import study

class Helped(study.Training):
    metrics = (study.lower("loss"),)

    def __init__(self, config, data, seed, device):
        self.steps = 1

    def step(self, t):
        return {"loss": helper.loss()}

STUDY = study.Study(title="Helped", training=Helped, arms={"a": {}})
"""


def test_what_a_worker_can_t_import_is_said_once_and_in_its_error_txt(study: Study) -> None:
    (study.folder / "elsewhere").mkdir()
    (study.folder / "elsewhere/helper.py").write_text("def loss():\n    return 1.0\n")
    (study.folder / "mine").mkdir()
    (study.folder / "mine/helped.py").write_text(HELPED)
    done = study("tune", "mine/helped.py", "--seeds", "1")
    assert done.returncode == 1, done.stderr
    assert "ModuleNotFoundError: No module named 'helper'" in done.stderr
    assert "process was lost" not in done.stderr
    (error,) = study.folder.glob("results/trials/*/error.txt")
    assert "ModuleNotFoundError: No module named 'helper'" in error.read_text()
