"""The store's files are whole or absent, and what is damaged is said: on a disk, in memory, on S3."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storages import RECORD, made_result
from tensorboardX.proto.event_pb2 import Event
from upath import UPath

from study import StudyError
from study.images.metrics import METRICS
from study.store.files import StorageError
from study.store.records import Damaged
from study.store.tensorboard import EventFiles
from study.store.trial_store import TrialStore

CURVE = {
    "step": [1, 2],
    "train_loss": (np.array([2.3, 2.2]), np.array([True, True])),
    "test_loss": (np.array([np.nan, 2.1]), np.array([False, True])),
}
READ = {"step": [1, 2], "train_loss": [2.3, 2.2], "test_loss": [None, 2.1]}
RESULT = made_result()


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TrialStore:
    if request.param == "local":
        return TrialStore(tmp_path / "results")
    if request.param == "memory":
        return TrialStore(UPath(f"memory://{tmp_path.name}"))
    return TrialStore(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")


def test_a_committed_trial_is_read_back_and_its_checkpoint_is_gone(store: TrialStore) -> None:
    store.save_checkpoint("k", b"state")
    assert store.states().interrupted == {"k"}
    store.commit("k", CURVE, RESULT)
    assert store.states().finished == {"k"}
    assert store.states().interrupted == store.states().littered == set()
    assert store.result("k") == {"key": "k", **RESULT}
    assert store.curve("k").to_pydict() == READ
    assert store.damaged(["k"]) == {}


def test_a_checkpoint_is_given_back_as_it_was(store: TrialStore) -> None:
    assert store.checkpoint("k") is None
    store.save_checkpoint("k", b"old")
    store.save_checkpoint("k", b"new")
    assert store.checkpoint("k") == b"new"


def test_a_removed_trial_is_forgotten(store: TrialStore) -> None:
    store.commit("k", CURVE, RESULT)
    store.remove("k")
    assert store.states().finished == set()
    assert not store.has("k")


def test_a_stopped_trial_is_neither_finished_nor_interrupted(store: TrialStore) -> None:
    store.save_checkpoint("k", b"state")
    store.save_stopped("k", {"step": 3})
    assert (store.states().stopped, store.states().interrupted) == ({"k"}, set())
    store.forget_stopped("k")
    assert (store.states().stopped, store.states().interrupted) == (set(), {"k"})


def test_what_is_cut_or_copied_is_damaged_and_nothing_else(store: TrialStore) -> None:
    for key in ("whole", "cut", "copied", "curveless"):
        store.commit(key, CURVE, RESULT)
    trials = store.root / "trials"
    (trials / "cut/result.json").write_bytes((trials / "cut/result.json").read_bytes()[:-5])
    (trials / "copied/result.json").write_bytes((trials / "whole/result.json").read_bytes())
    (trials / "curveless/curve.parquet").unlink()
    damaged = store.damaged(["whole", "cut", "copied", "curveless"])
    assert damaged.keys() == {"cut", "copied", "curveless"}
    assert "is a copy of the result of whole" in damaged["copied"]


def test_what_another_client_writes_is_seen(store: TrialStore) -> None:
    """No listing or file is kept from before: on a cluster, others write meanwhile."""
    assert not store.has("k")
    assert store.states().finished == set()
    TrialStore(UPath(store.root)).commit("k", CURVE, RESULT)
    assert store.has("k")
    assert store.states().finished == {"k"}


def test_a_study_is_listed_and_read_back(store: TrialStore) -> None:
    assert store.studies() == []
    arm = {"label": "a", "overrides": {}, "candidates": [{"overrides": {}, "keys": ["k"]}]}
    record = {
        **RECORD,
        "metrics": [metric.model_dump(mode="json") for metric in METRICS],
        "figure": None,
        "reference": "a",
        "seeds": 1,
        "arms": [arm],
        "published": {},
        "claims": [],
    }
    store.save_study(record)
    assert store.studies() == ["width"]
    assert store.study("width") == record


def test_one_process_at_a_time_has_a_trial(tmp_path: Path) -> None:
    store, other = TrialStore(tmp_path), TrialStore(tmp_path)
    lock = store.lock("k")
    assert lock is not None
    assert other.lock("k") is None
    store.unlock(lock)
    assert other.lock("k") is not None


def fails(times: int, error: OSError) -> Callable[[int], None]:
    """os.fsync that fails so many times before it succeeds."""
    left = iter([error] * times)

    def fsync(_: int) -> None:
        if (failure := next(left, None)) is not None:
            raise failure

    return fsync


def test_a_write_that_fails_for_a_moment_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", fails(3, OSError(5, "Input/output error")))
    TrialStore(tmp_path).save_checkpoint("k", b"state")
    assert TrialStore(tmp_path).checkpoint("k") == b"state"


def test_a_write_that_lastingly_fails_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TrialStore(tmp_path)
    store.save_checkpoint("k", b"old")
    monkeypatch.setattr("os.fsync", fails(100, OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match=r"checkpoint\.pt can't be written: No space left"):
        store.save_checkpoint("k", b"new")
    assert store.checkpoint("k") == b"old"
    assert [path.name for path in (tmp_path / "trials/k").iterdir()] == ["checkpoint.pt"]


def test_a_reader_sees_the_old_or_the_new_and_nothing_between(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    states = [bytes([i]) * 100_000 for i in range(50)]
    store.save_checkpoint("k", states[0])
    writer = threading.Thread(target=lambda: [store.save_checkpoint("k", state) for state in states])
    writer.start()
    while writer.is_alive():
        assert store.checkpoint("k") in states
    writer.join()


def test_an_unusable_storage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="is a file, not a folder"):
        TrialStore(tmp_path / "file")
    with pytest.raises(StudyError, match="can't be written"):
        TrialStore(tmp_path / "file" / "below").check_writable()
    with pytest.raises(StudyError, match="storage nosuch://x"):
        TrialStore("nosuch://x")


FOLDERS = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FLOATS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30)
WIDE = st.lists(st.floats(allow_nan=False), min_size=1, max_size=30)


@FOLDERS
@given(data=st.data(), loss=FLOATS | WIDE, key=st.text("0123456789abcdef", min_size=32, max_size=32))
def test_any_curve_is_read_back_to_the_bit(
    tmp_path: Path, data: st.DataObject, loss: list[float], key: str
) -> None:
    store = TrialStore(tmp_path)
    n, steps = len(loss), list(range(len(loss)))
    known = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    every = np.ones(n, bool)
    curve = {"step": steps, "train_loss": (np.array(loss), every), "test_loss": (np.array(loss), known)}
    store.commit(key, curve, RESULT)
    some = [one if is_known else None for one, is_known in zip(loss, known, strict=True)]
    read = store.curve(key).to_pydict()
    assert read == {"step": steps, "train_loss": loss, "test_loss": some}
    assert [math.copysign(1, one) for one in read["train_loss"]] == [math.copysign(1, one) for one in loss]
    assert key in store.states().finished


@FOLDERS
@given(content=st.binary(max_size=2000) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_lies_in_a_storage_is_read_or_said_to_be_damaged(tmp_path: Path, content: bytes) -> None:
    store = TrialStore(tmp_path)
    (tmp_path / "trials/k").mkdir(parents=True, exist_ok=True)
    (tmp_path / "studies").mkdir(exist_ok=True)
    readers: dict[str, Callable[[], Any]] = {
        "trials/k/result.json": lambda: store.result("k"),
        "trials/k/curve.parquet": lambda: store.curve("k"),
        "trials/k/checkpoint.pt": lambda: store.checkpoint("k"),
        "studies/s.json": lambda: store.study("s"),
    }
    for name, read in readers.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Damaged, match=os.path.basename(name)):  # noqa: PTH119
            read()


def scalars(content: bytes) -> list[tuple[str, int]]:
    """The names and steps of what TensorBoard's event file holds."""
    found = []
    while content:
        size = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + size])
        found += [(value.tag, event.step) for value in event.summary.value if value.HasField("simple_value")]
        content = content[16 + size :]
    return found


def test_of_a_long_curve_tensorboard_gets_some_of_its_points(tmp_path: Path) -> None:
    store, n = TrialStore(tmp_path), 25_000
    known = np.ones(n, bool)
    rare = np.arange(n) % 5000 == 4999
    losses = np.linspace(2, 1, n)
    curve = {"step": np.arange(1, n + 1), "train_loss": (losses, known), "test_loss": (losses, rare)}
    store.commit("k", curve, made_result(steps=n))
    record = {"name": "long", "arms": [{"label": "a", "candidates": [{"overrides": {}, "keys": ["k"]}]}]}
    EventFiles(store, [record]).write("k")
    (path,) = tmp_path.glob("tensorboard/long/a/seed-0/events.out.tfevents.*")
    found = scalars(path.read_bytes())
    trained = [step for name, step in found if name == "train_loss"]
    assert len(trained) == 10_000
    assert (trained[0], trained[-1]) == (1, n)
    assert [step for name, step in found if name == "test_loss"] == [5000, 10_000, 15_000, 20_000, 25_000]


def test_event_files_of_arms_that_are_gone_go_too_and_an_arm_without_a_name_has_a_folder(
    tmp_path: Path,
) -> None:
    store = TrialStore(tmp_path)
    for key in "abc":
        store.commit(
            key, {"step": np.arange(1, 2), "loss": (np.ones(1), np.ones(1, bool))}, made_result(steps=1)
        )

    def written(*arms: dict[str, Any]) -> set[str]:
        events = EventFiles(store, [{"name": "one", "arms": arms}])
        for key in "abc":
            events.write(key)
        return {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("events.out.tfevents.*")}

    def arm(label: str, *keys: str, overrides: Any = None) -> dict[str, Any]:
        return {"label": label, "candidates": [{"overrides": overrides or {}, "keys": [*keys]}]}

    assert written(arm("", "a"), arm("old", "b", "c")) == {
        "tensorboard/one/arm-00000000/seed-0", "tensorboard/one/old/seed-0", "tensorboard/one/old/seed-1",
    }  # fmt: skip
    mine = tmp_path / "tensorboard/one/mine"
    mine.mkdir()
    (mine / "events.out.tfevents.1").write_bytes(b"")
    assert written(arm("", "a"), arm("tuned", "b", overrides={"lr": 1})) == {
        "tensorboard/one/arm-00000000/seed-0", "tensorboard/one/tuned/candidate-0/seed-0", "tensorboard/one/mine",
    }  # fmt: skip
    assert written(arm("", "a", "b")) >= {"tensorboard/one/arm-00000000/seed-1", "tensorboard/one/mine"}
    # Fewer seeds take nothing away: they are seeds of the same arm.
    assert written(arm("", "a")) >= {"tensorboard/one/arm-00000000/seed-1"}


def test_a_listing_that_is_kept_shows_what_has_changed_since(tmp_path: Path) -> None:
    store, known = TrialStore(tmp_path), {}
    for key in ("a", "b"):
        store.files.write(f"trials/{key}/result.json", b"{}")
        os.utime(tmp_path / "trials" / key, (1, 1))  # as if it were long ago
    assert store.states(known).finished == {"a", "b"}
    assert known.keys() == {"a", "b"}
    store.files.remove("trials/a/result.json")
    store.files.write("trials/c/result.json", b"{}")
    assert store.states(known).finished == {"b", "c"}
    store.files.write("trials/a/result.json", b"{}")
    assert store.states(known).finished == {"a", "b", "c"}


def test_many_may_look_whether_a_new_folder_can_be_written_while_it_is_made(tmp_path: Path) -> None:
    """Of two runs that begin at the same time one makes the folder that the other tries."""
    with ThreadPoolExecutor(4) as pool:
        for i in range(100):
            store = TrialStore(tmp_path / f"{i}")
            looks = [pool.submit(store.check_writable) for _ in range(4)]
            store.files.write("file", b"x")
            for look in looks:
                look.result()
            assert [path.name for path in store.root.iterdir()] == ["file"]
    TrialStore(tmp_path / "not" / "yet").check_writable()
    assert not (tmp_path / "not").exists()


def test_what_a_killed_process_left_of_its_test_to_write_in_a_bucket_goes(bucket: str) -> None:
    store = TrialStore(f"{bucket}/littered")
    for name in (".write-test-99999", ".other", "notes.txt"):
        store.files.write(name, b"x")
    store.check_writable()
    assert sorted(path.name for path in store.root.iterdir()) == [".other", "notes.txt"]
