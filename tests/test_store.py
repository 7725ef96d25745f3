"""The store's files are whole or absent, and what is damaged is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from storages import made_result
from upath import UPath

from study import StudyError
from study.files import StorageError
from study.records import Damaged
from study.store import TrialStore

CURVE = {"iteration": [1, 2], "epoch": [1, 1], "train_loss": [2.3, 2.2], "train_accuracy": [0.1, 0.2]}
RESULT = made_result()


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TrialStore:
    if request.param == "local":
        return TrialStore(tmp_path / "results")
    root = UPath(f"memory://{tmp_path.name}")
    return TrialStore(root)


def test_a_committed_trial_is_read_back_and_its_checkpoint_is_gone(store: TrialStore) -> None:
    store.save_checkpoint("k", b"state")
    assert store.states().interrupted == {"k"}
    store.commit("k", CURVE, RESULT)
    assert store.states().finished == {"k"}
    assert store.states().interrupted == set()
    assert store.result("k") == {"key": "k", **RESULT}
    assert store.curve("k").to_pydict() == CURVE


def test_a_checkpoint_is_given_back_as_it_was(store: TrialStore) -> None:
    assert store.checkpoint("k") is None
    store.save_checkpoint("k", b"old")
    store.save_checkpoint("k", b"new")
    assert store.checkpoint("k") == b"new"


def test_a_removed_trial_is_forgotten(store: TrialStore) -> None:
    store.commit("k", CURVE, RESULT)
    store.remove("k")
    assert store.states().finished == set()


def test_every_cut_and_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    store.save_checkpoint("k", b"some state")
    path = tmp_path / "trials/k/checkpoint.pt"
    whole = path.read_bytes()
    broken = [whole[:i] for i in range(len(whole))]
    broken += [
        whole[: i // 8] + bytes([whole[i // 8] ^ 1 << i % 8]) + whole[i // 8 + 1 :]
        for i in range(len(whole) * 8)
    ]
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(Damaged, match=r"checkpoint\.pt"):
            store.checkpoint("k")


def test_a_cut_result_or_curve_is_damaged(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    store.commit("k", CURVE, RESULT)
    for name, read in (("result.json", store.result), ("curve.parquet", store.curve)):
        path = tmp_path / "trials/k" / name
        whole = path.read_bytes()
        for end in range(0, len(whole) - 1):
            path.write_bytes(whole[:end])
            with pytest.raises(Damaged, match=name):
                read("k")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TrialStore(tmp_path)
    store.save_checkpoint("k", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        store.save_checkpoint("k", b"new")
    assert store.checkpoint("k") == b"old"
    assert [path.name for path in (tmp_path / "trials/k").iterdir()] == ["checkpoint.pt"]


def test_an_unusable_storage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="is a file, not a folder"):
        TrialStore(tmp_path / "file")
    with pytest.raises(StudyError, match="can't be written"):
        TrialStore(tmp_path / "file" / "below").check_writable()
    with pytest.raises(StudyError, match="storage nosuch://x"):
        TrialStore("nosuch://x")
