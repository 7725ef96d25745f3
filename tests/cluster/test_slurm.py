"""clusters/slurm.sh on two machines, with a real Ray and stand-ins for Slurm that go through ssh."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cluster import network, nodes
from cluster.network import Node
from cluster.nodes import TOKEN, WAITS, Cluster
from conftest import HANG, wait_until

reason = network.missing() or nodes.missing()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
]

# Each node runs the words at the same time, in the folder and with the environment of the caller.
SRUN = """
while [[ $1 == --* ]]; do shift; done
export -p > environment
for node in $SLURM_JOB_NODELIST; do
  ssh -n -i ~/.ssh/study -o StrictHostKeyChecking=no "$node" "cd $PWD; source ./environment; exec ${*@Q}" &
done
failed=0
for job in $(jobs -p); do wait "$job" || failed=$?; done
exit $failed
"""
TOOLS = {"srun": SRUN, "scontrol": "tr ' ' '\\n' <<< $SLURM_JOB_NODELIST"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two machines with the token, and the project in their shared folder; no Ray runs."""
    made = Cluster(tmp_path_factory.mktemp("slurm"), workers=1)
    project = made.shared / "project"
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/activate").write_text(f"export PATH={sys.prefix}/bin:$PATH\n")
    shutil.copy(nodes.REPOSITORY / "clusters/slurm.sh", project)
    (project / "waits.py").write_text(WAITS)
    for name, body in TOOLS.items():
        (project / name).write_text(f"#!/bin/bash\n{body}\n")
        (project / name).chmod(0o755)
    for node in (made.head, *made.workers):
        shutil.copy(made.folder / "study", node.home / ".ssh/study")
        (node.home / ".ray").mkdir()
        (node.home / ".ray/auth_token").touch(0o600)
        (node.home / ".ray/auth_token").write_text(TOKEN)
    try:
        yield made
    finally:
        made.end()


def begin(cluster: Cluster, *words: str) -> subprocess.Popen[str]:
    """The job's script on the first machine, as Slurm would run it."""
    addresses = " ".join(node.address for node in (cluster.head, *cluster.workers))
    slurm = f"SLURM_JOB_ID=7 SLURM_NNODES=2 SLURM_CPUS_PER_TASK=1 SLURM_JOB_NODELIST='{addresses}'"
    command = f"cd ~/shared/project && PATH=$PWD:$PATH {slurm} ./slurm.sh {shlex.join(words)}"
    return cluster.head.begin("bash", "-c", command)


def of_the_job(node: Node) -> Iterator[psutil.Process]:
    for process in node.processes():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SLURM_JOB_ID"):
                yield process


def wait_until_it_trains(cluster: Cluster, job: subprocess.Popen[str]) -> None:
    """On both machines."""

    def trains() -> bool:
        assert job.poll() is None, "\n".join(job.communicate())
        titles = [node.titles() for node in (cluster.head, *cluster.workers)]
        return all(any("Trainable" in title for title in of) for of in titles)

    wait_until(trains, "a trial on each machine")


def left(cluster: Cluster) -> list[str]:
    """What there is of a job on the machines: processes and folders."""
    found = []
    for node in (cluster.head, *cluster.workers):
        for process in of_the_job(node):
            with contextlib.suppress(psutil.Error):
                found.append(f"{node.name}: {' '.join(process.cmdline())}")
        found += node.run("find", "/tmp", "-maxdepth", "1", "-name", "study-job*").stdout.split()
    return found


def test_both_machines_train_and_nobody_else_gets_at_their_files(cluster: Cluster) -> None:
    job = begin(cluster, "waits.py", "--seeds", "1")
    wait_until_it_trains(cluster, job)
    for node in (cluster.head, *cluster.workers):
        found = cluster.intrude(node)
        folders = {Path(path).parts[2] for path in found["seen"] if path.endswith("/sockets/raylet")}
        assert len(folders) == 1
        assert folders.pop().startswith("study-job.")
        assert found["got"] == []
    go = cluster.shared / "project/go"
    go.touch()
    out, err = job.communicate(timeout=HANG)
    assert job.returncode == 0, (out + err)[-5000:]
    results = [
        json.loads(path.read_text()) for path in cluster.shared.glob("project/results/trials/*/result.json")
    ]
    assert {result["provenance"]["node"] for result in results} == {"head", "worker1"}
    assert left(cluster) == []
    go.unlink()


def test_a_job_that_is_ended_leaves_neither_folders_nor_ray(cluster: Cluster) -> None:
    job = begin(cluster, "waits.py", "--seeds", "1", "--fresh")
    wait_until_it_trains(cluster, job)
    for process in [of for node in (cluster.head, *cluster.workers) for of in of_the_job(node)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()  # as Slurm does at the time limit
    job.communicate(timeout=HANG)
    # Slurm kills what is left of a job; Ray's own process on the second machine takes half a minute to end.
    wait_until(lambda: not left(cluster), "the end of the job")
