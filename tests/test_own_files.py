"""Curves and states as files: what is written is read, and what somebody else made of them harms nothing."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import random
import resource
import zipfile
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from study import StudyError
from study.store import format1_state
from study.store.checkpoint_file import decoded_state, encoded_state
from study.store.curve_file import decoded_curve, encoded_curve
from study.store.parquet_foot import foot_of
from study.store.records import Damaged


def same(one: Any, other: Any, kinds: bool = True) -> None:
    """Fails where the two are not the same, to the bit and in kind."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key], kinds)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        assert type(one) is type(other) or not kinds
        for left, right in zip(one, other, strict=True):
            same(left, right, kinds)
    elif isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.contiguous().view(-1).numpy(force=True).tobytes() == other.view(-1).numpy().tobytes()
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
    else:
        assert type(one) is type(other)
        assert one == other or (one != one and other != other)


STATE = {
    "plain": [1, -(10**30), 2.5, float("nan"), float("-inf"), True, None, "text\n", b"\x00bytes"],
    "tuple": ((), (1, (2, 3)), ["a"] * 20),
    "numbers": list(range(1000)),
    "python": random.Random(1).getstate(),
    "numpy": np.random.default_rng(1).bit_generator.state,
    3: {
        0: np.arange(6.0).reshape(2, 3).T,
        1: np.array(7, np.uint8),
        2: np.array(["a", "bc"]),
        4: np.empty((0, 3)),
    },
    "tensors": [
        torch.arange(6.0).reshape(2, 3).T,
        torch.tensor(3),
        torch.empty(0, 4, dtype=torch.int16),
        torch.ones(1).expand(5),
        torch.tensor([True, False]),
        torch.nn.Parameter(torch.ones(2, 2)),
        torch.tensor([1 + 2j]).conj(),
    ],
    "ordered": OrderedDict(b=1, a=2),
}


def test_a_state_of_plain_data_arrays_and_tensors_is_read_as_it_was() -> None:
    read = decoded_state(encoded_state(STATE))
    same({**STATE, "ordered": {"b": 1, "a": 2}}, read)
    low = torch.ones(3, dtype=torch.bfloat16)
    assert torch.equal(decoded_state(encoded_state({"low": low}))["low"], low)
    kinds = {
        "dtype": torch.float32,
        "device": torch.device("cpu"),
        "scalar": np.float32(0.5),
        "size": torch.Size([2]),
    }
    assert decoded_state(encoded_state(kinds)) == {**kinds, "scalar": 0.5, "size": (2,)}


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_optimizers_states_are_read_as_they_were_from_ours_and_from_study_0_1(name: str) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten())
    more = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    optimizer = getattr(torch.optim, name)(
        model.to(memory_format=torch.channels_last).parameters(), 0.1, **more
    )
    model(torch.randn(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    state = {
        "model": dict(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        "train_loss": torch.rand(30),
        "epochs": [{"epoch": 1, "test_loss": 2.1, "validation_accuracy": None}],
        "seconds": 1.5,
    }
    same(state, decoded_state(encoded_state(state)))
    archive = io.BytesIO()
    torch.save({**state, "model": model.state_dict()}, archive)
    assert format1_state.is_state(archive.getvalue())
    same(state, decoded_state(archive.getvalue()))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (deque(), r"state\['a'\]\[0\] is a deque"),
        ({1, 2}, "is a set"),
        (object(), "is a object"),
        (len, "is a builtin_function_or_method"),
        (np.array([object()]), "is a ndarray"),
        (torch.eye(3).to_sparse(), "is a Tensor"),
        ({(1, 2): 3}, r"has the key \(1, 2\)"),
    ],
)
def test_what_is_no_plain_data_is_named_by_its_place(value: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        encoded_state({"a": [value]})


def deep(n: int) -> Any:
    value: Any = []
    for _ in range(n):
        value = [value]
    return value


def test_what_nests_without_end_is_refused() -> None:
    with pytest.raises(StudyError, match="nests too deep"):
        encoded_state({"a": deep(500)})


def head(text: str, *blocks: bytes) -> bytes:
    """A state with this JSON."""
    whole = encoded_state({})
    magic = whole[: whole.index(b"\n") + 1]
    sizes = str([len(block) for block in blocks]).encode()
    lengths = len(text).to_bytes(8, "little") + len(sizes).to_bytes(8, "little")
    return b"".join([magic, lengths, text.encode(), sizes, *blocks])


TENSOR = (
    '{"dict": [["a", {"tensor": 0, "dtype": "%s", "shape": %s}], '
    '["b", {"tensor": %d, "dtype": "%s", "shape": %s}]]}'
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"study state 2\n",
        head(TENSOR % ("float32", [2], 0, "float32", [2]), b"12345678"),  # one block twice
        head(TENSOR % ("float32", [10**9], 1, "float32", []), b"1234", b"1234"),
        head(TENSOR % ("float32", [-1], 1, "float32", []), b"1234", b"1234"),
        head(TENSOR % ("load", [1], 1, "float32", []), b"1234", b"1234"),
        head('{"dict": [["a", {"array": 0, "dtype": "O", "shape": [1]}]]}', b"12345678"),
        head('{"dict": [["a", {"array": 0, "dtype": "<f8,O", "shape": [1]}]]}', b"1234567812345678"),
        head('{"dict": [["a", {"numbers": 0, "dtype": "<i2", "of": "list"}]]}', b"12"),
        head('{"dict": [[["a"], 1]]}'),
        head('{"dict": [["a", [1, 2]]]}'),
        head('{"list": [1]}'),
        head('{"nonsense": [1]}'),
        head("[" * 100_000),
        head('{"list": [' * 10_000),
        head('{"dict": [["a", {"list": [' + "{}," * 200_000 + "{}]}]]}"),
        b"study state 2\n" + (2**40).to_bytes(8, "little") * 2,
    ],
    ids=range(17),
)
def test_a_state_that_was_made_up_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decoded_state(content)


def archive(pickled: bytes, **files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as writer:
        writer.writestr("archive/data.pkl", pickled)
        for name, content in files.items():
            writer.writestr(f"archive/data/{name}", content)
    return made.getvalue()


class Call:
    """Pickled, it calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.called = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.called


def of_torch(value: Any, legacy: bool = False) -> bytes:
    made = io.BytesIO()
    torch.save({"model": value}, made, _use_new_zipfile_serialization=not legacy)
    return made.getvalue()


# A tuple that holds itself twice, sixty deep, as the key of a dict: its hash would take 2 to the 60 steps.
TWICE = (
    b"\x80\x02}q\x00)q\x01"
    + b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(1, 61))
    + b"K\x01s."
)


@pytest.mark.parametrize(
    "content",
    [
        of_torch(Call(bytearray, 10**11)),
        of_torch(Call(torch.storage.UntypedStorage, 10**11)),
        of_torch(Call(torch.zeros, 10**11)),
        of_torch(torch.zeros(3), legacy=True),
        of_torch(torch.zeros(3), legacy=True) + archive(b"\x80\x02}q\x00."),
        of_torch(torch.zeros(1).expand(10**9)),
        archive(TWICE),
        archive(b"\x80\x02]q\x00h\x00a."),
        archive(b"\x80\x02N."),
        archive(b"garbage"),
        b"PK\x03\x04",
    ],
    ids=range(11),
)
def test_an_archive_that_study_0_1_never_wrote_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decoded_state(content)


def test_an_archive_whose_second_directory_says_something_else_is_read_by_the_one_that_was_checked() -> None:
    inner, outer = of_torch(Call(bytearray, 10**11)), of_torch(torch.zeros(2))
    # Python takes the directory before the end; torch would take the one that the end names.
    assert decoded_state(outer)["model"].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"."):
        decoded_state(inner + outer[:-22])


CURVE = {
    "step": np.arange(1, 501),
    "loss": (np.linspace(3, 1, 500), np.ones(500, bool)),
    "rarely": (np.where(np.arange(500) % 50 == 49, 0.1, np.nan), np.arange(500) % 50 == 49),
}


def test_a_curve_is_read_as_it_was_with_nulls_where_nothing_was_measured() -> None:
    read = decoded_curve(encoded_curve(CURVE), "curve")
    assert read["step"].to_pylist() == list(range(1, 501))
    assert read["loss"].to_numpy().tolist() == np.linspace(3, 1, 500).tolist()
    assert [i for i, value in enumerate(read["rarely"].to_pylist()) if value is not None] == list(
        range(49, 500, 50)
    )
    narrow = {"step": np.arange(3), "loss": (np.array([0.5, np.nan, np.inf]), np.ones(3, bool))}
    assert decoded_curve(encoded_curve(narrow), "curve")["loss"].type == pa.float32()


@pytest.mark.parametrize("columns", [1, 30])
@pytest.mark.parametrize("measured", ["all", "none", "same"])
@pytest.mark.parametrize("n", [1, 1000, 100_000])
def test_any_curve_that_is_written_can_be_read(columns: int, measured: str, n: int) -> None:
    values = np.zeros(n) if measured != "all" else np.random.default_rng(0).random(n)
    known = np.full(n, measured != "none")
    curve = {"step": np.arange(1, n + 1), **{f"m{i}": (values, known) for i in range(columns)}}
    assert len(decoded_curve(encoded_curve(curve), "curve")) == n


def test_a_foot_says_what_the_file_has() -> None:
    content = encoded_curve(CURVE)
    metadata = pq.ParquetFile(pa.BufferReader(content)).metadata
    foot = foot_of(content)
    assert (foot.rows, foot.columns, foot.values) == (metadata.num_rows, metadata.num_columns, 1500)


def _limited(read: Callable[[bytes], Any], whole: bytes, seed: int, rounds: int) -> None:
    """Runs in a process of its own: reads changed bytes, within 1.5 GB more than it has."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 1536 * 1024**2,) * 2)
    drawn = random.Random(seed)
    for _ in range(rounds):
        content = bytearray(whole)
        for _ in range(drawn.choice((1, 1, 2, 5))):
            place = drawn.randrange(max(0, len(content) - 1500), len(content)) if drawn.random() < 0.8 else 0
            place = place or drawn.randrange(len(content))
            content[place] = drawn.choice(
                (drawn.randrange(256), 0, 255, content[place] ^ 1 << drawn.randrange(8))
            )
        with contextlib.suppress(Damaged, ValueError):
            read(bytes(content))


@pytest.mark.parametrize("kind", ["curve", "state", "archive"])
def test_changed_bytes_end_in_an_error_never_in_the_end_of_the_process(kind: str) -> None:
    small = {"a": torch.arange(20.0), "b": {"c": [1, 2.0, None, "d"]}}
    whole = {"curve": encoded_curve(CURVE), "state": encoded_state(small), "archive": of_torch(small)}[kind]
    read = {"curve": _read_curve, "state": decoded_state, "archive": decoded_state}[kind]
    process = multiprocessing.get_context("fork").Process(target=_limited, args=(read, whole, 0, 1500))
    process.start()
    process.join(120)
    hangs = process.is_alive()
    process.kill()
    assert not hangs
    assert process.exitcode == 0


def _read_curve(content: bytes) -> Any:
    return decoded_curve(content, "curve")
