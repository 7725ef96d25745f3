"""The state that study 0.1 saved: torch's archive, a pickle in a zip, read by a strict little reader of our own.

Neither pickle nor torch.load sees it: what stands in it is read as the operations that such a state is made of, and
anything else is refused.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
MOST_OPERATIONS = 1_000_000
MOST_DIMENSIONS = 16
MARK = object()


def is_state(content: bytes) -> bool:
    """Whether it begins as such an archive does."""
    return content.startswith(b"PK\x03\x04")


def decoded(content: bytes) -> dict[str, Any]:
    """What the archive holds, tensors on the CPU. Raises ValueError where it is no state."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = archive.infolist()
            stored = all(file.compress_type == zipfile.ZIP_STORED for file in files)
            if not stored or sum(file.file_size for file in files) > len(content):
                raise ValueError("its files are compressed, or larger than it is")
            # Tensors are views of what is read here once, which need arrays that can be written.
            read = {file.filename.partition("/")[2]: bytearray(archive.read(file)) for file in files}
        if len(read) < len(files) or "data.pkl" not in read:
            raise ValueError("it has no single state")
        state = _Reader(read).value(read["data.pkl"])
    except ValueError:
        raise
    except Exception as error:  # zipfile and pickletools raise whatever they stumble over
        raise ValueError(f"its archive is damaged: {type(error).__name__}: {error}") from None
    if not isinstance(state, dict):
        raise ValueError("its state is no mapping")
    return state


class _Reader:
    """A stack on which the operations of a pickle work."""

    def __init__(self, files: dict[str, bytearray]) -> None:
        self._files = files
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        # What tensors share is unpacked once, and all tensors together are no more than the archive.
        self._left = sum(map(len, files.values()))

    def value(self, pickled: bytearray) -> Any:
        """What the pickle stands for."""
        for n, (code, argument, _) in enumerate(pickletools.genops(pickled)):
            if n > MOST_OPERATIONS:
                raise ValueError("its state has too many parts")
            if code.name == "STOP":
                break
            self._do(code.name, argument)
        (value,) = self._stack
        return value

    def _do(self, code: str, argument: Any) -> None:
        stack = self._stack
        match code:
            case "PROTO":
                pass
            case "MARK":
                stack.append(MARK)
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(code == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(self._flat([stack.pop() for _ in range(int(code[-1]))][::-1]))
            case "TUPLE":
                stack.append(self._flat(self._marked()))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                found = self._memo[argument]
                # Objects that hold one another several times would have no end.
                if isinstance(found, dict | list):
                    raise ValueError("its state holds a part twice")
                stack.append(found)
            case "APPEND":
                value = stack.pop()
                stack[-1].append(value)
            case "APPENDS":
                values = self._marked()
                stack[-1].extend(values)
            case "SETITEM":
                pair = [stack.pop(), stack.pop()][::-1]
                self._set(stack[-1], pair)
            case "SETITEMS":
                values = self._marked()
                self._set(stack[-1], values)
            case "GLOBAL":
                stack.append(_Named(argument))
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self._called(function, arguments))
            case "BUILD":  # attributes of an ordered dict, such as torch's versions of modules
                stack.pop()
                if not isinstance(stack[-1], dict):
                    raise ValueError("its state sets attributes")
            case _:
                raise ValueError(f"its state is pickled with {code}")

    def _marked(self) -> list[Any]:
        place = len(self._stack) - 1 - self._stack[::-1].index(MARK)
        values = self._stack[place + 1 :]
        del self._stack[place:]
        return values

    @staticmethod
    def _flat(values: list[Any]) -> tuple[Any, ...]:
        """Tuples hold numbers, names and storages: what nests deeper is no state's."""
        if any(isinstance(inner, tuple) and any(isinstance(one, tuple) for one in inner) for inner in values):
            raise ValueError("its state nests tuples")
        return tuple(values)

    @staticmethod
    def _set(into: Any, values: list[Any]) -> None:
        if not isinstance(into, dict):
            raise ValueError("its state sets items of what is no mapping")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) not in (str, int):
                raise ValueError("its state has a key that is neither text nor number")
            into[key] = value

    def _storage(self, named: Any) -> tuple[str, bytearray]:
        """The kind of numbers and the bytes that a persistent id names."""
        word, kind, file, _, _ = named
        if word != "storage" or not isinstance(kind, _Named):
            raise ValueError("its state names what is no storage")
        return STORAGES[kind.after("torch ")], self._files[f"data/{file}"]

    def _called(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, _Named):
            raise ValueError("its state calls what is no name")
        calls: dict[str, Callable[..., Any]] = {
            "collections OrderedDict": dict,
            "torch._utils _rebuild_tensor_v2": self._tensor,
            "torch._utils _rebuild_parameter": lambda tensor, *_: tensor,
        }
        if function.name not in calls or (function.name.startswith("collections") and arguments != ()):
            raise ValueError(f"its state names {function.name[:80]}")
        return calls[function.name](*arguments)

    def _tensor(self, storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Any:
        import torch

        name, content = storage
        dtype = getattr(torch, name)
        if len(size) != len(stride) or len(size) > MOST_DIMENSIONS:
            raise ValueError("a tensor has no shape")
        whole_numbers = all(type(n) is int and 0 <= n < 2**40 for n in (offset, *size, *stride))
        # Also one without any numbers has strides.
        if not whole_numbers or math.prod(max(1, n) for n in size) >= 2**48:
            raise ValueError("a tensor has an impossible shape")
        numbers = math.prod(size)
        self._left -= numbers * dtype.itemsize
        if self._left < 0:
            raise ValueError("its tensors are larger than it is")
        if not numbers:
            return torch.empty(size, dtype=dtype)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if (last + 1) * dtype.itemsize > len(content):
            raise ValueError("a tensor is larger than what is stored of it")
        whole = torch.frombuffer(content, dtype=dtype, count=len(content) // dtype.itemsize)
        return whole.as_strided(size, stride, offset).clone()


class _Named:
    """A name of a module's, which is only compared."""

    def __init__(self, name: str) -> None:
        self.name = name

    def after(self, module: str) -> str:
        """The name without its module's."""
        return self.name.removeprefix(module)
