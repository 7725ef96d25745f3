"""What a trial has learned can be kept, and used afterwards."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from conftest import Study

import study
from study import StudyError
from study.running.trial_run import add_to_digest
from study.store.trial_store import TrialStore

NET = """
import torch
import study

class Net(study.Training):
    class Config(study.Config):
        lr: float = 0.1
        steps: int = 20

    metrics = (study.lower("loss"),)
    state = ("model", "optimizer")

    def __init__(self, config, data, seed, device):
        self.steps = config.steps
        self.model = torch.nn.Linear(3, 1).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), config.lr)

    def step(self, t):
        x = torch.randn(16, 3)
        loss = ((self.model(x)[:, 0] - x.sum(1)) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss}

STUDY = study.Study(title="Net", training=Net, arms={"slow": {"lr": 0.01}, "0.1": {}, "far": {"lr": 1e30}})
"""
FUNCTION = """
import study

@study.function(study.lower("loss"))
def flat(report, seed, x: float = 1.0):
    report(loss=x)

STUDY = study.Study(title="Flat", training=flat, arms={"a": {}})
"""


@pytest.fixture
def net(study: Study) -> Study:
    (study.folder / "net.py").write_text(NET)
    return study


def sums(of: Study, arm: object, seed: int = 0) -> float:
    """What the network of this arm makes of three ones."""
    found = study.trained(of.folder / "net.py", arm, seed, storage=of.folder / "results")
    return float(found.model(torch.ones(1, 3)).detach())


def test_weights_that_are_kept_are_those_of_the_last_step(net: Study) -> None:
    done = net("tune", "net.py", "--seeds", "2", "--keep-weights", "--set", "steps=40")
    assert done.returncode == 0, done.stderr
    assert sums(net, 0.1) == pytest.approx(3, abs=0.1), "it has learned to add"
    assert abs(sums(net, "slow") - 3) > 0.2
    assert sums(net, 0.1, seed=1) != sums(net, 0.1)
    store, digest = TrialStore(net.folder / "results"), hashlib.sha256()
    again = study.trained(net.folder / "net.py", 0.1, storage=store.root)
    add_to_digest(digest, "", again.weights())
    assert digest.hexdigest() in {store.result(key)["weights_sha256"] for key in store.states().finished}
    assert not store.states().littered
    assert len(store.with_trained()) == 4, "nothing of the arm that diverges"


def test_kept_weights_are_the_same_through_ray_and_in_one_process(net: Study) -> None:
    words = ("net.py", "--seeds", "1", "--keep-weights")
    assert net("tune", *words, "--storage", "ray").returncode == 0
    assert net("tune", *words, "--storage", "here", "--in-process").returncode == 0
    kept = [sorted((net.folder / place).glob("trials/*/trained.pt")) for place in ("ray", "here")]
    assert [path.parent.name for path in kept[0]] == [path.parent.name for path in kept[1]]
    models = [
        study.trained(net.folder / "net.py", "slow", storage=net.folder / place).model.weight
        for place in ("ray", "here")
    ]
    assert torch.equal(*models)


def test_what_was_not_kept_is_said(net: Study) -> None:
    (net.folder / "flat.py").write_text(FUNCTION)
    assert net("tune", "net.py", "flat.py", "--seeds", "1", "--in-process").returncode == 0
    results = net.folder / "results"
    with pytest.raises(StudyError, match=r"(?s)weights were not kept.*--keep-weights --fresh"):
        sums(net, "slow")
    with pytest.raises(StudyError, match="flat has no state that could be kept"):
        study.trained(net.folder / "flat.py", "a", storage=results)
    with pytest.raises(StudyError, match=r"no arm 'fast'; arms: slow, 0.1, far"):
        sums(net, "fast")
    with pytest.raises(StudyError, match="net slow seed 7: the seeds that were trained to their end are: 0"):
        sums(net, "slow", 7)
    with pytest.raises(StudyError, match="it diverged, and nothing is kept"):
        sums(net, "far")
    with pytest.raises(StudyError, match="net: was not run in"):
        study.trained(net.folder / "net.py", "slow", storage=net.folder / "elsewhere")
    said = net("tune", "net.py", "flat.py", "--seeds", "1", "--keep-weights", "--in-process")
    assert said.returncode == 0
    assert "2 of the stored trials were trained without it" in said.stderr
    assert "flat: has no state that could be kept" in said.stderr
    fresh = net("tune", "net.py", "--seeds", "1", "--keep-weights", "--fresh", "--in-process")
    assert fresh.returncode == 0
    assert sums(net, "slow") != 0


def test_weights_that_are_damaged_or_of_another_trial_are_refused(net: Study) -> None:
    assert net("tune", "net.py", "--seeds", "1", "--keep-weights", "--in-process").returncode == 0
    results = net.folder / "results"
    lr = {
        json.loads(path.read_text())["config"]["lr"]: path.with_name("trained.pt")
        for path in results.glob("trials/*/result.json")
    }
    content = lr[0.01].read_bytes()
    lr[0.1].write_bytes(content)
    with pytest.raises(
        StudyError, match=r"0.1 seed 0: the weights that were kept are not those of its result"
    ):
        sums(net, 0.1)
    lr[0.01].write_bytes(content[:-1] + b"x")
    with pytest.raises(StudyError, match="the checksum does not match"):
        sums(net, "slow")
    lr[0.01].write_bytes(content)
    assert sums(net, "slow") != 3
    other = net.folder / "other" / "net.py"
    other.parent.mkdir()
    other.write_text(NET.replace("randn(16, 3)", "randn(32, 3)"))
    with pytest.raises(StudyError, match="or its data have changed since"):
        study.trained(other, "slow", storage=results)


def test_the_process_is_left_as_it_was(net: Study) -> None:
    assert net("tune", "net.py", "--seeds", "1", "--keep-weights", "--in-process").returncode == 0
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    sums(net, "slow")
    assert torch.equal(torch.rand(3), expected)


def test_the_trials_of_a_storage_with_weights_are_removed_whole(net: Study) -> None:
    words = ("tune", "net.py", "--seeds", "1", "--in-process")
    assert net(*words, "--keep-weights").returncode == 0
    assert net(*words, "--fresh").returncode == 0
    assert not list((net.folder / "results").glob("trials/*/trained.pt"))
