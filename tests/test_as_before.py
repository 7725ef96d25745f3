"""A run leaves the process that called it as it was."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from conftest import HANG

import study
from study import Study
from study.running import as_before

FIXED = {"dataset": "digits", "batch_size": 512, "width": 2, "epochs": 1}

AFTER_A_RUN = """
import logging, os, signal
import ray
import study
from ray import tune

def now():
    of = logging.getLogger("ray")
    handlers = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)]
    return dict(os.environ), of.level, list(of.handlers), of.propagate, handlers

def trained(config):
    tune.report({"score": 1.0})

before = now()
one = study.Study(title="One", arms={"a": {}}, fixed=%r)
study.run(one, seeds=1, storage="results", progress=False)
assert now() == before, (before, now())
ray.init(include_dashboard=False, num_cpus=1)
tune.Tuner(trained, run_config=tune.RunConfig(storage_path=os.path.abspath("own"), name="run")).fit()
"""


def test_the_users_own_tuner_writes_and_logs_as_usual_after_a_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_RUN % FIXED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr
    assert {"result.json", "progress.csv"} <= {path.name for path in tmp_path.glob("own/run/*/*")}
    assert "Trial status" in done.stdout
    assert "Started a local Ray instance" in done.stderr


def test_a_run_in_this_process_leaves_threads_flags_generators_and_environment(tmp_path: Path) -> None:
    # Ray seeds Python's generator as it is imported, here.
    one, run, cudnn = Study(title="One", arms={"a": {}}, fixed=FIXED), study.run, torch.backends.cudnn
    before = torch.get_num_threads(), cudnn.benchmark, cudnn.deterministic
    torch.set_num_threads(2)
    cudnn.benchmark, cudnn.deterministic = True, False
    random.seed(7)
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    state, words, bits = random.getstate(), np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    environment = dict(os.environ)
    try:
        run(one, seeds=1, storage=tmp_path, progress=False, in_process=True, cpus_per_trial=1)
        assert random.getstate() == state
        assert np.array_equal(np.random.get_state()[1], words)  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), bits)
        assert (torch.get_num_threads(), cudnn.benchmark, cudnn.deterministic) == (2, True, False)
        assert dict(os.environ) == environment
    finally:
        torch.set_num_threads(before[0])
        cudnn.benchmark, cudnn.deterministic = before[1:]


def test_what_the_caller_set_for_its_own_tensors_changes_no_bit_of_a_run_in_its_process(
    tmp_path: Path,
) -> None:
    one = Study(title="One", arms={"a": {}}, fixed=FIXED)

    def weights(storage: str) -> str:
        frame = study.run(one, seeds=1, storage=tmp_path / storage, progress=False, in_process=True)
        return str(frame.weights_sha256[0])

    usual, precision = weights("usual"), torch.get_float32_matmul_precision()
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        torch.set_default_device("meta")
        with torch.no_grad():
            assert weights("changed") == usual
        assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float64, "meta")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(precision)
        torch.set_default_device(None)


def test_a_logger_gets_its_level_and_handlers_back() -> None:
    given, handler = logging.getLogger("study.test.as_before"), logging.NullHandler()
    with as_before.logger(given.name) as same:
        same.setLevel(logging.CRITICAL)
        same.addHandler(handler)
        same.propagate = False
    assert (given.level, given.handlers, given.propagate) == (logging.NOTSET, [], True)
