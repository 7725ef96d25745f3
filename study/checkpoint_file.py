"""A training's state as torch saves it, read without executing anything and within its own size."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import torch


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
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    for tensor in _tensors(state):
        # One number can stand for millions where its stride is 0.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError("a tensor is larger than what is stored of it")
    return state


def _tensors(state: object) -> Iterator[torch.Tensor]:
    unread, seen = [state], set()
    while unread:
        value = unread.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))  # it may hold itself
            unread += value.values() if isinstance(value, dict) else value
