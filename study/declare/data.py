"""What trainings are trained on: loaded once for each of their data's arguments, and known by a fingerprint."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from study.errors import StudyError, last_line
from study.paths import expanded
from study.training import Training

FOLDER = "folder"
MOST_DEPTH = 50
Result = TypeVar("Result")
_forget: list[Callable[[], None]] = []


def kept_for_a_plan(function: Callable[[str], Result]) -> Callable[[str], Result]:
    """Keep what the function returns until data are next planned with: by then their files may have changed."""
    kept = functools.cache(function)
    _forget.append(kept.cache_clear)
    return kept


def default_folder() -> Path:
    """Where data lie: the folder that STUDY_DATA names, else ./data."""
    return Path(os.environ.get("STUDY_DATA") or "data")


def names_of_data(kind: type[Training]) -> list[str]:
    """The hyperparameters that `kind.data` asks for. Raises StudyError where it asks for something else."""
    try:
        parameters = inspect.signature(kind.data).parameters.values()
    except (TypeError, ValueError) as error:
        raise StudyError(f"{kind.called()}: data is no function: {error}") from None
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [one.name for one in parameters if one.name != FOLDER and one.kind not in variable]
    for name in names:
        if name not in kind.Config.model_fields:
            raise StudyError(
                f"{kind.called()}: data asks for {name!r}, which is no hyperparameter.",
                "Its parameters are hyperparameters by name, or `folder`; it is a @staticmethod.",
            )
    return names


class SharedData:
    """The data of trainings, each loaded once; without a `folder` they are elsewhere, and none is loaded."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else expanded(folder)
        self._fingerprints: dict[tuple[str, str], str] = {}
        self._loaded: dict[tuple[str, str], Any] = {}
        for forget in _forget:
            forget()

    def fingerprint(self, kind: type[Training], config: Any) -> str:
        """What stands for the data in a trial's key. Raises StudyError where they can't be had."""
        asked, arguments = self._asked(kind, config)
        if self.folder is None:
            return asked[1]
        if asked not in self._fingerprints:
            with _errors_of(kind):
                found = kind.fingerprint(**arguments)
            self._fingerprints[asked] = found or digest(self.load(kind, config), kind.called())
        return self._fingerprints[asked]

    def load(self, kind: type[Training], config: Any) -> Any:
        """What `kind.data` returns, its arrays read-only as Ray's object store has them. Raises StudyError where
        it fails.
        """
        asked, arguments = self._asked(kind, config)
        if asked not in self._loaded:
            with _errors_of(kind):
                loaded = kind.data(**arguments)
            _make_read_only(loaded)
            self._loaded[asked] = loaded
        return self._loaded[asked]

    def _asked(self, kind: type[Training], config: Any) -> tuple[tuple[str, str], dict[str, Any]]:
        """What tells two calls apart, and the arguments of one."""
        values = {name: getattr(config, name) for name in names_of_data(kind)}
        asked = kind.called(), json.dumps(values, sort_keys=True, default=repr)
        takes_folder = FOLDER in inspect.signature(kind.data).parameters
        return asked, {**values, **({FOLDER: self.folder} if takes_folder else {})}


def _make_read_only(value: Any, depth: int = 0) -> None:
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    if depth > MOST_DEPTH:
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        for inner in value:
            _make_read_only(inner, depth + 1)


@contextlib.contextmanager
def _errors_of(kind: type[Training]) -> Iterator[None]:
    """Whatever the user's own code raises, as a StudyError."""
    try:
        yield
    except (StudyError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise StudyError(f"{kind.called()}: its data can't be loaded: {last_line(error)}") from None


def digest(data: Any, called: str) -> str:
    """sha256 (hex) of data: arrays by type, shape and bytes. Raises StudyError for what can't be shared."""
    found = hashlib.sha256()
    _add(found, data, f"{called}: data", 0)
    return found.hexdigest()


def _add(found: Any, value: Any, where: str, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise StudyError(f"{where} nests too deep to be shared.")
    kind = type(value).__name__
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise StudyError(f"{where} is an array of objects; share arrays of numbers or text.")
        found.update(f"array {array.dtype.str} {array.shape} ".encode())
        found.update(array.reshape(-1).view(np.uint8))
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        said = value if isinstance(value, bytes) else repr(value).encode()
        found.update(f"{kind} {len(said)} ".encode() + said)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _add(
            found,
            {field.name: getattr(value, field.name) for field in dataclasses.fields(value)},
            where,
            depth,
        )
    elif isinstance(value, Mapping):
        found.update(f"mapping {len(value)} ".encode())
        for key, inner in value.items():
            _add(found, key, where, depth + 1)
            _add(found, inner, f"{where}[{key!r}]", depth + 1)
    elif isinstance(value, tuple | list):
        found.update(f"sequence {len(value)} ".encode())
        for place, inner in enumerate(value):
            _add(found, inner, f"{where}[{place}]", depth + 1)
    else:
        raise StudyError(
            f"{where} is a {kind}, which can't be shared between processes.",
            "Return NumPy arrays and plain data; open all else in __init__, and give the training a version.",
        )
