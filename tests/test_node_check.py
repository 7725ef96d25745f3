"""Nodes that can't use the storage, or have other versions, are named before the first trial. Real Ray."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.running.scratch import parent
from tests.conftest import HANG, STUDY_FILE, Study, wait_until

ROOT = Path(__file__).parents[1]
RAY = f"{shlex.quote(sys.executable)} -m ray.scripts.scripts start --block"
SMALL = "--object-store-memory=80000000"
NO_TOKEN = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
UNSHARED = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0

pytestmark = pytest.mark.cluster


class Cluster:
    """Nodes of a real Ray cluster on this machine, each a process group that `end` ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        head = f"--head --num-cpus=0 --port=0 --include-dashboard=false --temp-dir={self._folder}/ray"
        said = self._start("head", f"{RAY} {SMALL} {head}")
        self.address = re.findall(r"--address='([\d.:]+)'", said)[0]

    def add(self, name: str, mount: str | None = None) -> None:
        """One more node; where this command mounts something, it does so for this node alone."""
        node = f"{RAY} {SMALL} --num-cpus=1 --address={self.address} --node-name={name}"
        self._start(name, f"unshare -m sh -c {shlex.quote(f'{mount} && exec {node}')}" if mount else node)

    def _start(self, name: str, command: str) -> str:
        log = self._folder / f"{name}.log"
        with log.open("wb") as out:
            environment = {**os.environ, **NO_TOKEN}
            node = subprocess.Popen(
                shlex.split(command), env=environment, stdout=out, stderr=out, start_new_session=True
            )
        self._nodes.append(node)
        wait_until(lambda: "Ray runtime started." in log.read_text(), f"the start of node {name}")
        return log.read_text()

    def end(self) -> None:
        for node in reversed(self._nodes):
            node.terminate()  # Ray ends what it started
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            node.wait()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without trials, and a node that came when a study waited for it."""
    # Sockets' paths may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="study-test-", dir=parent()) as folder:
        cluster = Cluster(Path(folder))
        try:
            cluster.begin()
            yield cluster
        finally:
            cluster.end()


def tune(study: Study, cluster: Cluster) -> subprocess.Popen[str]:
    (study.folder / "tiny_width.py").write_text(STUDY_FILE)
    words = ["tune", "tiny_width.py", "--seeds", "1", "--storage", "shared/results"]
    return study.begin(*words, "--address", cluster.address, **NO_TOKEN)


def test_a_study_waits_for_the_first_node_that_runs_trials(study: Study, cluster: Cluster) -> None:
    running = tune(study, cluster)
    assert running.stderr is not None
    assert any("waits up to" in line for line in running.stderr)
    cluster.add("near")
    _, said = running.communicate(timeout=HANG)
    assert running.returncode == 0, said
    kept = sorted(path.name for path in (study.folder / "shared/results").iterdir())
    assert kept == ["figures", "studies", "tables", "trials"]


def test_a_plan_says_how_many_trials_the_cluster_runs_at_once(study: Study, cluster: Cluster) -> None:
    (study.folder / "tiny_width.py").write_text(STUDY_FILE)
    done = study("plan", "tiny_width.py", "--json", "--address", cluster.address, **NO_TOKEN)
    assert [arm["at once"] for arm in json.loads(done.stdout)["arms_of"]] == [1, 1], done.stderr


@pytest.mark.skipif(not UNSHARED, reason="a node with mounts of its own is not allowed here")
def test_nodes_that_can_run_no_trial_are_named(study: Study, cluster: Cluster) -> None:
    shared, metadata = study.folder / "shared", study.folder / "METADATA"
    shared.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 1.0\n")
    of_torch = next(
        file for file in importlib.metadata.files("torch") or [] if file.match("torch-*/METADATA")
    )
    cluster.add("far", f"mount -t tmpfs tmpfs {shared}")
    cluster.add("away", f"mount -t tmpfs tmpfs {shared}")
    cluster.add("deaf", f"mount --bind {shared} {shared} && mount -o remount,bind,ro {shared}")
    cluster.add("old", f"mount --bind {metadata} {of_torch.locate()}")
    cluster.add("bare", f"mount -t tmpfs tmpfs {ROOT / 'study'}")

    running = tune(study, cluster)
    printed, said = running.communicate(timeout=HANG)
    assert (running.returncode, printed) == (2, "")
    storage, hint = f"storage {shared / 'results'}", r"\. Use one that all nodes have: .*"
    for line in (
        r"\S+ \((far|away)\), \S+ \((far|away)\): " + f"{storage} is not there, or is another one{hint}",
        r"\S+ \(deaf\): " + f"{storage} can't be written: Read-only file system{hint}",
        r"\S+ \(bare\): no trial can run there: ModuleNotFoundError: No module named 'study.*",
        r"\S+ \(old\): has torch 1\.0 \(here [\d.]+\)\. Install the same .*",
    ):
        assert re.search(f"^{line}$", said, re.MULTILINE), (line, said)
    assert "near" not in said
    assert list(shared.iterdir()) == []


def test_a_cluster_of_another_ray_is_refused_with_both_versions(study: Study, cluster: Cluster) -> None:
    ours = importlib.metadata.version("ray")
    (study.folder / "tiny_width.py").write_text(STUDY_FILE)
    code = "import ray, sys; ray.__version__ = '2.0.0'; from study.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "tune", "tiny_width.py", "--address", cluster.address],
        cwd=study.folder,
        env={**study.environment, **NO_TOKEN},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 2
    assert f"runs Ray {ours} on Python" in done.stderr
    assert "here it is Ray 2.0.0 on Python" in done.stderr
    assert len(done.stderr.splitlines()) == 3  # how many trials, and these two
