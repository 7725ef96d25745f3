"""A training's state as torch saves it, read without executing anything and within its own size."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

# What tensors, types of numbers and ordered dictionaries are made of.
NAMES_OF_A_STATE = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch (Size|device)"
    r"|torch (float|bfloat|int|uint|complex|bool)\w*|torch \w+Storage|torch\.storage (Untyped|Typed)Storage"
)


def encoded_state(state: dict[str, Any]) -> bytes:
    """Tensors and plain data as one archive, not compressed."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def decoded_state(content: bytes) -> dict[str, Any]:
    """What the archive holds, its tensors on the CPU. Raises whatever torch's reader stumbles over."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = archive.infolist()
        # torch would unpack a compressed archive, to whatever size.
        if any(file.compress_type != zipfile.ZIP_STORED for file in files):
            raise ValueError("its files are compressed")
        if sum(file.file_size for file in files) > len(content):
            raise ValueError("its files are larger than it is")
        pickles = [file for file in files if file.filename.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1 or len({file.filename for file in files}) < len(files):
            raise ValueError("it has no single state")
        _check_names(archive.read(pickles[0]))
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    for tensor in _tensors(state):
        # One number can stand for millions where its stride is 0.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError("a tensor is larger than what is stored of it")
    return state


def _check_names(pickled: bytes) -> None:
    """Raises ValueError where the state names more than tensors: torch would make any bytearray."""
    for code, named, _ in pickletools.genops(pickled):
        if code.name in ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"):
            raise ValueError(f"it is pickled with {code.name}")
        if code.name == "GLOBAL" and not NAMES_OF_A_STATE.fullmatch(str(named)):
            raise ValueError(f"it names {named}")


def _tensors(state: object) -> Iterator[torch.Tensor]:
    unread, seen = [state], set()
    while unread:
        value = unread.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))  # it may hold itself
            unread += value.values() if isinstance(value, dict) else value
