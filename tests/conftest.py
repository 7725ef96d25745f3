"""What the tests share: small data, a small study, and the real command line in a real process."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import forked
import pytest
from selenium import webdriver

from study.errors import validated
from study.images import data
from study.images.config import ImageConfig
from study.images.data import Dataset
from study.images.declaration import Images
from study.running.trial_run import TrialRun

# Ignored where the tests run in the background of a script or under nohup, they would be in all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Seconds after which a wait is given up: it must be a hang, however busy the machine is.
HANG = 900

STUDY_FILE = '''"""Figure 10: does width matter?"""
from ray import tune
from study import Study, increasing

STUDY = Study(
    title="Tiny Width",
    figure=10,
    scientific={"width": tune.grid_search([2, 4])},
    fixed={"dataset": "digits", "batch_size": 64, "epochs": 2},
    published={2: 90.0, 4: 95.5},
    claims=[increasing("test_accuracy", "Wider is better.")],
)
'''


# Goes on until there is a file called `go`.
SLOW = '''"""Is it followed?"""
import time
from pathlib import Path
import study

class Slow(study.Training):
    metrics = (study.lower("loss"), study.higher("hit_rate", "%"))
    version = "1"
    counts = "cases"

    def __init__(self, config, data, seed, device):
        self.steps = 1000

    def step(self, t):
        if t > 50 and not Path("go").exists():
            time.sleep(0.05)
        return {"loss": 1 / (t + 1), "hit_rate": t / 1000}

STUDY = study.Study(title="Slow", training=Slow, arms={"a": {}}, watched="hit_rate")
'''


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return data.load("digits", Path())


def image_run(data_set: Dataset, /, seed: int = 0, device: str = "cpu", **fields: Any) -> TrialRun:
    """A trial of the image training on these data, with these hyperparameters."""
    return TrialRun(Images, validated(ImageConfig, fields), data_set, seed, device)


def to_the_end(run: TrialRun, steps: int = 10**6) -> TrialRun:
    """The same, trained to its end so many steps at a time."""
    while not run.done:
        run.run(steps)
    return run


@pytest.fixture
def tiny_study(tmp_path: Path) -> Path:
    """A study file of two arms that trains in a second."""
    path = tmp_path / "tiny_width.py"
    path.write_text(STUDY_FILE)
    return path


class Study:
    """Runs `study` in a process of its own, in a folder of its own."""

    first: subprocess.CompletedProcess[str]  # of the fixture `finished`

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STUDY_")},
            "NO_COLOR": "1",
            # Not the token of whoever runs the tests.
            "RAY_AUTH_TOKEN_PATH": str(folder / "no-token"),
            "COLUMNS": "200",
        }
        self._begun: list[subprocess.Popen[str]] = []

    def begin(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start it in a process group of its own, so that a test can signal it as a terminal would."""
        process = subprocess.Popen(
            [sys.executable, "-m", "study", *words],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._begun.append(process)
        return process

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        whole = {**self.environment, **environment}
        if forked.can_be_forked(whole):
            return forked.run(words, self.folder, whole, HANG)
        return self.anew(*words, **environment)

    def anew(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """In an interpreter that is started for it, as users do."""
        process = self.begin(*words, **environment)
        out, err = process.communicate(timeout=HANG)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def end(self) -> None:
        for process in self._begun:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    runs = Study(tmp_path)
    yield runs
    runs.end()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A folder with tiny_width.py and its finished results of two seeds; the run stands as `.first`."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny_width.py").write_text(STUDY_FILE)
    runs = Study(folder)
    runs.first = runs("tune", "tiny_width.py", "--seeds", "2")
    yield runs
    runs.end()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the time left is computed by, in seconds; it stands still until a test sets it."""
    now = [100.0]
    monkeypatch.setattr("study.running.time_left.time.monotonic", lambda: now[0])
    return now


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + HANG
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen in {HANG} s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """A real S3 server on loopback; the environment in which its clients find it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


@pytest.fixture
def bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a bucket, for this process too."""
    import s3fs

    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem().mkdir("bucket") if not s3fs.S3FileSystem().exists("bucket") else None
    return "s3://bucket"


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window; what its console says can be asked with `get_log("browser")`."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


# What tests are skipped without, and the packages of Debian that have it.
TOOLS = {
    "chromium": "chromium", "chromedriver": "chromium-driver",
    "pdflatex": "texlive-latex-base texlive-latex-recommended",
    "ip": "iproute2", "sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync",
}  # fmt: skip


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """In one line, what to install for tests that were skipped for want of it."""
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"For tests that were skipped: apt-get install {' '.join(missing)}")
