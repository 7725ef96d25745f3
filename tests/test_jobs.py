"""Studies sent to a cluster: a real Ray head of one node, closed by a token, and the real commands."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import HANG, STUDY_FILE, wait_until
from ray_head import Head, Laptop, begun

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


def test_a_study_is_trained_on_the_cluster_with_what_it_needs_and_what_is_named(laptop: Laptop) -> None:
    stay = ("results/trials/a/result.json", "data/MNIST/raw/x", ".git/config", "id_ed25519", "unused.py")
    for path in (*stay, "helpers/shapes.py", "grids/width.json"):
        (laptop.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (laptop.folder / path).write_text("2")
    own = "import helpers.shapes\n" + STUDY_FILE.replace(
        "[2, 4]", "[int(open('grids/width.json').read()), 4]"
    )
    (laptop.folder / "tiny_width.py").write_text(own)
    done = laptop.at(*TINY, "--include", "grids", "--follow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.splitlines() == [
        f"sent tiny_width.py, {len(own) / 1024:.1f} KiB",
        "sent helpers/shapes.py, 0.0 KiB",
        "sent grids/width.json, 0.0 KiB",
        f"2 trials submitted; results go to {laptop.head.storage}",
    ]
    assert "Tiny Width" in done.stdout
    assert laptop.head.received() == {"tiny_width.py", "helpers/shapes.py", "grids/width.json"}
    (laptop.folder / "tiny_width.py").write_text(STUDY_FILE)
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
    wait_until(laptop.head.trains, "a trial")
    assert f"{job} already runs" in laptop.refused(*LONG, "--address", laptop.head.address)
    following.send_signal(signal.SIGINT)
    said, told = following.communicate(timeout=HANG)
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
    wait_until(laptop.head.trains, "a trial")
    assert laptop.at("stop").returncode == 0
    said, told = again.communicate(timeout=HANG)
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
        ("--gpus-per-trial", "some", "gpus_per_trial = 'some'"),
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
    assert "video.bin (101.0 MiB)" in laptop.refused(*TINY, "--include", "video.bin", *at)


def test_without_the_right_token_nothing_is_sent(laptop: Laptop, tmp_path: Path) -> None:
    words = (*TINY, "--address", laptop.head.address)
    wrong = laptop.refused(*words, RAY_AUTH_TOKEN="wrong-wrong")
    assert "refuses the token of RAY_AUTH_TOKEN" in wrong
    assert "wrong-wrong" not in wrong
    missing = laptop.refused(*words, RAY_AUTH_TOKEN="", RAY_AUTH_TOKEN_PATH=str(tmp_path / "none"))
    assert "there is none in" in missing
    (tmp_path / "two").touch(0o600)
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
