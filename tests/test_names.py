"""Every name that a study may have works everywhere, and is never taken for a file of the tool's."""

from __future__ import annotations

import re

import pytest
from conftest import Study
from storages import made_storage

from study import command, higher


@pytest.fixture
def dotted(study: Study) -> Study:
    """A storage with the studies lr_0 and lr_0.1, whose results differ."""
    made_storage(study.folder / "results", {"of lr_0": (0.9, 0.91)}, name="lr_0")
    made_storage(study.folder / "results", {"of lr_0.1": (0.97, 0.98)}, name="lr_0.1")
    return study


@pytest.mark.parametrize("given", ["lr_0.1", "lr_0.1.py", "./lr_0.1.py"])
def test_a_name_with_a_dot_means_its_own_study(dotted: Study, given: str) -> None:
    done = dotted("status", given)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["study", "lr_0.1"]
    assert dotted("verify", given).returncode == 0


def test_a_report_has_names_with_dots_under_their_own_names(dotted: Study) -> None:
    done = dotted("report")
    assert done.returncode == 0
    assert re.fullmatch(r"one file of \d\.\d MB\n", done.stderr)
    for name in ("lr_0", "lr_0.1"):
        assert f"\nof {name}," in (dotted.folder / f"report/tables/{name}.csv").read_text()


@pytest.mark.parametrize("name", ["lr_0.9", "lr 0", "lr+0"])
def test_any_unknown_name_is_called_a_name(study: Study, name: str) -> None:
    (study.folder / "search_spaces").mkdir()
    (study.folder / "search_spaces/lr_0.1.py").write_text("")
    done = study("plan", name)
    assert done.returncode == 2
    assert done.stderr.startswith(f"There is no study {name!r}; did you mean 'lr_0.1'?")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("python3.12 train.py --rate=0.5", "train"),
        ("./train-0.1", "train_0_1"),
        ("train.v2.py", "train_v2"),
        ("bash run.sh", "run"),
    ],
)
def test_a_commands_name_is_its_scripts(line: str, name: str) -> None:
    assert command(f"{line} {{seed}}", higher("score")).called() == name


# What the report calls its own files, and what it called them once.
OURS = ("trials", "timings", "report", "summary", "effects", "index")


def test_no_study_has_the_name_of_another_file_of_the_report(study: Study) -> None:
    names = [*OURS, "lr", "lr-effect", "study-lr"]
    for name in names:
        made_storage(study.folder / "results", {f"of {name}": (0.9, 0.91)}, name=name, varies=f"of_{name}")
    done = study("report")
    assert done.returncode == 0
    assert re.fullmatch(r"one file of \d\.\d MB\n", done.stderr)
    report = study.folder / "report"
    for name in names:
        assert f"\nof {name}," in (report / f"tables/{name}.csv").read_text()
        for figure in (f"figures/{name}.svg", f"figures/effects/{name}.svg"):
            assert f"of {name.replace('_', ' ')} -->" in (report / figure).read_text()
    assert len((report / "trials.csv").read_text().splitlines()) == 1 + 2 * len(names)
    ids = re.findall(r'<(?:section|figure) id="([^"]*)"', (report / "index.html").read_text())
    assert len(ids) == len(set(ids)) == 3 * len(names)
