"""Study files load by path and by name; a broken one gives two lines, never a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import study
from study import StudyError
from study.declare.loading import available

SHIPPED = sorted(available())


def refused(path: Path | str) -> str:
    with pytest.raises(StudyError) as error:
        study.load(path)
    assert len(error.value.mistakes) <= 2
    return str(error.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_study_loads_and_says_what_it_asks(name: str) -> None:
    loaded = study.load(name)
    assert loaded.name == name
    assert loaded.question.endswith("?")
    assert len(loaded.expand()) >= 1


def test_name_and_question_come_from_the_file(tiny_study: Path) -> None:
    loaded = study.load(tiny_study)
    assert (loaded.name, loaded.question) == ("tiny_width", "Does width matter?")


def test_an_unknown_name_suggests_the_nearest() -> None:
    assert "did you mean 'network_width'?" in refused("network_widht")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"STUDY = (", "x.py:1: not valid Python"),
        (b"\n\nundefined", "x.py:3: the study file raised NameError: name 'undefined'"),
        (b"import sys\nsys.exit(3)", "x.py:2: the study file raised SystemExit: 3"),
        (b"", "has no STUDY"),
        (b"STUDY = 3", "has a STUDY that is a int"),
        (b"\xff\xfe\x00", "not valid Python"),
        (b"from study import Study\nSTUDY = Study(title='x', arms={'a': {'lr': -1}})", "arm 'a': lr = -1"),
    ],
)
def test_a_broken_file_says_where_and_why(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(content)
    assert said in refused(path)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    assert "There is no file" in refused(tmp_path / "absent.py")
    assert "is a folder" in refused(tmp_path)
    (tmp_path / "x.txt").write_text("STUDY = 1")
    assert "is not a Python file" in refused(tmp_path / "x.txt")
    os.mkfifo(tmp_path / "pipe.py")
    assert "is not a Python file" in refused(tmp_path / "pipe.py")


def test_what_a_study_file_prints_stays_off_stdout(
    tiny_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_study.write_text(tiny_study.read_text() + "print('hello')\n")
    study.load(tiny_study)
    assert capsys.readouterr() == ("", "hello\n")
