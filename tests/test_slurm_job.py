"""clusters/slurm.sh with stand-ins for Slurm and Ray: what it refuses, and where Ray's files lie."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import HANG, wait_until
from other_user import UID
from shipped import REPOSITORY

SLURM = REPOSITORY / "clusters/slurm.sh"
# Stand-ins: one node, and a Ray that writes down how it is called, and where there is a file `wait`, stays.
SLURM_TOOLS = {
    "scontrol": "echo localhost",
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "ray": """[ "$1" = symmetric-run ] || exit 0
echo "$RAY_TMPDIR" "$(stat -c %a "$RAY_TMPDIR")" "$@" > ~/called
touch "$RAY_TMPDIR/left"
[ ! -e ~/wait ] || exec sleep 1000""",
}


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Begins the script as Slurm would, in a home folder with a token."""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("0" * 64)
    (tmp_path / ".ray/auth_token").chmod(0o600)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    for name, body in SLURM_TOOLS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "localhost", "SLURM_NNODES": "1"}
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.defpath}", **slurm}

    def begin(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SLURM, *words],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return begin


def called(home: Path) -> list[str]:
    """Where Ray was to run, the mode of that folder, and Ray's words."""
    path = home / "called"
    wait_until(lambda: path.exists() and path.stat().st_size > 0, "a call of Ray")
    return path.read_text().split()


def test_slurm_s_script_is_shell_and_says_what_it_lacks(
    job: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    subprocess.run(["bash", "-n", SLURM], check=True)
    assert "RAY_AUTH_MODE=token" in SLURM.read_text()

    def refused(*words: str) -> str:
        begun = job(*words)
        said = begun.communicate(timeout=HANG)[1]
        assert begun.returncode == 2, said
        return said

    assert "say which study" in refused()
    token = tmp_path / ".ray/auth_token"
    for mode in (0o640, 0o604, 0o620, 0o601):
        token.chmod(mode)
        assert "replace it with study cluster-token --force" in refused("network_width")
    if os.geteuid() == 0:
        token.chmod(0o600)
        os.chown(token, UID, UID)
        assert "replace it with study cluster-token --force" in refused("network_width")
    token.unlink()
    assert "make one with study cluster-token" in refused("network_width")
    assert not (tmp_path / "called").exists()


def test_a_slurm_job_has_a_new_private_folder_on_each_node_and_leaves_none(
    job: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    left = Path("/tmp/study-job.of-a-killed-job")
    left.mkdir(exist_ok=True)
    done = job("network_width", "--seeds", "5")
    assert done.wait(timeout=HANG) == 0, done.communicate()
    folder, mode, *words = called(tmp_path)
    assert mode == "700"
    assert f"--temp-dir {folder}/ray" in " ".join(words)
    assert " ".join(words).endswith("-- study tune network_width --seeds 5 --address localhost:20007")
    assert not Path(folder).exists()
    assert not left.exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_slurm_job_that_is_ended_leaves_no_folder(
    job: Callable[..., subprocess.Popen[str]], tmp_path: Path, name: str
) -> None:
    (tmp_path / "wait").touch()
    begun = job("network_width")
    folder, *_ = called(tmp_path)
    assert Path(folder).exists()
    os.killpg(begun.pid, signal.Signals[name])  # Slurm sends it to every process of the job
    assert begun.wait(timeout=HANG) != 0
    wait_until(lambda: not Path(folder).exists(), "the end of the folder")
