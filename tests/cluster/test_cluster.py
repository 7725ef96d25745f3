"""A cluster keeps what one machine keeps: whatever of it dies or is cut off, and nobody else gets in."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from chaos.scene import outcomes
from cluster import network, nodes
from cluster.network import Node, run
from cluster.nodes import PROBE, TOKEN, WAITS, Cluster
from conftest import Study, wait_until
from serving import served

reason = network.missing() or nodes.missing()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
]

STUDY_FILE = """
from ray import tune
from study import Study
STUDY = Study(title="Long", scientific={"width": tune.grid_search([4, 8])},
              fixed={"dataset": "digits", "batch_size": 16, "epochs": 30, "momentum": 0.5})
"""
EXAMPLES = Path(__file__).parents[2] / "examples"
# What a port says without a token, and to a wrong one: a closed one, HTTP, gRPC.
NOBODY_GETS_IN = [("refused", "refused"), ("401", "403"), ("UNAUTHENTICATED", "UNAUTHENTICATED")]
WORDS = ("long.py", "--seeds", "1", "--checkpoint-every", "0.5")
WAITING = ("waits.py", "--seeds", "1", "--checkpoint-every", "0.5")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head and a worker, with one core each."""
    made = Cluster(tmp_path_factory.mktemp("cluster"), workers=1)
    try:
        made.up()
        yield made
        made.down()
        assert made.alive() == {}
    finally:
        made.end()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The results of the same study on this machine alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "long.py").write_text(STUDY_FILE)
    done = Study(folder)("tune", *WORDS, "--in-process", "--cpus-per-trial", "1")
    assert done.returncode == 0, done.stderr
    return outcomes(folder / "results")


@pytest.fixture
def folder(cluster: Cluster, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own on the storage of all nodes, with the study."""
    made = cluster.shared / request.node.name
    made.mkdir()
    (made / "long.py").write_text(STUDY_FILE)
    (made / "waits.py").write_text(WAITS)
    return made


def checkpoints(folder: Path) -> list[Path]:
    return list((folder / "results/trials").glob("*/checkpoint.pt"))


def results(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in (folder / "results/trials").glob("*/result.json")]


def on(node: Node, folder: Path) -> int:
    """How many of the results were trained on the node."""
    return sum(result["provenance"]["node"] == node.name for result in results(folder))


def wait_until_it_trains(node: Node, folder: Path) -> None:
    """Until a trial runs on the node, and one, there or elsewhere, has saved something."""

    def trains() -> bool:
        return any("Trainable" in title for title in node.titles()) and bool(checkpoints(folder))

    wait_until(trains, f"a trial on {node.name}")


def whole(folder: Path, undisturbed: dict[str, object]) -> None:
    """Every trial is there, equals the undisturbed one to the bit, and has no step twice."""
    assert outcomes(folder / "results") == undisturbed
    assert checkpoints(folder) == []
    for path in (folder / "results/trials").glob("*/curve.parquet"):
        steps = pd.read_parquet(path).step
        assert steps.tolist() == list(range(1, len(steps) + 1))


def test_all_nodes_train_and_the_results_are_those_of_one_machine(
    cluster: Cluster, folder: Path, undisturbed: dict[str, object]
) -> None:
    done = cluster.submit(folder, *WORDS).result()
    assert done.returncode == 0, done.stdout + done.stderr
    whole(folder, undisturbed)
    assert on(cluster.head, folder) > 0
    assert on(cluster.workers[0], folder) > 0


def test_trainings_of_ones_own_run_on_a_cluster(
    cluster: Cluster, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples: a class, a function, and a script, which travels with the job."""
    small = {
        "iterations: int = Field(400": "iterations: int = Field(60",
        "trees: int = 100": "trees: int = 5",
        # Two arms each are enough for two nodes.
        ', "both": {"cosine": True, "dropout": 0.1}': "",
        'study.below("val_loss", "Dropout lowers it further.", "both", "cosine"),': "",
        'grid_search(["ridge", "forest", "boosting"])': 'grid_search(["ridge", "boosting"])',
        'study.equivalent("r2", "A forest explains as much as a line does.", "forest", "ridge", margin=0.1),': "",
        "grid_search([4, 16, 64])": "grid_search([4, 16])",
    }
    texts = "".join(file.read_text() for file in EXAMPLES.glob("*.py"))
    assert all(texts.count(default) == 1 for default in small)
    for file in EXAMPLES.glob("*.py"):
        text = file.read_text()
        for default, smaller in small.items():
            text = text.replace(default, smaller)
        for place in (folder, tmp_path):
            (place / file.name).write_text(text)
    words = ("language_model.py", "tabular.py", "script.py", "--seeds", "1")
    done = cluster.submit(folder, *words).result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {result["training"] for result in results(folder)} == {"LanguageModel", "tabular", "train_digits"}
    assert on(cluster.head, folder) + on(cluster.workers[0], folder) == 6
    # The nodes have an environment of their own; another kernel of a BLAS gives scikit-learn other bits.
    for name in [name for name in os.environ if name.startswith("OPENBLAS_")]:
        monkeypatch.delenv(name)
    local = Study(tmp_path)("tune", *words, "--in-process", "--cpus-per-trial", "1")
    assert local.returncode == 0, local.stderr
    assert outcomes(folder / "results") == outcomes(tmp_path / "results")


def test_every_port_but_ssh_refuses_or_asks_for_the_token(cluster: Cluster) -> None:
    for node in (cluster.head, *cluster.workers):
        ports = node.listening()
        assert 22 in ports
        answers = cluster.probe(node, ports - {22})
        assert len(answers) >= 3, "Ray's own ports were not among them"
        for address, (without, wrong, right) in answers.items():
            assert (without, wrong) in NOBODY_GETS_IN, (address, without, wrong)
            assert right not in ("401", "403", "UNAUTHENTICATED"), address


def test_the_job_server_is_reached_through_ssh_alone_and_with_the_token(cluster: Cluster) -> None:
    assert 8265 not in cluster.head.listening()
    cluster.tunnel()
    asked = cluster.laptop.run("python", "-c", PROBE.read_text(), TOKEN, "localhost:8265")
    assert json.loads(asked.stdout) == {"localhost:8265": ["401", "403", "200"]}


def test_a_machine_with_another_key_gets_neither_token_nor_key(cluster: Cluster, tmp_path: Path) -> None:
    def reached() -> bool:
        """By a new connection; Ray would go on with an old one for ten seconds."""
        cluster.laptop.run("pkill", "ssh")
        command = "cd ~/study && timeout 60 ray exec cluster.yaml true"
        return cluster.laptop.run("bash", "-c", command).returncode == 0

    assert reached()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    cluster.know(tmp_path / "key.pub")
    assert not reached()
    cluster.know(cluster.folder / "host_key.pub")
    assert reached()


def test_a_study_outlives_a_worker_which_comes_back(
    cluster: Cluster, folder: Path, undisturbed: dict[str, object]
) -> None:
    worker = cluster.workers[0]
    job = cluster.submit(folder, *WORDS)
    wait_until_it_trains(worker, folder)
    before = cluster.alive()
    worker.kill()
    cluster.start(worker)
    done = job.result()
    assert done.returncode == 0, done.stdout + done.stderr
    whole(folder, undisturbed)
    cluster.wait_for_nodes(instead_of={worker.address: before[worker.address]})


def test_a_running_job_is_seen_on_the_page_and_is_nobody_elses(cluster: Cluster, folder: Path) -> None:
    """Another user of a node gets neither at Ray's folder nor at its sockets nor at the files of the job.

    The worker is the one that the test before killed: it is used now that it is back.
    """
    job = cluster.submit(folder, *WAITING)
    for node in (cluster.head, *cluster.workers):
        wait_until_it_trains(node, folder)
        found = cluster.intrude(node)
        assert any(path.endswith("/waits.py") for path in found["seen"]), "the job's files"
        assert any(path.endswith("/sockets/raylet") for path in found["seen"])
        assert found["got"] == []
    with served(folder) as page:
        page.wait_for("/running", cluster.workers[0].name)
        cluster.stop()
        stopped = job.result()
        assert "To continue: study tune waits.py" in stopped.stdout, stopped.stdout + stopped.stderr
        assert checkpoints(folder) != []
        page.wait_for("/study/waits", "<td[^>]*>interrupted</td>")
        page.wait_for("/running", "No trial is running.")


def test_after_the_head_died_the_same_command_continues(
    cluster: Cluster, folder: Path, undisturbed: dict[str, object]
) -> None:
    job = cluster.submit(folder, *WORDS)
    wait_until_it_trains(cluster.head, folder)
    cluster.head.kill()
    job.result()
    cluster.start(cluster.head)
    cluster.up()
    begun = len(checkpoints(folder))
    assert begun + len(results(folder)) > 0
    done = cluster.submit(folder, *WORDS).result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("continues at step") == begun
    whole(folder, undisturbed)


def test_nothing_counts_twice_after_cuts(
    cluster: Cluster, folder: Path, undisturbed: dict[str, object]
) -> None:
    worker = cluster.workers[0]
    job = cluster.submit(folder, *WORDS)
    wait_until_it_trains(worker, folder)
    for seconds in (5, 60):  # the first goes unnoticed, in the second Ray may give the node up
        cluster.switch.cut(worker)
        time.sleep(seconds)
        cluster.switch.join(worker)
    done = job.result()
    assert done.returncode == 0, done.stdout + done.stderr
    whole(folder, undisturbed)
