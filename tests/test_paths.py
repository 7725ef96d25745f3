"""Paths and texts as people have them: ~ where no shell expands it, letters of any language in any locale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import STUDY_FILE, Study

import study as library
from study import StudyError

LATIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
IN_OTHER_LANGUAGES = '''"""Größe?"""
from study import Study

STUDY = Study(
    title="Größe", arms={"Größe 2": {"width": 2}, "幅 4": {"width": 4}},
    fixed={"dataset": "digits", "batch_size": 64},
)
'''
TRAINS = ("--seeds", "1", "--in-process", "--set", "epochs=1")


def folders(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_tilde_is_ones_home_in_every_option_and_argument(study: Study) -> None:
    home = study.folder / "home"
    here = study.folder / "here"
    home.mkdir()
    here.mkdir()
    (home / "tiny_width.py").write_text(STUDY_FILE)
    study.folder, told = here, {"HOME": str(home)}
    assert (
        study("tune", "~/tiny_width.py", *TRAINS, "--storage=~/r", "--data-dir=~/d", **told).returncode == 0
    )
    in_a_variable = {"STUDY_STORAGE": "~/r", "STUDY_DATA": "~/d", **told}
    again = study("plan", "~/tiny_width.py", "--seeds", "1", "--set", "epochs=1", "--json", **in_a_variable)
    assert json.loads(again.stdout)["to_train"] == 0, again.stdout
    assert study("report", "--out=~/page", **in_a_variable).returncode == 0
    assert study("compare", "~/r", "~/r", **told).returncode == 0
    assert (home / "page/index.html").exists()
    assert folders(here) == set()


def test_a_tilde_is_ones_home_from_python_too(
    tmp_path: Path, tiny_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for storage in ("~/r", Path("~/r")):
        overrides = {"epochs": 1}
        library.run(
            tiny_study, seeds=1, storage=storage, data_dir="~/d", overrides=overrides, in_process=True
        )
    assert len([*(tmp_path / "home/r/trials").iterdir()]) == 2
    assert not (tmp_path / "~").exists()
    with pytest.raises(StudyError, match="~nobody-has-this-name/r: Could not determine home"):
        library.run(tiny_study, storage="~nobody-has-this-name/r")


def test_letters_of_any_language_are_read_and_written_in_any_locale(study: Study) -> None:
    (study.folder / "groesse.py").write_text(IN_OTHER_LANGUAGES)
    for words in (
        ("plan", "groesse.py", "--seeds", "1"),
        ("check", "groesse.py"),
        ("tune", "groesse.py", *TRAINS),
        ("status",),
        ("report",),
        ("new", "mine", "--script"),
    ):
        done = study(*words, **LATIN)
        assert done.returncode == 0, (words, done.stderr)
    assert "Größe 2" in (study.folder / "report/index.html").read_text()
    assert "幅 4" in (study.folder / "results/tables/groesse.csv").read_text()
