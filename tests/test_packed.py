"""A storage packed and unpacked is the same, file by file; what is wrong with a pack is said."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Study
from storages import made_storage

from study import StudyError
from study.store.packed import CURVES, RESULTS, pack, unpack
from study.store.trial_store import TrialStore


def files(storage: Path) -> dict[str, bytes]:
    """Of studies and finished trials."""
    found = [
        *storage.glob("studies/*.json"),
        *storage.glob("trials/*/result.json"),
        *storage.glob("trials/*/curve.parquet"),
    ]
    return {str(path.relative_to(storage)): path.read_bytes() for path in found}


def test_a_real_storage_comes_back_and_nothing_is_left_to_train(finished: Study) -> None:
    packed = finished("pack", "--out", "packed")
    assert packed.returncode == 0, packed.stderr
    assert packed.stdout == "packed: 1 studies, 4 trials\n"
    done = finished("unpack", "packed", "--storage", "again")
    assert done.returncode == 0, done.stderr
    assert files(finished.folder / "again") == files(finished.folder / "results")
    again = finished("tune", "tiny_width.py", "--seeds", "2", "--storage", "again")
    assert "4 stored, 0 to train" in again.stderr
    once_more = finished("unpack", "packed", "--storage", "again")
    assert once_more.stdout.endswith(": 0 studies, 0 trials\n")


def test_other_programs_read_the_numbers(finished: Study) -> None:
    finished("pack", "--out", "packed")
    curves = pd.read_parquet(finished.folder / "packed" / CURVES)
    assert curves.key.nunique() == 4
    assert set(curves.groupby("key").step.max()) == {max(curves.step)}
    results = pd.read_parquet(finished.folder / "packed" / RESULTS)
    assert json.loads(results.content.iloc[-1])["status"] == "finished"


def test_trials_of_other_columns_and_diverged_ones_come_back(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "results", {"a": [0.9, "diverged", None], "b": [0.8, 0.7, "stopped"]})
    done = pack(store, ["width"], tmp_path / "packed")
    assert (done.studies, done.trials, done.left_out) == (1, 4, [])
    unpack(tmp_path / "packed", TrialStore(tmp_path / "again"))
    assert files(tmp_path / "again") == files(tmp_path / "results")


def test_a_trial_across_groups_of_rows_is_whole(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "results", {"a": [0.9, 0.8], "b": [0.8, 0.7]})
    pack(store, ["width"], tmp_path / "packed")
    curves = pq.read_table(tmp_path / "packed" / CURVES)
    pq.write_table(curves, tmp_path / "packed" / CURVES, row_group_size=3)
    unpack(tmp_path / "packed", TrialStore(tmp_path / "again"))
    assert files(tmp_path / "again") == files(tmp_path / "results")


def test_what_is_damaged_is_left_out_and_said(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "results", {"a": [0.9, 0.8], "b": [0.8, 0.7]})
    (tmp_path / "results/trials/a-0/curve.parquet").write_bytes(b"no")
    done = pack(store, ["width"], tmp_path / "packed")
    assert (done.trials, len(done.left_out)) == (3, 1)
    rows = pq.read_table(tmp_path / "packed" / RESULTS).to_pylist()
    for row in rows:
        row["content"] = row["content"].replace('"seed": 1', '"seed": 2')
    other = [
        {"path": "../../etc/passwd", "content": "{}", "columns": None},
        {"path": "studies/../x.json", "content": "{}", "columns": None},
    ]
    pq.write_table(pa.Table.from_pylist([*rows, *other]), tmp_path / "packed" / RESULTS)
    done = unpack(tmp_path / "packed", TrialStore(tmp_path / "again"))
    assert done.trials == 1
    assert sum("checksum does not match" in said for said in done.left_out) == 2
    assert sum("../" in said for said in done.left_out) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"results", "packed", "again"}


def test_a_study_that_is_there_stays(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "results", {"a": [0.9, 0.8]})
    pack(store, ["width"], tmp_path / "packed")
    other = made_storage(tmp_path / "other", {"b": [0.9, 0.8]})
    before = files(tmp_path / "other")
    done = unpack(tmp_path / "packed", other)
    assert (done.studies, done.trials) == (0, 2)
    assert "is another one, and stays" in done.left_out[0]
    assert before.items() <= files(tmp_path / "other").items()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet"])
def test_what_is_no_pack_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RESULTS).write_bytes(content)
    with pytest.raises(StudyError, match="study pack"):
        unpack(tmp_path, TrialStore(tmp_path / "again"))
    assert not (tmp_path / "again").exists()


def test_a_pack_without_curves_or_of_other_columns_writes_nothing(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "results", {"a": [0.9, 0.8]})
    folder, again = tmp_path / "packed", TrialStore(tmp_path / "again")
    pack(store, ["width"], folder)
    curves = (folder / CURVES).read_bytes()
    for content in (None, curves[: len(curves) // 2]):
        (folder / CURVES).unlink(missing_ok=True)
        if content:
            (folder / CURVES).write_bytes(content)
        with pytest.raises(StudyError, match=CURVES):
            unpack(folder, again)
    (folder / CURVES).write_bytes(curves)
    rows = pq.read_table(folder / RESULTS).to_pylist()
    for wrong in (
        pa.table({"path": [1], "content": ["{}"], "columns": [["step"]], "sha256": [""]}),
        pa.table({"path": ["studies/a.json"], "content": ["{}"]}),
        pa.Table.from_pylist([{**rows[0], "content": None}], pq.read_schema(folder / RESULTS)),
    ):
        pq.write_table(wrong, folder / RESULTS)
        with pytest.raises(StudyError, match=RESULTS):
            unpack(folder, again)
    assert not (tmp_path / "again").exists()


def test_a_curve_that_was_changed_is_not_taken(tmp_path: Path) -> None:
    store = made_storage(tmp_path / "results", {"a": [0.9, 0.8]})
    pack(store, ["width"], tmp_path / "packed")
    curves = pq.read_table(tmp_path / "packed" / CURVES)
    rows = curves.to_pylist()
    rows[0]["train_loss"] += 1
    shorter = pa.Table.from_pylist(rows[:-1], curves.schema)
    pq.write_table(shorter, tmp_path / "packed" / CURVES)
    done = unpack(tmp_path / "packed", TrialStore(tmp_path / "again"))
    assert done.trials == 0
    assert len(done.left_out) == 2
    assert all("its curve is not the one that was packed" in said for said in done.left_out)


def test_a_pack_that_can_t_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made_storage(tmp_path / "results", {"a": [0.9, 0.8]})
    pack(store, ["width"], tmp_path / "packed")
    before = {path.name: path.read_bytes() for path in (tmp_path / "packed").iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "ParquetWriter", full)
    with pytest.raises(StudyError, match="No space left"):
        pack(store, ["width"], tmp_path / "packed")
    assert {path.name: path.read_bytes() for path in (tmp_path / "packed").iterdir()} == before


def test_trials_of_the_first_version_are_said_to_be_left_out(tmp_path: Path) -> None:
    store = TrialStore(Path(__file__).parent / "format1/results")
    done = pack(store, store.studies(), tmp_path / "packed")
    assert done.trials == 0
    assert done.left_out
    assert all("is of study 0.1, and is not packed" in said for said in done.left_out)
