"""What another user of the same machine can't do: enter a run, use its ports, have us follow links."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from cluster.nodes import PROBE
from conftest import HANG, STUDY_FILE, Study, wait_until
from other_user import as_other, needs_root

from study.running.scratch import parent, workspace

LONG_FILE = STUDY_FILE.replace('"batch_size": 64, "epochs": 2', '"batch_size": 16, "epochs": 5000')
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
CLOSED = [("refused", "refused"), ("401", "403"), ("UNAUTHENTICATED", "UNAUTHENTICATED")]


def run_folder(of: int) -> Path:
    """The temporary folder of the run whose process this is."""
    ours = [path for path in parent().glob("study-run-*") if (path / "lock").exists()]
    opened = {Path(file.path).parent for file in psutil.Process(of).open_files()}
    (folder,) = opened.intersection(ours)
    return folder


def entered(folder: str) -> list[str]:
    """What of a folder a user gets: its names, its token, its sockets."""
    got = []
    for attempt in (
        lambda: [*Path(folder).iterdir()],
        lambda: Path(folder, "token").read_text(),
        lambda: [*Path(folder, "ray/session_latest/sockets").iterdir()],
        lambda: socket.socket(socket.AF_UNIX).connect(f"{folder}/forks"),
    ):
        try:
            got.append(str(attempt()))
        except OSError as error:
            got.append(type(error).__name__)
    return got


@needs_root
def test_a_local_run_is_closed_whatever_the_environment_says(study: Study, tmp_path: Path) -> None:
    """Its files and sockets, its ports, its token; no token of clusters is made by the way."""
    (tmp_path / "long.py").write_text(LONG_FILE)
    home = tmp_path / "home"
    home.mkdir()
    run = study.begin(
        "tune",
        "long.py",
        "--seeds",
        "1",
        RAY_AUTH_MODE="disabled",
        RAY_AUTH_TOKEN="inherited",
        HOME=str(home),
    )

    def trains() -> bool:
        assert run.poll() is None, run.communicate()
        # One that ends meanwhile has no command line: None.
        named = psutil.Process(run.pid).children(recursive=True)
        lines = [of.as_dict(["cmdline"])["cmdline"] or [] for of in named if of.is_running()]
        return any("Trainable" in " ".join(line) for line in lines)

    wait_until(trains, "a trial")
    folder = run_folder(run.pid)
    assert as_other(entered, str(folder)) == ["PermissionError"] * 4
    token = folder / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert not (home / ".ray").exists()

    whole = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    sockets = [of for process in whole for of in process.net_connections("inet") if of.status == "LISTEN"]
    assert len(sockets) > 5
    assert {of.laddr.ip for of in sockets} <= set(LOOPBACK)
    secret = token.read_text()
    assert not [process for process in whole if secret in " ".join(process.cmdline())]
    addresses = [f"127.0.0.1:{of.laddr.port}" for of in sockets]
    asked = subprocess.run(
        [sys.executable, PROBE, secret, *addresses], capture_output=True, text=True, check=True, timeout=HANG
    )
    answers = json.loads(asked.stdout)
    for address, (without, wrong, right) in answers.items():
        assert (without, wrong) in CLOSED, (address, without, wrong)
        assert right not in ("401", "403", "UNAUTHENTICATED"), address
    assert any(right not in ("refused", "") for _, _, right in answers.values())


def planted(victim: str) -> list[str]:
    """Folders in the place of runs' folders that lead to the victim's."""
    link = Path(tempfile.mkdtemp(prefix="study-run-", dir=parent()))
    link.rmdir()
    link.symlink_to(victim)
    folder = Path(tempfile.mkdtemp(prefix="study-run-", dir=parent()))
    (folder / "lock").symlink_to(f"{victim}/lock")
    folder.chmod(0o777)
    return [str(link), str(folder)]


@needs_root
def test_links_in_the_place_of_runs_folders_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("a text of mine")
    (tmp_path / "other").write_text("another")
    links = as_other(planted, str(tmp_path))
    try:
        with workspace() as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "lock").read_text() == "a text of mine"
        assert (tmp_path / "other").exists()
        assert all(os.path.lexists(link) for link in links)
    finally:
        Path(links[0]).unlink()
        (Path(links[1]) / "lock").unlink()
        Path(links[1]).rmdir()


def test_a_killed_run_s_folder_is_still_removed_by_the_next_one() -> None:
    left = Path(tempfile.mkdtemp(prefix="study-run-", dir=parent()))
    (left / "ray").mkdir()
    with workspace():
        assert not left.exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o606])
def test_a_token_that_others_can_read_is_neither_used_nor_kept(study: Study, mode: int) -> None:
    path = study.folder / "token"
    path.write_text("0" * 64)
    path.chmod(mode)
    (study.folder / "tiny_width.py").write_text(STUDY_FILE)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        asked = [("cluster-token",), ("tune", "tiny_width.py", "--address", address)]
        refused = [study(*words, RAY_AUTH_TOKEN_PATH=str(path)) for words in asked]
    for done in refused:
        assert done.returncode == 2, done.stderr
        assert f"is open to other users (mode {mode:o}, not 600)" in done.stderr
        assert "study cluster-token --force" in done.stderr
    assert study("cluster-token", "--force", RAY_AUTH_TOKEN_PATH=str(path)).returncode == 0
    assert path.read_text() != "0" * 64
    assert path.stat().st_mode & 0o777 == 0o600
