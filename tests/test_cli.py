"""The commands as a user types them, in real processes with a real Ray."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import Study
from storages import made_storage

from analysis import load

TUNE = ("tune", "tiny_width.py", "--seeds", "2")


def test_a_study_is_trained_and_its_table_and_figure_are_there(finished: Study) -> None:
    first = finished.first
    assert first.returncode == 0, first.stderr
    assert "4 trials: 4 to train" in first.stderr
    assert "[4/4]" in first.stderr
    assert "Tiny Width" in first.stdout
    assert "published, %" in first.stdout
    assert "95.50" in first.stdout
    results = finished.folder / "results"
    assert (results / "figures/tiny_width.png").read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in (results / "figures/tiny_width.svg").read_bytes()
    table = pd.read_csv(results / "tables/tiny_width.csv")
    assert table.arm.tolist() == [2, 4]
    assert table.n.tolist() == [2, 2]
    # The table's numbers are those of the trials.
    of_arm = load(results).of("tiny_width").groupby("arm").test_accuracy.mean() * 100
    assert table.test_accuracy.tolist() == pytest.approx(of_arm.tolist())


def test_data_goes_to_stdout_and_no_chatter_to_either(finished: Study) -> None:
    first = finished.first
    lines = [line for line in first.stderr.splitlines() if line]
    assert all(line.startswith(("4 trials:", "[")) for line in lines), first.stderr
    assert "Trial" not in first.stdout


def test_a_finished_trial_says_where_it_comes_from(finished: Study) -> None:
    paths = list((finished.folder / "results/trials").glob("*/result.json"))
    assert len(paths) == 4
    for path in paths:
        result = json.loads(path.read_text())
        source = result["provenance"]
        assert result["status"] == "finished"
        assert result["key"] == path.parent.name
        assert result["config"]["width"] in (2, 4)
        assert result["facts"]["test_images"] == 360
        assert result["seed"] in (0, 1)
        assert result["data"]
        for name in ("python", "study", "torch", "torchvision", "ray", "device", "cpu", "threads", "node"):
            assert source[name], name
        assert source["started"] < source["ended"]
        assert source["training_seconds"] > 0
        assert source["rate"] > 0
        assert {file.name for file in path.parent.iterdir()} == {"result.json", "curve.parquet"}


def test_the_same_command_again_trains_nothing_and_starts_no_ray(finished: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished.folder / "results/trials").rglob("*.*")}
    again = finished(*TUNE, RAY_ADDRESS="no-such-host:1")  # would fail if Ray were asked
    assert again.returncode == 0, again.stderr
    assert again.stderr == "4 trials: 4 stored, 0 to train\n"
    assert again.stdout == finished.first.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_plan_and_status_count_trials(finished: Study) -> None:
    plan = json.loads(finished("plan", "tiny_width.py", "--seeds", "3", "--json").stdout)
    assert (plan["arms"], plan["distinct_trials"], plan["already_stored"], plan["to_train"]) == (2, 6, 4, 2)
    assert [(trial["arm"], trial["seed"]) for trial in plan["pending"]] == [("2", 2), ("4", 2)]
    status = json.loads(finished("status", "--json").stdout)
    assert status == [
        {
            "study": "tiny_width",
            "trials": 4,
            "finished": 4,
            "stopped": 0,
            "running": 0,
            "begun": 0,
            "failed": 0,
            "missing": 0,
            "now": [],
        }
    ]


def test_one_more_seed_trains_one_trial_per_arm(finished: Study) -> None:
    more = finished("tune", "tiny_width.py", "--seeds", "3", "--in-process")
    assert more.returncode == 0, more.stderr
    assert "6 trials: 4 stored, 2 to train" in more.stderr
    assert pd.read_csv(finished.folder / "results/tables/tiny_width.csv").n.tolist() == [3, 3]


def test_fresh_trains_again_and_gives_the_same_bits(finished: Study) -> None:
    results = finished.folder / "results"
    before = load(results, ["tiny_width"]).trials.set_index("key").weights_sha256
    written = {path: path.stat().st_mtime_ns for path in (results / "trials").glob("*/result.json")}
    assert finished(*TUNE, "--fresh").returncode == 0
    after = load(results, ["tiny_width"]).trials.set_index("key").weights_sha256
    assert after.notna().all()
    assert after.to_dict().items() <= before.to_dict().items()
    retrained = [path for path in written if path.stat().st_mtime_ns > written[path]]
    assert len(retrained) == 4


NETWORKS = """
import torch
from torch import nn

class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(784, 10)

    def forward(self, images):
        if self.training and images.mean() > 0:
            raise ArithmeticError("as it is meant to")
        return self.layer(images.flatten(1))

def fails(config):
    return Fails()

def own(config):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""
MIXED = """
from study import Study
STUDY = Study(title="Mixed", fixed={"dataset": "digits", "width": 2}, arms={
    "whole": {}, "raises": {"model": "my_networks:fails"},
    "diverges": {"lr": 1e30}, "own": {"model": "my_networks:own"},
})
"""


def test_a_trial_that_raises_or_diverges_is_alone_affected(study: Study) -> None:
    (study.folder / "files").mkdir()
    (study.folder / "files/my_networks.py").write_text(NETWORKS)
    (study.folder / "files/mixed.py").write_text(MIXED)
    done = study("tune", "files/mixed.py", "--seeds", "1", "--tensorboard")
    assert done.returncode == 1, done.stderr
    assert "mixed diverges seed 0: diverged at step 2" in done.stderr
    assert "mixed raises seed 0 failed: ArithmeticError: as it is meant to" in done.stderr
    assert "Traceback" not in done.stderr
    traceback = Path(done.stderr.split("whole traceback: ")[1].strip())
    assert "Traceback (most recent call last)" in traceback.read_text()
    table = pd.read_csv(study.folder / "results/tables/mixed.csv").set_index("arm")
    assert table.n.to_dict() == {"whole": 1, "raises": 0, "diverges": 0, "own": 1}
    assert table.diverged.to_dict() == {"whole": 0, "raises": 0, "diverges": 1, "own": 0}
    assert table.pending.to_dict() == {"whole": 0, "raises": 1, "diverges": 0, "own": 0}
    events = {path.parent.relative_to(study.folder) for path in study.folder.rglob("events.out.tfevents.*")}
    assert {str(folder) for folder in events} == {
        f"results/tensorboard/mixed/{arm}/seed-0" for arm in ("whole", "diverges", "own")
    }


def test_a_tuple_is_set_by_the_list_that_json_makes_of_it(study: Study) -> None:
    (study.folder / "sums.py").write_text(
        "import study\nfrom ray import tune\n"
        "@study.function(study.lower('total'))\n"
        "def total(kernels: tuple[int, ...] = (3,), k: float = 1.0):\n"
        "    return {'total': k * sum(kernels)} if type(kernels) is tuple else {}\n"
        "STUDY = study.Study(title='Sums', training=total, scientific={'k': tune.grid_search([1.0])})\n"
    )
    done = study("tune", "sums.py", "--seeds", "1", "--set", "kernels=[3, 5]", "--in-process", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["arms"][0]["total"] == 8.0
    assert "should be a valid tuple" in study("plan", "sums.py", "--set", "kernels=3").stderr


def test_a_notebooks_backend_that_is_missing_here_does_not_stop_the_figures(
    study: Study, tiny_study: Path
) -> None:
    words = ("tune", "tiny_width.py", "--seeds", "1", "--set", "epochs=1", "--in-process")
    done = study(*words, MPLBACKEND="module://no_such_package.backend_inline")
    assert done.returncode == 0, done.stderr
    assert (study.folder / "results/figures/tiny_width.png").exists()


def test_tuned_arms_report_the_test_accuracy_of_what_validation_selected(study: Study) -> None:
    (study.folder / "tuned.py").write_text(
        "from ray import tune\nfrom study import Study\n"
        "STUDY = Study(title='Tuned', arms={'narrow': {'width': 2}, 'wide': {'width': 4}},"
        " nuisance={'lr': tune.loguniform(0.001, 1.0)}, nuisance_samples=3,"
        " fixed={'dataset': 'digits', 'validation_size': 300, 'batch_size': 50})\n"
    )
    done = study("tune", "tuned.py", "--seeds", "2", "--in-process")
    assert done.returncode == 0, done.stderr
    results = load(study.folder / "results")
    every, chosen = results.candidates("tuned"), results.of("tuned")
    assert (len(every), len(chosen)) == (12, 2)
    for arm, of_arm in every.groupby("arm"):
        # Seed 0 selects, seed 1 is reported.
        by_seed = {seed: of_seed.set_index("tuned") for seed, of_seed in of_arm.groupby("seed")}
        best = by_seed[0].validation_accuracy.idxmax()
        reported = chosen[chosen.arm == arm].iloc[0]
        assert (reported.tuned, reported.seed) == (best, 1)
        assert reported.test_accuracy == by_seed[1].test_accuracy[best]


def test_asha_stops_hopeless_trials_and_they_are_not_mistaken_for_finished_ones(study: Study) -> None:
    (study.folder / "rates.py").write_text(
        "from ray import tune\nfrom study import Study\n"
        "RATES = [0.1, 1e-6, 2e-6, 3e-6, 4e-6]\n"
        "STUDY = Study(title='Rates', scientific={'lr': tune.grid_search(RATES)},"
        " fixed={'dataset': 'digits', 'width': 16, 'batch_size': 16, 'epochs': 6})\n"
    )
    words = ("tune", "rates.py", "--seeds", "1")
    done = study(*words, "--scheduler", "asha")
    assert done.returncode == 0, done.stderr
    status = json.loads(study("status", "--json").stdout)[0]
    assert status["stopped"] >= 1
    assert status["finished"] + status["stopped"] == 5
    assert status["missing"] == 0
    assert done.stderr.count("stopped early at step") == status["stopped"]
    table = pd.read_csv(study.folder / "results/tables/rates.csv")
    assert table.stopped.sum() == status["stopped"]
    assert table.n.sum() == status["finished"]
    assert table.n[table.arm == 0.1].item() == 1
    again = study(*words, "--scheduler", "asha")
    assert "0 to train" in again.stderr
    # Without the scheduler they are continued to their end.
    plan = json.loads(study("plan", "rates.py", "--seeds", "1", "--json").stdout)
    assert plan["to_train"] == status["stopped"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tune", "absent.py"), "There is no file absent.py"),
        (("tune", "network_widht"), "did you mean 'network_width'?"),
        (("tune", "tiny_width.py", "--seeds", "0"), "seeds = 0"),
        (("tune", "tiny_width.py", "--set", "lr"), "write KEY=VALUE"),
        (("tune", "tiny_width.py", "--set", "lrr=1"), "did you mean 'lr'?"),
        (("tune", "tiny_width.py", "--set", "seed=1"), "--seeds N runs the seeds 0 to N-1"),
        (("tune", "tiny_width.py", "--storage", "memory://x"), "is this process's memory"),
        (("tune", "tiny_width.py", "--set", "lr=-1"), "lr = -1"),
        (("tune", "tiny_width.py", "--set", "width=3"), "width is what its arms set"),
        (("tune", "tiny_width.py", "--dataset", "minst"), "did you mean 'mnist'?"),
        (("tune", "tiny_width.py", "--storage", "tiny_width.py"), "is a file, not a folder"),
        (("plan", "tiny_width.py", "--cpus-per-trial", "0"), "cpus_per_trial = 0.0: give a whole number"),
        (("plan", "tiny_width.py", "--cpus-per-trial", "9999"), "no node has them"),
        (("plan", "tiny_width.py", "--gpus-per-trial", "1.5"), "gpus_per_trial = '1.5': give auto"),
        (("plan", "tiny_width.py", "--gpus-per-trial", "x"), "gpus_per_trial = 'x'"),
        (
            ("tune", "tiny_width.py", "--scheduler", "pbt"),
            "scheduler = 'pbt': allowed are asha, hyperband, median",
        ),
        (("tune", "tiny_width.py", "--set", "model=nowhere:f"), "module 'nowhere' can't be imported"),
    ],
)
def test_a_wrong_request_is_said_in_two_lines_and_writes_nothing(
    study: Study, tiny_study: Path, words: tuple[str, ...], said: str
) -> None:
    done = study(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert done.stdout == ""
    assert not (study.folder / "results").exists()


def test_no_data_and_no_network_says_both_ways_out(study: Study, tiny_study: Path) -> None:
    # A proxy that refuses is the nearest thing to no network that a test can make by itself.
    no_network = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = study("tune", "tiny_width.py", "--dataset", "mnist", **no_network)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert "--data-dir" in done.stderr
    assert "--dataset digits" in done.stderr
    assert not (study.folder / "results").exists()


def test_the_versions_are_told(study: Study) -> None:
    told = study("--version")
    assert (told.returncode, told.stderr) == (0, "")
    names = [part.split()[0] for part in told.stdout.split(", ")]
    assert names == ["study", "python", "torch", "ray", "numpy"]


def test_verdicts_say_that_what_was_published_is_of_other_data(study: Study) -> None:
    published = {"12": {"test_accuracy": 95.17}}
    for storage, data in (("same", "mnist"), ("other", "digits")):
        made_storage(
            study.folder / storage, {"12": (0.95, 0.96)}, published=published, data={"dataset": data}
        )
    note = "width: The published values are for mnist, ours here for digits."
    for command in ("verify", "infer"):
        assert note in study(command, "width", "--storage", "other").stdout
        assert note not in study(command, "width", "--storage", "same").stdout


def test_list_shows_the_shipped_studies(study: Study) -> None:
    listed = {entry["name"]: entry for entry in json.loads(study("list", "--json").stdout)}
    assert listed["network_width"]["arms"] == ["12", "25", "50", "100"]
    assert listed["network_width"]["figure"] == 10


def test_run_from_python_gives_a_dataframe(finished: Study) -> None:
    code = (
        "import study\n"
        "frame = study.run('tiny_width.py', seeds=2, progress=False)\n"
        "print(frame[['study', 'arm', 'seed', 'status']].to_csv(index=False))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=finished.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["study,arm,seed,status"] + [
        f"tiny_width,{arm},{seed},finished" for arm in (2, 4) for seed in (0, 1)
    ]


def test_a_stop_that_a_library_swallows_is_not_forgotten(study: Study) -> None:
    (study.folder / "swallows.py").write_text(
        "import signal\nfrom study import Study\n"
        "try:\n    signal.raise_signal(signal.SIGINT)\nexcept:\n    pass\n"
        "STUDY = Study(title='S', arms={'a': {'width': 2}}, fixed={'dataset': 'digits'})\n"
    )
    done = study("tune", "swallows.py", "--seeds", "1")
    assert done.returncode == 130, done.stderr
    assert "To continue: study tune swallows.py" in done.stderr
