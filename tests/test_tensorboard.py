"""TensorBoard's event files, read by TensorBoard itself: while a trial runs, and when it has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HANG, Study, wait_until
from storages import PROVENANCE, made_result
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams.api_pb2 import Experiment, Status
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from upath import UPath

from study.store.files import Files, RefusedFile
from study.store.tensorboard import EventFiles
from study.store.trial_store import TrialStore

# Goes on until there is a file called `go`.
SLOW = """
import time
from pathlib import Path
import study

class Slow(study.Training):
    metrics = (study.lower("loss"), study.higher("hit_rate", "%"), study.lower("best_loss", of="loss", counts="best"))
    version = "1"

    class Config(study.Config):
        rate: float = 0.5
        kernels: tuple[int, ...] = (3, 5)

    def __init__(self, config, data, seed, device):
        self.steps, self.done = 4000, 0

    def step(self, t):
        self.done += 1
        if self.done > 50 and not Path("go").exists():
            time.sleep(0.05)
        return {"loss": 1 + 1 / (t + 1), "hit_rate": t / 4000}

STUDY = study.Study(title="Slow", training=Slow, arms={"a": {}})
"""


def events(folder: Path) -> list[Path]:
    return [*folder.glob("**/events.out.tfevents.*")]


def steps(read: EventAccumulator, tag: str) -> list[int]:
    return (
        [event.step for event in read.Reload().Scalars(tag)] if tag in read.Reload().Tags()["scalars"] else []
    )


def session(read: EventAccumulator, what: str) -> Any:
    """What a record of the HParams tab says."""
    content = read.SummaryMetadata(f"_hparams_/{what}").plugin_data.content
    return getattr(HParamsPluginData.FromString(content), what)


def experiment(folder: Path) -> Experiment:
    """What the HParams tab shows of all runs below a folder."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(folder))))
    ctx = RequestContext()
    told = context.hparams_metadata(ctx, "")
    return context.experiment_from_metadata(ctx, "", True, told, [])


def test_a_running_trial_s_file_grows_and_the_whole_one_takes_its_place(study: Study) -> None:
    (study.folder / "slow.py").write_text(SLOW)
    run = study.begin("tune", "slow.py", "--seeds", "1", "--tensorboard", "--in-process")
    folder = study.folder / "results/tensorboard/slow/a/seed-0"
    wait_until(lambda: bool(events(folder)), "a live event file")
    (live,) = events(folder)
    watching = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    wait_until(lambda: len(steps(watching, "loss")) > 50, "its first points")
    first = steps(watching, "loss")
    wait_until(lambda: len(steps(watching, "loss")) > len(first), "more of them")
    assert steps(watching, "loss")[: len(first)] == first
    assert events(folder) == [live]
    assert session(watching, "session_start_info").hparams["rate"].number_value == 0.5
    (study.folder / "go").touch()
    _, err = run.communicate(timeout=HANG)
    assert run.returncode == 0, err
    (whole,) = {*events(folder)} - {live}
    assert live.stat().st_size == 0
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    for name in ("loss", "hit_rate"):
        assert steps(read, name) == [*range(1, 4001)]
        # Who has watched since the trial began has no point twice.
        assert steps(watching, name) == [*range(1, 4001)]
    assert read.Scalars("loss")[9].value == pytest.approx(1.1)
    assert [event.value for event in read.Scalars("final/best_loss")] == [pytest.approx(1 + 1 / 4000)]
    assert session(read, "session_end_info").status == Status.STATUS_SUCCESS
    assert study("tune", "slow.py", "--seeds", "1", "--tensorboard", "--in-process").returncode == 0
    assert {*events(folder)} == {live, whole}


def test_the_hparams_tab_shows_what_trials_of_any_training_have(tmp_path: Path) -> None:
    store, known = TrialStore(tmp_path), np.ones(1, bool)
    for key, config in (
        ("a", {"lr": 0.1, "nesterov": True, "depths": [1, 2]}),
        ("b", {"model": "tree", "n": 10**400}),
    ):
        name = f"{key}_loss"
        ended: dict[str, Any] = {"training": key, "config": config, "metrics": {name: 0.5}, "at": {name: 1}}
        # What somebody else wrote may have a beginning that is no moment, and a number that is no float.
        ended["provenance"] = {**PROVENANCE, "started": "then"}
        store.commit(
            key,
            {"step": np.arange(1, 2), name: (np.ones(1), known)},
            {**made_result(seed=3, steps=1), **ended},
        )
    store.commit(
        "c", {"step": np.arange(1, 2), "b_loss": (np.full(1, np.nan), known)}, made_result(0, "diverged", 1)
    )
    files = EventFiles(
        store,
        [
            {"name": key, "arms": [{"label": "arm", "candidates": [{"overrides": {}, "keys": [key]}]}]}
            for key in "abc"
        ],
    )
    for key in "abc":
        files.write(key)
    found = experiment(tmp_path / "tensorboard")
    assert {info.name for info in found.hparam_infos} > {"lr", "nesterov", "depths", "model", "n", "seed"}
    assert {info.name.tag for info in found.metric_infos} == {
        "a_loss", "b_loss", "final/a_loss", "final/b_loss",
    }  # fmt: skip
    read = EventAccumulator(str(tmp_path / "tensorboard/a/arm/seed-0")).Reload()
    said = session(read, "session_start_info").hparams
    assert (said["lr"].number_value, said["nesterov"].bool_value, said["depths"].string_value) == (
        0.1, True, "[1, 2]",
    )  # fmt: skip
    assert said["seed"].number_value == 3
    diverged = EventAccumulator(str(tmp_path / "tensorboard/c/arm/seed-0")).Reload()
    assert session(diverged, "session_end_info").status == Status.STATUS_FAILURE


def test_a_link_in_place_of_a_file_that_grows_is_not_followed(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "results")
    (tmp_path / "mine").write_bytes(b"mine")
    store.files.append("tensorboard/file", b"one")
    store.files.append("tensorboard/file", b" two")
    assert store.files.read("tensorboard/file") == b"one two"
    (tmp_path / "results/tensorboard/link").symlink_to(tmp_path / "mine")
    with pytest.raises(RefusedFile, match="tensorboard/link is a link"):
        store.files.append("tensorboard/link", b"theirs")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_an_object_that_is_added_to_has_all_of_it() -> None:
    files = Files(UPath("memory://growing"))
    files.append("tensorboard/file", b"one")
    files.append("tensorboard/file", b" two")
    assert files.read("tensorboard/file") == b"one two"


def test_a_storage_that_refuses_is_tried_again_and_the_file_is_begun_anew(tmp_path: Path) -> None:
    record = {"name": "s", "arms": [{"label": "a", "candidates": [{"overrides": {}, "keys": ["k"]}]}]}
    files = EventFiles(TrialStore(tmp_path), [record])
    said = {"config": {}, "seed": 0, "seconds": 1.0, "step": 2, "started": "", "updated": ""}
    (tmp_path / "tensorboard").symlink_to(tmp_path)
    files.grow("k", {**said, "series": {"loss": {"steps": [1], "values": [0.5]}}})
    (tmp_path / "tensorboard").unlink()
    for at in ([1, 2], [1, 2], [1, 3]):
        files.grow("k", {**said, "series": {"loss": {"steps": at, "values": [0.5, 0.25]}}})
    files.close()
    (path,) = events(tmp_path)
    assert steps(EventAccumulator(str(path.parent)), "loss") == [1, 2, 3]
