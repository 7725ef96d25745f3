"""A user's own networks and data sets, named `package.module:function` in a config.

Their modules are found as Python finds them when the study file is run: beside it, in the current folder,
or installed. Like study files they are code: name only what you would run.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from study.config import StudyError


def is_plugin(name: str) -> bool:
    """Whether a model or data set is the user's own."""
    return ":" in name


def add_folder(folder: Path) -> None:
    """Let modules in this folder be found, after all others."""
    if str(folder.absolute()) not in sys.path:
        sys.path.append(str(folder.absolute()))


def resolve(name: str) -> Callable[..., Any]:
    """The function that `package.module:function` names. Raises StudyError where it can't be had."""
    module_name, _, function_name = name.partition(":")
    add_folder(Path.cwd())
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise StudyError(
            f"plug-in {name!r}: module {module_name!r} can't be imported: {type(error).__name__}: {error}"
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise StudyError(f"plug-in {name!r}: module {module_name!r} has no function {function_name!r}")
    found: Callable[..., Any] = function
    return found


def source_sha256(name: str) -> str:
    """sha256 (hex) of the plug-in's module, so that an edited network is another trial."""
    resolve(name)
    module = sys.modules[name.partition(":")[0]]
    if module.__file__ is None:
        raise StudyError(f"plug-in {name!r}: its module has no source file")
    return hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()


def by_value(name: str) -> Callable[..., Any]:
    """The function, made to travel to Ray's workers with the whole of its module's definitions."""
    from ray import cloudpickle

    function = resolve(name)
    cloudpickle.register_pickle_by_value(sys.modules[name.partition(":")[0]])
    return function
