"""Whatever is killed, the same command again ends with the results of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from conftest import Study, wait_until

STUDY_FILE = """
from ray import tune
from study import Study
STUDY = Study(title="Long", scientific={"width": tune.grid_search([3, 6])},
              fixed={"dataset": "digits", "batch_size": 16, "epochs": 12, "momentum": 0.5})
"""
TUNE = ("tune", "long.py", "--seeds", "2", "--checkpoint-every", "0.3")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "long.py").write_text(STUDY_FILE)
    done = Study(folder)(*TUNE)
    assert done.returncode == 0, done.stderr
    return outcomes(folder)


def outcomes(folder: Path) -> dict[str, object]:
    """Everything of the results that is not time or place, the curves byte for byte."""
    found = {}
    for path in (folder / "results/trials").glob("*/result.json"):
        result = json.loads(path.read_text())
        del result["provenance"], result["sha256"]
        found[path.parent.name] = (result, (path.parent / "curve.parquet").read_bytes())
    return found


def checkpoints(folder: Path) -> list[Path]:
    return list((folder / "results/trials").glob("*/checkpoint.pt"))


def family(process_id: int) -> list[psutil.Process]:
    return psutil.Process(process_id).children(recursive=True)


def workers(process_id: int) -> list[psutil.Process]:
    """Ray's workers that train (or are about to): their titles say so, in Tune's words."""
    return [child for child in family(process_id) if "Trainable" in " ".join(child.cmdline())]


def alive(process: psutil.Process) -> bool:
    """Not ended, and not waiting for a parent that never asks (in a container without an init)."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def begun(study: Study) -> tuple[Study, int]:
    """A run in the middle of its first two trials."""
    (study.folder / "long.py").write_text(STUDY_FILE)
    process = study.begin(*TUNE)
    wait_until(lambda: len(checkpoints(study.folder)) == 2, 90, "the first checkpoints")
    return study, process.pid


def continues(study: Study, undisturbed: dict[str, object]) -> str:
    again = study(*TUNE)
    assert again.returncode == 0, again.stderr
    assert outcomes(study.folder) == undisturbed
    assert checkpoints(study.folder) == []
    left = [path for path in (study.folder / "results").rglob("*") if path.name.endswith(".tmp")]
    assert left == []
    return again.stderr


def test_driver_and_workers_killed_and_a_checkpoint_damaged(
    begun: tuple[Study, int], undisturbed: dict[str, object]
) -> None:
    study, driver = begun
    for process in [*family(driver), psutil.Process(driver)]:
        process.kill()
    damaged = checkpoints(study.folder)[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    said = continues(study, undisturbed)
    assert "2 to continue" in said
    assert said.count("continues at iteration") == 1
    assert said.count("starts anew") == 1


def test_only_the_driver_killed_leaves_no_process(
    begun: tuple[Study, int], undisturbed: dict[str, object]
) -> None:
    study, driver = begun
    training, children = workers(driver), family(driver)
    assert len(training) == 2
    os.kill(driver, signal.SIGKILL)
    wait_until(lambda: not any(alive(child) for child in training), 20, "the end of the workers")
    continues(study, undisturbed)
    # Two of Ray's agents try for a minute to tell the driver, which is gone, before they end.
    wait_until(lambda: not any(alive(child) for child in children), 90, "the end of Ray's processes")


def test_a_worker_killed_is_replaced_in_the_same_run(
    begun: tuple[Study, int], undisturbed: dict[str, object]
) -> None:
    study, driver = begun
    workers(driver)[0].kill()
    _, err = study._begun[0].communicate(timeout=200)
    assert study._begun[0].returncode == 0, err
    assert "continues at iteration" in err
    assert outcomes(study.folder) == undisturbed


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_saves_what_runs_and_says_how_to_go_on(
    kind: signal.Signals, begun: tuple[Study, int], undisturbed: dict[str, object]
) -> None:
    study, driver = begun
    os.kill(driver, kind)
    _, err = study._begun[0].communicate(timeout=60)
    assert study._begun[0].returncode == 130, err
    assert "To continue: study tune long.py --seeds 2" in err
    assert "Traceback" not in err
    continues(study, undisturbed)
