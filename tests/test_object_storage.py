"""A study on S3: trained, killed, continued, reported, as on a disk."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import s3fs
from conftest import Study, wait_until

from analysis import load

STUDY_FILE = """
from ray import tune
from study import Study
STUDY = Study(title="Long", scientific={"width": tune.grid_search([2, 3])},
              fixed={"dataset": "digits", "batch_size": 16, "epochs": 8, "momentum": 0.5})
"""


def outcomes(storage: str | Path) -> dict[str, object]:
    trials = load(storage).trials
    return trials.set_index("key")[["weights_sha256", "test_accuracy", "steps"]].to_dict("index")


def test_a_killed_run_on_s3_continues_to_the_bits_of_an_undisturbed_one(
    study: Study, bucket: str, s3: dict[str, str]
) -> None:
    (study.folder / "long.py").write_text(STUDY_FILE)
    words = ("tune", "long.py", "--seeds", "1", "--checkpoint-every", "0.2", "--storage")
    undisturbed = study(*words, "undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr

    begun = study.begin(*words, f"{bucket}/killed", **s3)
    files = s3fs.S3FileSystem(use_listings_cache=False)
    wait_until(lambda: bool(files.glob("bucket/killed/trials/*/checkpoint.pt")), "a checkpoint")
    for process in [*psutil.Process(begun.pid).children(recursive=True), psutil.Process(begun.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    begun.communicate()

    again = study(*words, f"{bucket}/killed", **s3)
    assert again.returncode == 0, again.stderr
    assert "continues at step" in again.stderr
    assert outcomes(f"{bucket}/killed") == outcomes(study.folder / "undisturbed")
    kept = {path.rsplit("/", 1)[1] for path in files.find("bucket/killed/trials")}
    assert kept == {"curve.parquet", "result.json"}
    status = study("status", "--json", "--storage", f"{bucket}/killed", **s3)
    assert json.loads(status.stdout)[0]["finished"] == 2
    report = study("report", "--storage", f"{bucket}/killed", "--out", "report", **s3)
    assert report.returncode == 0, report.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s3: {"AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY_ID": ""}, "credentials"),
        (lambda s3: {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect"),
    ],
    ids=["no credentials", "no server"],
)
def test_an_object_store_that_can_t_be_used_is_said_at_once(
    study: Study,
    tiny_study: Path,
    s3: dict[str, str],
    change: Callable[[dict[str, str]], dict[str, str]],
    said: str,
) -> None:
    environment = s3 | change(s3) | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(study.folder)}
    done = study("tune", "tiny_width.py", "--storage", "s3://absent/results", **environment)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr
