"""What a storage's files may take in memory: in proportion to their size, whatever their heads claim."""

from __future__ import annotations

import hashlib
import io
import json
import math
import pickle
import re
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import STUDY_FILE, Study
from storages import made_result

from study.errors import StudyError
from study.images.data import load
from study.store.checkpoint_file import MAGIC, decoded_state, encoded_state
from study.store.curve_file import decoded_curve, encoded_curve
from study.store.format1 import upgraded_curve
from study.store.records import Damaged
from study.store.trial_store import TrialStore


@pytest.mark.parametrize("n", [1, 469, 100_000])
def test_a_curve_that_repeats_itself_is_read(n: int) -> None:
    same = np.zeros(n, np.float32)
    columns = {"step": np.arange(n), "train_loss": same, "train_accuracy": same}
    assert len(decoded_curve(encoded_curve(columns), "curve")) == n


def test_a_curve_has_no_more_columns_than_a_training_has_metrics() -> None:
    columns = {"step": np.arange(9), **{f"m{i}": np.zeros(9) for i in range(30)}}
    assert len(decoded_curve(encoded_curve(columns), "curve")) == 9
    with pytest.raises(Damaged, match="has 32 columns, and a curve 31 at most"):
        decoded_curve(encoded_curve({**columns, "m30": np.zeros(9)}), "curve")


def varint(n: int) -> bytes:
    """A whole number as Parquet's head and foot have it: zigzag, seven bits a byte."""
    n, said = 2 * n, b""
    while n > 127:
        said += bytes([n & 127 | 128])
        n >>= 7
    return said + bytes([n])


def test_a_foot_that_lies_of_its_rows_is_refused_before_they_are_read() -> None:
    n = 1_000_000
    buffer = io.BytesIO()
    pq.write_table(pa.table({"step": np.ones(n, np.int64)}), buffer, store_schema=False)
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
    value = {"format": 2, "key": "k", **made_result(), "more": [[]] * 2_000_000}
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


@pytest.mark.parametrize(("chunks", "said"), [(1, "no columns"), (900_000, "its foot is no curve's")])
def test_a_foot_that_would_end_the_process_or_fill_the_memory_is_refused(chunks: int, said: str) -> None:
    with pytest.raises(Damaged, match=said):
        decoded_curve(foot(chunks), "curve")


CURVE = encoded_curve({"step": np.arange(1, 6), **{name: np.zeros(5, np.float32) for name in "abc"}})


@pytest.mark.parametrize(
    "more",
    [
        b"\x04\x06\x14",  # the rows once more, ten of them, as a number that Arrow skips
        b"\x06\x06\x14",  # and as one that it takes
        b"\x06" + unsigned(2 * 65539) + b"\x14",  # field 65,539, which is 3 in 16 bits
        b"\x1c\x00",  # field 8, of how the file is encrypted
        b"\x1c" + b"\x1c" * 5000 + b"\x00" * 5001,
    ],
    ids=["another type", "twice", "beyond 16 bits", "unknown", "deep"],
)
def test_a_foot_that_arrow_and_we_could_read_differently_is_refused(more: bytes) -> None:
    start = len(CURVE) - 8 - int.from_bytes(CURVE[-8:-4], "little")
    changed = CURVE[start:-9] + more + b"\x00"
    with pytest.raises(Damaged, match="fields that a curve's has not"):
        decoded_curve(CURVE[:start] + changed + len(changed).to_bytes(4, "little") + b"PAR1", "curve")


def test_parts_that_lie_in_the_same_place_are_refused() -> None:
    """Each would be unpacked anew."""
    columns = pq.ParquetFile(pa.BufferReader(CURVE)).metadata.row_group(0)
    start = len(CURVE) - 8 - int.from_bytes(CURVE[-8:-4], "little")
    changed = CURVE[start:]
    for place in ("dictionary_page_offset", "data_page_offset"):
        first, second = (b"\x26" + varint(getattr(columns.column(i), place)) for i in (1, 2))
        assert len(first) == len(second)
        changed = changed.replace(second, first)
    aliased = pq.ParquetFile(pa.BufferReader(CURVE[:start] + changed)).metadata.row_group(0)
    assert aliased.column(1).data_page_offset == aliased.column(2).data_page_offset
    with pytest.raises(Damaged, match="one after another"):
        decoded_curve(CURVE[:start] + changed, "curve")


def test_a_part_for_each_row_is_refused() -> None:
    buffer = io.BytesIO()
    pq.write_table(decoded_curve(CURVE, "curve"), buffer, row_group_size=1)
    with pytest.raises(Damaged, match="another number of parts"):
        decoded_curve(buffer.getvalue(), "curve")


@pytest.mark.timeout(30)
def test_a_curve_of_study_0_1_with_very_many_epochs_is_read(tmp_path: Path) -> None:
    """Looking through all rows for each epoch would take minutes."""
    rows = 1_000_000
    number = np.arange(1, rows + 1)
    columns = {"iteration": number, "epoch": number, "train_loss": number, "train_accuracy": number}
    epochs = [
        {"epoch": n, "test_accuracy": 0.5, "test_top5": 0.5, "test_loss": 1.0, "validation_accuracy": None}
        for n in range(1, rows, 100)
    ]
    table = upgraded_curve(pa.table(columns), {"epochs": epochs})
    assert table["test_accuracy"].null_count == rows - len(epochs)


class Large:
    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (10**12,)


def archive(state: object) -> bytes:
    """As study 0.1 saved a state."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def repacked(of: bytes, compression: int = zipfile.ZIP_STORED, **changes: bytes) -> bytes:
    """The archive with other files in it, those named `changes`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(of)) as old, zipfile.ZipFile(packed, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name.rpartition("/")[2].replace(".", "_"), old.read(name)))
    return packed.getvalue()


def shared_often(n: int) -> dict[str, object]:
    """A list of a list of a list ..., each twice in the next: 2 to the power of n in the end."""
    value: list[object] = [1]
    for _ in range(n):
        value = [value, value]
    return {"a": value}


def as_nested_tuples(n: int) -> bytes:
    """A pickle of a mapping that holds such tuples, each twice in the next."""
    return b"\x80\x02}X\x01\x00\x00\x00aK\x01" + b"q\x00h\x00\x86" * n + b"s."


EMPTY = archive({"a": 1})
NOTHING = torch.zeros(0)
OLD_BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a call": (lambda: archive({"model": Large()}), r"state names (builtins|__builtin__) bytearray"),
    "a compressed file": (
        lambda: repacked(archive({"a": torch.zeros(10**6)}), zipfile.ZIP_DEFLATED),
        "compressed, or larger",
    ),
    "a stride of 0": (lambda: archive({"a": torch.zeros(1).expand(10**12)}), "tensors are larger than it is"),
    "one storage often": (
        lambda: archive({str(n): tensor for n, tensor in enumerate([torch.zeros(10**5)] * 1000)}),
        "",
    ),
    "a storage viewed often": (
        lambda: archive({str(n): WHOLE.view(-1)[: 10**5 - n] for n in range(100)}),
        "tensors are larger than it is",
    ),
    "a shape of nothing": (lambda: archive({"a": NOTHING.reshape(0, 2**31, 2**30)}), "impossible shape"),
    "lists that share": (lambda: archive(shared_often(40)), "a part twice"),
    "tuples that share": (lambda: repacked(EMPTY, data_pkl=as_nested_tuples(40)), "nests tuples"),
    "a pickle of another kind": (
        lambda: repacked(EMPTY, data_pkl=pickle.dumps({"a": Large()}, 4)),
        "pickled with",
    ),
    "a cut pickle": (lambda: repacked(EMPTY, data_pkl=b"\x80\x02}q\x00(X"), ""),
    "no pickle": (lambda: repacked(EMPTY, data_pkl=b""), ""),
    "no mapping": (lambda: archive([1, 2]), "no mapping"),
    "half of it": (lambda: EMPTY[: len(EMPTY) // 2], "archive is damaged"),
}
WHOLE = torch.zeros(10**5)


def bounded(content: bytes) -> tuple[dict[str, object] | None, str, int]:
    """What decoding gives, what it says instead, and the most memory that Python took for it."""
    tracemalloc.start()
    try:
        return decoded_state(content), "", tracemalloc.get_traced_memory()[1]
    except ValueError as why:
        return None, str(why), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", OLD_BOMBS)
def test_an_archive_of_study_0_1_that_is_no_state_is_refused_or_bounded(bomb: str) -> None:
    make, said = OLD_BOMBS[bomb]
    content = make()
    state, why, memory = bounded(content)
    assert said in why or re.search(said, why)
    assert (state is None) == bool(why)
    assert memory < 4 * len(content) + 4_000_000


def test_an_archive_of_study_0_1_is_read() -> None:
    state = {"a": torch.zeros(2, dtype=torch.bfloat16), "b": OrderedDict(c=[1, 2.0, None, "d"])}
    found = decoded_state(archive(state))
    assert found["a"].dtype == torch.bfloat16
    assert found["b"] == {"c": [1, 2.0, None, "d"]}


def state_file(head: object, sizes: object = (), blocks: bytes = b"") -> bytes:
    """A state as `encoded_state` writes one, of this head."""
    parts = [of if isinstance(of, bytes) else json.dumps(of).encode() for of in (head, sizes)]
    lengths = b"".join(len(part).to_bytes(8, "little") for part in parts)
    return MAGIC + lengths + b"".join(parts) + blocks


def held(part: object) -> dict[str, object]:
    return {"dict": [["a", part]]}


BOMBS: dict[str, tuple[bytes, str]] = {
    "many parts": (state_file(b'{"list": [' + b"[]," * 2_000_000 + b"[]]}"), "more parts than"),
    "many sizes": (state_file(held(1), b"[" + b"0," * 2_000_000 + b"0]"), "more parts than"),
    "deep": (state_file(b'{"list": [' * 5000 + b"]}" * 5000), "nests too deep"),
    "deeper than JSON": (state_file(b"[" * 90_000 + b"]" * 90_000), "nests too deep"),
    "one block often": (
        state_file({"dict": [[str(n), {"bytes": 0}] for n in range(1000)]}, [10**6], bytes(10**6)),
        "or one twice",
    ),
    "a shape beyond the block": (
        state_file(held({"tensor": 0, "dtype": "float32", "shape": [10**12]}), [4], bytes(4)),
        "not as large as its block",
    ),
    "a shape of nothing": (
        state_file(held({"tensor": 0, "dtype": "float32", "shape": [0, 2**61, 2**61]}), [0]),
        "a shape is impossible",
    ),
    "an array's shape of nothing": (
        state_file(held({"array": 0, "dtype": "<f4", "shape": [0, 2**61, 2**61]}), [0]),
        "a shape is impossible",
    ),
    "an array beyond the block": (
        state_file(held({"array": 0, "dtype": "<f4", "shape": [10**12]}), [4], bytes(4)),
        "",
    ),
    "an array of large nothings": (
        state_file(held({"array": 0, "dtype": "V1000000000", "shape": [4]}), [4], bytes(4)),
        "",
    ),
    "a kind in many words": (
        state_file(held({"array": 0, "dtype": "(" + "1," * 40_000 + ")f4", "shape": [1]}), [4], bytes(4)),
        "no kind of NumPy's",
    ),
    "numbers of no bytes": (
        state_file(held({"numbers": 0, "dtype": "V0", "of": "list", "scalars": True}), [4], bytes(4)),
        "",
    ),
    "an array of objects": (
        state_file(held({"array": 0, "dtype": "|O", "shape": [1]}), [8], bytes(8)),
        "an array is of",
    ),
    "a block that is not there": (state_file(held({"bytes": 1}), [0]), "a block that is not there"),
    "a block before the first": (state_file(held({"bytes": -1}), [0]), "a block that is not there"),
    "a size beyond the file": (state_file(held({"bytes": 0}), [10**12]), "not those of its blocks"),
    "a negative size": (state_file(held({"bytes": 0}), [-1, 1]), "its sizes are none"),
    "a head beyond the file": (MAGIC + (2**63).to_bytes(8, "little") * 2, "shorter than it says"),
    "many small numbers in a list": (
        state_file(
            held({"numbers": 0, "dtype": "|i1", "of": "list", "scalars": True}), [10**7], bytes(10**7)
        ),
        "more numbers in lists",
    ),
    **{
        f"numbers of {kind}": (
            state_file(held({"tensor": 0, "dtype": kind, "shape": [1]}), [size], bytes(size)),
            "no kind of number",
        )
        for kind, size in (("qint8", 1), ("quint8", 1), ("qint32", 4), ("quint4x2", 1), ("quint2x4", 1))
    },
    "no kind of number": (
        state_file(held({"tensor": 0, "dtype": "load", "shape": [1]}), [4], bytes(4)),
        "no kind of number",
    ),
    "another part": (state_file(held({"object": "os.system"})), "it has a part 'object'"),
    "a list as a key": (state_file({"dict": [[["a"], 1]]}), "neither a text nor"),
    "a pair of three": (state_file({"dict": [["a", 1, 2]]}), ""),
    "a number for a list": (state_file(held({"list": 3})), "it has a part"),
    "a text for a list": (state_file(held({"list": "\u0100" * 2_000_000})), "it has a part"),
    "no mapping": (state_file({"list": []}), "no mapping"),
    "no JSON": (state_file(b"{"), ""),
    "another beginning": (b"\x80\x04." + bytes(100), "does not begin as a state"),
    "nothing": (b"", "does not begin as a state"),
}  # fmt: skip


@pytest.mark.timeout(20)
def test_many_views_of_a_large_storage_do_not_copy_it_each_time() -> None:
    whole = torch.arange(10_000_000)
    found = decoded_state(archive({str(n): whole[n] for n in range(0, 10_000, 2)}))
    assert [int(value) for value in found.values()] == list(range(0, 10_000, 2))


@pytest.mark.parametrize("kind", [[("a", "f4"), ("b", "i8")], "V4", object])
def test_an_array_that_its_file_could_not_say_is_not_saved(kind: Any) -> None:
    with pytest.raises(StudyError, match=r"state\['a'\] is a ndarray"):
        encoded_state({"a": np.zeros(3, kind)})


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_state_that_claims_more_than_it_has_is_refused(bomb: str) -> None:
    content, said = BOMBS[bomb]
    state, why, memory = bounded(content)
    assert state is None
    assert said in why
    assert memory < 4 * len(content) + 4_000_000


def test_a_state_is_read_as_it_was(tmp_path: Path) -> None:
    state = {
        "a": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).T,
        "b": OrderedDict(c=[1, 2.0, None, "d"], n=(math.inf, -math.inf)),
        3: np.arange(4, dtype=">i2").reshape(2, 2),
        "long": list(range(10_000)),
        "bytes": b"\x00",
    }
    found = decoded_state(encoded_state(state))
    assert found.keys() == state.keys()
    assert torch.equal(found["a"], state["a"])
    assert found["b"] == state["b"]
    assert np.array_equal(found[3], state[3])
    assert (found["long"], found["bytes"]) == (state["long"], b"\x00")
