"""What a storage's files may take in memory: in proportion to their size, whatever their heads claim."""

from __future__ import annotations

import hashlib
import io
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import STUDY_FILE, Study
from storages import made_result

from study.errors import StudyError
from study.images.data import load
from study.store.checkpoint_file import decoded_state, encoded_state
from study.store.curve_file import decoded_curve, encoded_curve
from study.store.records import Damaged
from study.store.trial_store import TrialStore


@pytest.mark.parametrize("n", [1, 469, 100_000])
def test_a_curve_that_repeats_itself_is_read(n: int) -> None:
    same = np.zeros(n, np.float32)
    columns = {
        "iteration": np.arange(n),
        "epoch": np.ones(n, int),
        "train_loss": same,
        "train_accuracy": same,
    }
    assert len(decoded_curve(encoded_curve(columns), "curve")) == n


def varint(n: int) -> bytes:
    """A whole number as Parquet's head and foot have it: zigzag, seven bits a byte."""
    n, said = 2 * n, b""
    while n > 127:
        said += bytes([n & 127 | 128])
        n >>= 7
    return said + bytes([n])


def test_a_foot_that_lies_of_its_rows_is_refused_before_they_are_read() -> None:
    n = 3_000_000
    buffer = io.BytesIO()
    pq.write_table(pa.table({"iteration": np.ones(n, np.int8)}), buffer, row_group_size=n, store_schema=False)
    whole = buffer.getvalue()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    right = varint(n)
    # The first number of the foot that is this one is the count of all rows; ten, in as many bytes.
    ten = b"\x94" + b"\x80" * (len(right) - 2) + b"\x00"
    lie = whole[:start] + whole[start:].replace(right, ten, 1)
    assert pq.ParquetFile(pa.BufferReader(lie)).metadata.num_rows == 10
    with pytest.raises(Damaged, match="other numbers of rows"):
        decoded_curve(lie, "curve")


def test_a_record_of_millions_of_empty_parts_is_refused_before_it_is_read(tmp_path: Path) -> None:
    value = {"format": 1, "key": "k", **made_result(), "more": [[]] * 2_000_000}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    signed = json.dumps({**value, "sha256": hashlib.sha256(text.encode()).hexdigest()}).encode()
    store = TrialStore(tmp_path)
    store.files.write("trials/k/result.json", signed)
    with pytest.raises(Damaged, match="more parts than a record"):
        store.result("k")


@pytest.mark.parametrize("name", ["result.json", "curve.parquet", "checkpoint.pt"])
def test_a_file_that_is_almost_all_hole_is_refused_by_its_size(tmp_path: Path, name: str) -> None:
    store = TrialStore(tmp_path)
    store.files.write(f"trials/k/{name}", b"")
    with (tmp_path / "trials/k" / name).open("r+b") as file:
        file.truncate(10 * 1024**4)
    readers = {"result.json": store.result, "curve.parquet": store.curve, "checkpoint.pt": store.checkpoint}
    with pytest.raises(Damaged, match="bytes, more than"):
        readers[name]("k")


def test_a_checkpoint_larger_than_the_training_s_starts_it_anew(study: Study) -> None:
    (study.folder / "tiny_width.py").write_text(STUDY_FILE)
    plan = json.loads(study("plan", "tiny_width.py", "--seeds", "1", "--json").stdout)
    for trial in plan["pending"]:
        path = study.folder / "results/trials" / trial["key"] / "checkpoint.pt"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            file.truncate(1024**3)
    done = study("tune", "tiny_width.py", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert said.count("has 1,073,741,824 bytes, more than") == 2
    assert said.count("starts anew: ") == 2


def test_data_files_that_are_almost_all_hole_are_refused_by_their_size(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        with (raw / f"{name}-ubyte").open("wb") as file:
            file.truncate(1024**4)
    with pytest.raises(StudyError, match="it is no file of such a data set"):
        load("mnist", tmp_path)


def foot(chunks: int) -> bytes:
    """A curve of a foot alone: one group of so many column chunks, and a schema without columns."""
    count = bytes([chunks << 4 | 12]) if chunks < 15 else b"\xfc" + unsigned(chunks)
    schema = b"\x48\x06schema\x15\x00\x00"
    group = b"\x19" + count + b"\x26\x00\x00" * chunks + b"\x16\x00\x16\x00\x00"
    whole = b"\x15\x02\x19\x1c" + schema + b"\x16\x00\x19\x1c" + group + b"\x00"
    return b"PAR1" + whole + len(whole).to_bytes(4, "little") + b"PAR1"


def unsigned(n: int) -> bytes:
    said = b""
    while n > 127:
        said += bytes([n & 127 | 128])
        n >>= 7
    return said + bytes([n])


@pytest.mark.parametrize(("chunks", "said"), [(1, "other columns"), (900_000, "its foot is no curve's")])
def test_a_foot_that_would_end_the_process_or_fill_the_memory_is_refused(chunks: int, said: str) -> None:
    with pytest.raises(Damaged, match=said):
        decoded_curve(foot(chunks), "curve")


class Large:
    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (10**12,)


def test_a_state_that_names_more_than_tensors_is_refused_before_it_is_made() -> None:
    buffer = io.BytesIO()
    torch.save({"model": Large()}, buffer)
    with pytest.raises(ValueError, match=r"it names (builtins|__builtin__) bytearray"):
        decoded_state(buffer.getvalue())
    state = {"a": torch.zeros(2, dtype=torch.bfloat16), "b": OrderedDict(c=[1, 2.0, None, "d"])}
    assert decoded_state(encoded_state(state)).keys() == {"a", "b"}
