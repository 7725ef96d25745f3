"""Studies sent to a cluster: a real Ray head of one node, closed by a token, and the real commands."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from conftest import STUDY_FILE, Study, wait_until

TINY = ("submit", "tiny_width.py", "--seeds", "1")
LONG = ("submit", "long.py", "--seeds", "1", "--checkpoint-every", "1000")
LONG_FILE = STUDY_FILE.replace('"batch_size": 64, "epochs": 2', '"batch_size": 16, "epochs": 5000')
BROKEN_FILE = """
from ray import tune
from study import Study

STUDY = Study(
    title="Broken",
    scientific={"width": tune.grid_search([2])},
    fixed={"dataset": "digits", "model": "nets:broken"},
)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Head:
    """A head of two cores and a logical GPU, in a process group and a folder of its own."""

    folder: Path
    token: str | None
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        words = ["--head", "--block", f"--port={free_port()}", f"--temp-dir={self.folder / 'ray'}"]
        words += [
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.port}",
            "--num-cpus=2",
            "--num-gpus=1",
        ]
        words += ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]
        words += ["--object-store-memory=100000000", "--disable-usage-stats"]
        programs = Path(sys.executable).parent
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "RAY_"))}
        closed = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        with (self.folder / "head.log").open("wb") as log:
            self.process = subprocess.Popen(
                [programs / "ray", "start", *words],
                env={
                    **kept,
                    **(closed if self.token else {"RAY_AUTH_MODE": "disabled"}),
                    "HOME": str(self.folder),
                    "PATH": f"{programs}:{os.environ['PATH']}",
                    "PYTHONPATH": str(Path(__file__).parents[1]),
                    "RAY_enable_metrics_collection": "0",
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def storage(self) -> Path:
        return self.folder / "results"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def trains(self) -> bool:
        """Whether a trial is at work on the cluster."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                if "Trainable.train" in " ".join(process.cmdline()):
                    return True
        return False

    def received(self) -> set[str]:
        """The paths of all files that jobs brought with them."""
        packages = self.folder.glob("ray/session_latest/runtime_resources/working_dir_files/_ray_pkg_*/")
        return {
            str(of.relative_to(package)) for package in packages for of in package.rglob("*") if of.is_file()
        }

    def end(self) -> None:
        begun = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for process in begun:  # workers are in groups of their own
            if process.is_running():
                process.kill()
        psutil.wait_procs(begun, timeout=20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Laptop(Study):
    """Runs `study` as the user of a cluster, who has its token."""

    def __init__(self, folder: Path, head: Head) -> None:
        super().__init__(folder)
        self.head = head
        self.environment |= {"RAY_AUTH_TOKEN": head.token or "", "RAY_ADDRESS": "http://127.0.0.1:9"}
        self.environment |= {"STUDY_STORAGE": str(head.storage)}

    def at(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self(*words, "--address", self.head.address, **environment)

    def refused(self, *words: str, **environment: str) -> str:
        """What is said of a request that is refused: a line or two, and nothing sent."""
        done = self(*words, **environment)
        assert done.returncode == 2, done.stdout + done.stderr
        assert len(done.stderr.splitlines()) <= 2, done.stderr
        assert done.stdout == ""
        return done.stderr

    def jobs(self) -> dict[str, str]:
        """The state of each job."""
        return {of["job"]: of["state"] for of in json.loads(self.at("status", "--json").stdout)}


def begun(token: str | None = None) -> Head:
    """A head whose job server answers. Ray's sockets need a short path."""
    head = Head(Path(tempfile.mkdtemp(prefix="study-head-", dir="/tmp")), token)

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", head.port)) == 0

    try:
        wait_until(answers, 60, "a job server")
    except BaseException:
        head.end()
        raise
    return head


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    made = begun(secrets.token_hex(32))
    yield made
    made.end()


@pytest.fixture
def laptop(tmp_path: Path, head: Head) -> Iterator[Laptop]:
    (tmp_path / "tiny_width.py").write_text(STUDY_FILE)
    runs = Laptop(tmp_path, head)
    yield runs
    runs.end()


def test_a_study_is_trained_on_the_cluster_with_the_users_own_files_alone(laptop: Laptop) -> None:
    stay = ("results/trials/a/result.json", "data/MNIST/raw/x", ".git/config", "env/pyvenv.cfg", ".env")
    for path in (*stay, "helpers/shapes.py"):
        (laptop.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (laptop.folder / path).write_text("")
    done = laptop.at(*TINY, "--follow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == f"2 trials submitted; results go to {laptop.head.storage}\n"
    assert "Tiny Width" in done.stdout
    assert laptop.head.received() == {"tiny_width.py", "helpers/shapes.py"}
    assert "finished" in laptop("status").stdout
    again = laptop.at(*TINY, "--follow")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 trials: 2 stored, 0 to train" in again.stdout
    first, second = laptop.jobs()
    assert second == f"{first}-2"


def test_a_job_that_runs_is_noticed_left_running_and_stopped_and_continues(laptop: Laptop) -> None:
    (laptop.folder / "long.py").write_text(LONG_FILE)
    done = laptop.at(*LONG)
    assert done.returncode == 0, done.stderr
    job = done.stdout.strip()
    assert f"study logs {job} --follow --address {laptop.head.address}" in done.stderr
    following = laptop.begin(*LONG, "--follow", "--address", laptop.head.address)
    wait_until(laptop.head.trains, 60, "a trial")
    assert f"{job} already runs" in laptop.refused(*LONG, "--address", laptop.head.address)
    following.send_signal(signal.SIGINT)
    said, told = following.communicate(timeout=30)
    assert following.returncode == 130
    assert "2 trials: 2 to train" in said
    assert f"{job} goes on. To follow again: study logs {job}" in told
    assert laptop.jobs()[job] == "running"

    stopped = laptop.at("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert laptop.jobs()[job] == "stopped"
    saved = list(laptop.head.storage.glob("trials/*/checkpoint.pt"))
    assert saved
    assert "Stopped; what was trained is kept" in laptop.at("logs", job).stdout
    assert "had ended" in laptop.at("stop", job).stdout
    assert f"did you mean '{job}'" in laptop.refused("logs", job[:-1], "--address", laptop.head.address)

    again = laptop.begin(*LONG, "--follow", "--address", laptop.head.address)
    wait_until(laptop.head.trains, 60, "a trial")
    assert laptop.at("stop").returncode == 0
    said, told = again.communicate(timeout=60)
    assert again.returncode == 1, told
    assert f"{len(saved)} to continue" in said
    assert laptop.jobs()[f"{job}-2"] == "stopped"


def test_the_end_of_a_job_decides_the_exit_code(laptop: Laptop) -> None:
    (laptop.folder / "nets.py").write_text("def broken(config):\n    raise ValueError('not a network')\n")
    (laptop.folder / "search_spaces").mkdir()
    (laptop.folder / "search_spaces/broken.py").write_text(BROKEN_FILE)
    done = laptop.at("submit", "search_spaces/broken.py", "--seeds", "1", "--follow")
    assert done.returncode in (1, 2)
    assert "not a network" in done.stdout
    assert {"nets.py", "search_spaces/broken.py"} <= laptop.head.received()


def test_mistakes_are_said_before_anything_is_sent(laptop: Laptop) -> None:
    before = laptop.jobs()
    for option, value, said in (
        ("--set", "widht=3", "did you mean 'width'"),
        ("--epochs", "0", "epochs = 0"),
        ("--gpus-per-trial", "some", "--gpus-per-trial some"),
        ("--storage", "results", "STUDY_STORAGE=s3://"),
    ):
        assert said in laptop.refused(*TINY, option, value, "--address", laptop.head.address)
    assert laptop.jobs() == before


def test_what_does_not_travel_is_named(laptop: Laptop, tmp_path_factory: pytest.TempPathFactory) -> None:
    at = ("--address", laptop.head.address)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "other.py"
    elsewhere.write_text(STUDY_FILE)
    assert "lies outside of" in laptop.refused("submit", str(elsewhere), *at)
    with (laptop.folder / "video.bin").open("wb") as file:
        file.truncate(101 * 1024**2)
    assert "video.bin (101.0 MiB)" in laptop.refused(*TINY, "--epochs", "3", *at)


def test_without_the_right_token_nothing_is_sent(laptop: Laptop, tmp_path: Path) -> None:
    words = (*TINY, "--address", laptop.head.address)
    wrong = laptop.refused(*words, RAY_AUTH_TOKEN="wrong-wrong")
    assert "refuses the token of RAY_AUTH_TOKEN" in wrong
    assert "wrong-wrong" not in wrong
    missing = laptop.refused(*words, RAY_AUTH_TOKEN="", RAY_AUTH_TOKEN_PATH=str(tmp_path / "none"))
    assert "there is none in" in missing
    (tmp_path / "two").write_text("hunter2\nhunter3")
    damaged = laptop.refused(*words, RAY_AUTH_TOKEN="", RAY_AUTH_TOKEN_PATH=str(tmp_path / "two"))
    assert "holds no token" in damaged
    assert "hunter" not in damaged


def test_a_cluster_that_asks_for_no_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny_width.py").write_text(STUDY_FILE)
    head = begun()
    laptop = Laptop(tmp_path, head)
    try:
        assert "asks for no token" in laptop.refused(*TINY, "--address", head.address)
        assert laptop.jobs() == {}
        job = laptop.at(*TINY, "--insecure").stdout.strip()
        assert list(laptop.jobs()) == [job]
    finally:
        laptop.end()
        head.end()


def test_where_no_job_server_answers_it_is_said_in_seconds(study: Study, tiny_study: Path) -> None:
    def said(address: str) -> str:
        done = study(*TINY, "--storage", "s3://bucket/results", "--address", address)
        assert done.returncode == 2
        return done.stderr

    assert "Connection refused" in said(f"http://127.0.0.1:{free_port()}")
    assert "http://localhost:8265" in said("ray://127.0.0.1:10001")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in said(f"127.0.0.1:{silent.getsockname()[1]}")


def test_rays_job_client_is_missed_in_a_line(study: Study, tiny_study: Path) -> None:
    (study.folder / "without").mkdir()
    (study.folder / "without/aiohttp.py").write_text("raise ImportError")
    path = f"{study.folder / 'without'}:{Path(__file__).parents[1]}"
    done = study(*TINY, "--storage", "/shared", "--address", "127.0.0.1:9", PYTHONPATH=path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'ray[default]'" in done.stderr


def test_a_token_is_made_once_and_for_its_owner_alone(study: Study) -> None:
    path = study.folder / "secrets/token"
    done = study("cluster-token", RAY_AUTH_TOKEN_PATH=str(path))
    assert done.returncode == 0, done.stderr
    token = path.read_text()
    assert len(token) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert "export RAY_AUTH_MODE=token" in done.stdout
    assert token not in done.stdout + done.stderr
    again = study("cluster-token", RAY_AUTH_TOKEN_PATH=str(path))
    assert (again.returncode, path.read_text()) == (2, token)
    assert study("cluster-token", "--force", RAY_AUTH_TOKEN_PATH=str(path)).returncode == 0
    assert path.read_text() != token
    assert path.stat().st_mode & 0o777 == 0o600
