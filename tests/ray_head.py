"""A real Ray head with a job server, and a user of it on the same machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from conftest import Study, wait_until


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
        wait_until(answers, "a job server")
    except BaseException:
        head.end()
        raise
    return head
