"""A storage is data: nothing in it is executed, nothing outside it is touched, no secret gets into it."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

from conftest import Study
from storages import made_storage

from study.store import TrialStore

HOSTILE = "<script>alert(1)</script> ![](x) \\input{/etc/passwd} $\\nonsense$ $x_{ ../../up"


class Payload:
    """Makes a file named EXECUTED where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch EXECUTED",)


def test_a_hostile_checkpoint_executes_nothing_and_the_trial_starts_anew(
    study: Study, tiny_study: Path
) -> None:
    plan = json.loads(study("plan", "tiny_width.py", "--seeds", "1", "--json").stdout)
    store = TrialStore(study.folder / "results")
    for trial in plan["pending"]:
        store.save_checkpoint(trial["key"], pickle.dumps(Payload()))
    done = study("tune", "tiny_width.py", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("starts anew: not a state of this training") == 2
    assert not list(Path("/tmp").glob("study-run-*/**/EXECUTED"))
    assert not list(study.folder.rglob("EXECUTED"))


def test_hostile_results_execute_nothing_and_are_escaped(study: Study) -> None:
    folder = study.folder / "results"
    made_storage(
        folder,
        {HOSTILE: [0.9, 0.91], "b": [0.8, 0.82]},
        title=HOSTILE,
        question=HOSTILE,
        source=HOSTILE,
        varies=HOSTILE,
    )
    (folder / "trials/x").mkdir()
    for name in ("result.json", "curve.parquet", "checkpoint.pt"):
        (folder / "trials/x" / name).write_bytes(pickle.dumps(Payload()))
    (folder / "studies/pickled.json").write_bytes(pickle.dumps(Payload()))
    for words in (("status",), ("verify",), ("report", "--out", "report")):
        done = study(*words)
        assert done.returncode == 0, done.stderr
        assert "skipped: " in done.stderr
    page = (study.folder / "report/index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    tex = (study.folder / "report/tables/width.tex").read_text()
    assert "\\input" not in tex
    assert not list(study.folder.rglob("EXECUTED"))


def test_keys_that_lead_out_of_the_storage_are_not_followed(study: Study) -> None:
    folder = study.folder / "results"
    made_storage(study.folder / "other", {"a": [0.9]})
    outside = "../../other/trials/a-0"
    arms = [{"label": "a", "overrides": {}, "candidates": [{"overrides": {}, "keys": [outside]}]}]
    made_storage(folder, {"a": [0.9]}, arms=arms)
    status = json.loads(study("status", "--json").stdout)
    assert (status[0]["finished"], status[0]["missing"]) == (0, 1)


def test_no_secret_of_the_environment_gets_into_the_storage(study: Study, tiny_study: Path) -> None:
    secret = "hunter2-hunter2"
    done = study("tune", "tiny_width.py", "--seeds", "1", WANDB_API_KEY=secret, AWS_SECRET_ACCESS_KEY=secret)
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr
    files = [path for path in (study.folder / "results").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if secret.encode() in path.read_bytes()]
