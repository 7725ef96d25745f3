"""A run's temporary folder: where it is, and what is said where it can't be."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Study

from study import StudyError
from study.running import scratch


def test_a_temporary_folder_that_can_t_be_used_is_named_with_the_variable_that_changes_it(
    study: Study, tiny_study: Path
) -> None:
    done = study("tune", "tiny_width.py", "--seeds", "1", TMPDIR="/proc")
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert said.startswith("The folder for temporary files, /proc, can't be used: ")
    assert said.endswith("Set TMPDIR to another folder.")
    assert not list(study.folder.glob("results/trials/*"))


def test_a_full_one_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LEAST_FREE_BYTES", 10**18)
    monkeypatch.delenv("TMPDIR", raising=False)
    with (
        pytest.raises(StudyError, match=r"/tmp, can't be used: it has .* MB free") as raised,
        scratch.workspace(),
    ):
        pass
    assert len(raised.value.mistakes) == 1
    assert "Set TMPDIR to another folder, of at most 22 characters." in str(raised.value)


def test_tmpdir_is_used_unless_its_path_is_too_long_for_rays_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    assert scratch.parent() == Path("/dev/shm")
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 10)))
    assert scratch.parent() == Path("/tmp")
