"""A training's state as a file: what it holds as JSON, then the bytes of its arrays and tensors.

Reading one executes nothing and takes memory in proportion to its bytes. Parts, by their name in the JSON:

    {"dict": [[key, part], ...]}    {"list": [part, ...]}    {"tuple": [part, ...]}
    {"array": n, "dtype": "<f4", "shape": [2, 3]}            the n-th block of bytes, as NumPy's array
    {"tensor": n, "dtype": "float32", "shape": [2, 3]}       as torch's
    {"scalar": n, "dtype": "<f4"}                            a number of NumPy's
    {"numbers": n, "dtype": "<i8", "of": "list"}             a long list or tuple of numbers, as one; with "scalars"
                                                             they are NumPy's
    {"bytes": n}    {"float": "nan"}    {"dtype": "float32"}    {"device": "cpu"}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from study.errors import StudyError
from study.store import format1_state

MAGIC = b"study state 2\n"
MOST_DEPTH = 100
# Each part of the JSON becomes an object of some sixty bytes: so many are allowed in any state, and one for so many
# bytes in a larger one.
MOST_PARTS, BYTES_A_PART = 100_000, 16
# Numbers of NumPy's in lists, of forty bytes each.
MOST_SCALARS = 2_000_000
# NumPy's kinds of numbers, texts and times: what the name of another (of fields, of objects) says is not all of it.
KINDS = "biufcSUmM"
KINDS_OF_NUMBERS = "biufc"
# NumPy's own words for a kind: "<f4", "<U12", "<M8[25us]". It would read a long one as Python.
DTYPE = r"[<>|=]?[A-Za-z]\d{0,9}(\[\d{0,9}[A-Za-z]{1,7}\])?"
# Torch's, as `str` says them.
DTYPES = frozenset(
    {"bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "bfloat16",
     "float32", "float64", "complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
     "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"}
)  # fmt: skip
# From this length on, a list of numbers is one block.
LONG = 16


class _Written(list[bytes]):
    """The blocks so far; `scalars` is how many of NumPy's numbers they hold for lists."""

    scalars = 0


class _Blocks:
    """The blocks of a file. Each may be used once, or it would be more than was read."""

    def __init__(self, views: list[memoryview]) -> None:
        self._views = views
        self._used: set[int] = set()
        self._scalars = 0

    def take(self, place: Any) -> memoryview:
        if type(place) is not int or not 0 <= place < len(self._views) or place in self._used:
            raise ValueError("it names a block that is not there, or one twice")
        self._used.add(place)
        return self._views[place]

    def count_scalars(self, n: int) -> None:
        self._scalars += n
        if self._scalars > MOST_SCALARS:
            raise ValueError("it has more numbers in lists than a state has")


def encoded_state(state: dict[str, Any]) -> bytes:
    """The state as bytes. Raises StudyError, naming the place, for what is no tensor, array or plain data."""
    blocks = _Written()
    head = json.dumps(_part(state, "state", blocks, 0), allow_nan=False).encode()
    sizes = json.dumps([len(block) for block in blocks]).encode()
    lengths = len(head).to_bytes(8, "little") + len(sizes).to_bytes(8, "little")
    content = b"".join([MAGIC, lengths, head, sizes, *blocks])
    if _parts(head, sizes) > _most_parts(content) or blocks.scalars > MOST_SCALARS:
        raise StudyError(
            "state has very many small parts: keep its numbers in arrays, so that they can be saved"
        )
    return content


def decoded_state(content: bytes) -> dict[str, Any]:
    """What the bytes hold, tensors on the CPU. Raises ValueError where they are no state."""
    if format1_state.is_state(content):
        return format1_state.decoded(content)
    start = len(MAGIC) + 16
    if not content.startswith(MAGIC) or len(content) < start:
        raise ValueError("it does not begin as a state does")
    in_head, in_sizes = (
        int.from_bytes(content[place : place + 8], "little") for place in (start - 16, start - 8)
    )
    first = start + in_head + in_sizes
    if first > len(content):
        raise ValueError("it is shorter than it says")
    head, sizes = content[start : start + in_head], content[start + in_head : first]
    if _parts(head, sizes) > _most_parts(content):
        raise ValueError("it has more parts than a state of its size")
    try:
        lengths, part = json.loads(sizes), json.loads(head)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    if not isinstance(lengths, list) or not all(type(size) is int and size >= 0 for size in lengths):
        raise ValueError("its sizes are none")
    if first + sum(lengths) != len(content):
        raise ValueError("its sizes are not those of its blocks")
    views, view = [], memoryview(content)
    for size in lengths:
        views.append(view[first : first + size])
        first += size
    try:
        state = _value(part, _Blocks(views), 0)
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it holds what no state does: {error}") from None
    if not isinstance(state, dict):
        raise ValueError("it is no mapping")
    return state


def _parts(head: bytes, sizes: bytes) -> int:
    return sum(text.count(mark) for text in (head, sizes) for mark in (b"[", b"{", b","))


def _most_parts(content: bytes) -> int:
    return max(MOST_PARTS, len(content) // BYTES_A_PART)


def _part(value: Any, where: str, blocks: _Written, depth: int) -> Any:
    """The value as JSON; its bytes are appended to the blocks."""
    if depth > MOST_DEPTH:
        raise StudyError(f"{where} nests too deep to be saved")
    if isinstance(value, np.generic):
        if value.dtype.kind in KINDS_OF_NUMBERS:  # a float would go on with other bits than a float32
            return _block({"scalar": len(blocks), "dtype": value.dtype.str}, value.tobytes(), blocks)
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, bytes):
        return _block({"bytes": len(blocks)}, value, blocks)
    if isinstance(value, Mapping):
        return {"dict": [_pair(key, inner, where, blocks, depth) for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        return _sequence(value, where, blocks, depth)
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        named = {"array": len(blocks), "dtype": value.dtype.str, "shape": list(value.shape)}
        return _block(named, value.tobytes(), blocks)
    if (named_of_torch := _of_torch(value, blocks)) is not None:
        return named_of_torch
    raise StudyError(
        f"{where} is a {type(value).__name__}, which can't be saved as plain data.",
        "Keep numbers, texts, lists, dicts, arrays or tensors in the state, or give state_dict and load_state_dict.",
    )


def _pair(key: Any, value: Any, where: str, blocks: _Written, depth: int) -> list[Any]:
    if not isinstance(key, str | int) or isinstance(key, bool):
        raise StudyError(f"{where} has the key {key!r}; needed are texts or whole numbers")
    return [key, _part(value, f"{where}[{key!r}]", blocks, depth + 1)]


def _sequence(value: Sequence[Any], where: str, blocks: _Written, depth: int) -> Any:
    kind = "tuple" if isinstance(value, tuple) else "list"
    if len(value) >= LONG and len({type(inner) for inner in value}) == 1:
        of_numpy = isinstance(value[0], np.generic) and value[0].dtype.kind in KINDS_OF_NUMBERS
        numbers = np.array(value) if of_numpy or type(value[0]) in (int, float) else np.empty(0)
        if len(numbers) and (of_numpy or numbers.dtype in (np.int64, np.float64)):
            blocks.scalars += len(value) if of_numpy else 0
            named = {"numbers": len(blocks), "dtype": numbers.dtype.str, "of": kind}
            return _block({**named, **({"scalars": True} if of_numpy else {})}, numbers.tobytes(), blocks)
    return {kind: [_part(inner, f"{where}[{place}]", blocks, depth + 1) for place, inner in enumerate(value)]}


def _block(named: dict[str, Any], content: bytes, blocks: _Written) -> dict[str, Any]:
    blocks.append(content)
    return named


def _of_torch(value: Any, blocks: _Written) -> dict[str, Any] | None:
    """A tensor, or what says of which kind one is; None for all else."""
    if type(value).__module__.partition(".")[0] != "torch" and not hasattr(value, "detach"):
        return None
    import torch

    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
        return None
    if (dtype := str(value.dtype).removeprefix("torch.")) not in DTYPES:
        return None
    named = {
        "tensor": len(blocks),
        "dtype": dtype,
        "shape": list(value.shape),
    }
    flat = value.detach().cpu().contiguous().reshape(-1).resolve_conj().resolve_neg()
    # The step of a tensor of one number, or none, may be one that can't be viewed as bytes.
    content = flat.clone() if flat.numel() == 1 else flat
    return _block(named, content.view(torch.uint8).numpy().tobytes() if flat.numel() else b"", blocks)


def _value(part: Any, blocks: _Blocks, depth: int) -> Any:
    """What a part of the JSON stands for."""
    if depth > MOST_DEPTH + 10:
        raise ValueError("it nests too deep")
    if not isinstance(part, dict):
        if isinstance(part, list):
            raise ValueError("a list stands where a part should")
        return part
    kind = next(iter(part), "")
    if kind in ("array", "tensor", "scalar", "numbers", "bytes"):
        block = blocks.take(part[kind])
        if kind in ("array", "scalar", "numbers") and not re.fullmatch(DTYPE, part["dtype"]):
            raise ValueError("an array is of no kind of NumPy's")
        if kind == "numbers" and part.get("scalars"):
            blocks.count_scalars(len(block) // max(1, np.dtype(part["dtype"]).itemsize))
        return _of_block(kind, part, block)
    inner: Any = part[kind] if kind else None
    match kind:
        # A text in a list's place would become as many objects as it has letters.
        case "dict" if isinstance(inner, list):
            return {_key(key): _value(one, blocks, depth + 1) for key, one in inner}
        case "list" | "tuple" if isinstance(inner, list):
            found = [_value(one, blocks, depth + 1) for one in inner]
            return tuple(found) if kind == "tuple" else found
        case "float":
            return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[inner]
        case "dtype":
            return _dtype(inner)
        case "device":
            import torch

            return torch.device("cpu")  # where all of it is; the training moves it
    raise ValueError(f"it has a part {kind[:40]!r}")


def _key(key: Any) -> str | int:
    if type(key) not in (str, int):
        raise ValueError("a key is neither a text nor a whole number")
    found: str | int = key
    return found


def _of_block(kind: str, part: dict[str, Any], block: memoryview) -> Any:
    if kind == "bytes":
        return bytes(block)
    if kind == "tensor":
        import torch

        dtype, shape = _dtype_of_tensor(part["dtype"]), _shape(part)
        if math.prod(shape) * dtype.itemsize != len(block):
            raise ValueError("a tensor is not as large as its block")
        if not len(block):
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(bytearray(block), dtype=dtype).reshape(shape)
    of_numbers = part["dtype"] in ("<i8", "<f8") or (
        np.dtype(part["dtype"]).kind in KINDS_OF_NUMBERS and (kind == "scalar" or part.get("scalars") is True)
    )
    if not of_numbers and (kind in ("numbers", "scalar") or np.dtype(part["dtype"]).hasobject):
        raise ValueError(f"an array is of {part['dtype']!r}")
    found = (
        np.frombuffer(bytearray(block), np.dtype(part["dtype"])) if len(block) else np.empty(0, part["dtype"])
    )
    if kind == "scalar":
        return found.reshape(())[()]
    if kind == "numbers" and part.get("scalars"):
        return tuple(found) if part["of"] == "tuple" else list(found)
    if kind == "numbers":
        return tuple(found.tolist()) if part["of"] == "tuple" else found.tolist()
    return found.reshape(_shape(part))


def _shape(part: dict[str, Any]) -> list[int]:
    shape: list[int] = part["shape"]
    if not all(type(size) is int and size >= 0 for size in shape) or len(shape) > 32:
        raise ValueError("a shape is none")
    # Also one without any numbers has strides.
    if math.prod(max(1, size) for size in shape) >= 2**48:
        raise ValueError("a shape is impossible")
    return shape


def _dtype(name: str) -> Any:
    import torch

    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{name[:40]!r} is no kind of number")
    return found


def _dtype_of_tensor(name: str) -> Any:
    """Not of a quantized one, whose numbers are in no tensor's bytes alone: torch ends the process over it."""
    if name not in DTYPES:
        raise ValueError(f"{name[:40]!r} is no kind of number")
    return _dtype(name)
