"""A user's own code: trainings, networks and data sets, found by name, hashed by meaning, sent to workers.

Modules are found as Python finds them when the study file is run: beside it, in the current folder, or installed.
Like study files they are code: name only what you would run.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from study.errors import StudyError, last_line
from study.meaning import imports, meaning

Own = Callable[..., Any]


def is_plugin(name: str) -> bool:
    """Whether a name in a config is that of the user's own code, `package.module:function`."""
    return ":" in name


def is_own(code: Own) -> bool:
    """Whether it is the user's, and not of this project, which is installed wherever trials run."""
    return code.__module__.partition(".")[0] != "study"


# What arrived with a run, by name.
_arrived_here: dict[str, Own] = {}


def provide(code: Mapping[str, Own]) -> None:
    """Let these names stand for what arrived with a run, in a process that could not import them."""
    _arrived_here.update(code)


# Folders of the study files loaded so far, where modules are looked for after what is installed.
_folders: list[Path] = []
# The source that each module was made of, or as it was when it was first asked for.
_sources: weakref.WeakKeyDictionary[ModuleType, bytes] = weakref.WeakKeyDictionary()


def add_folder(folder: Path) -> None:
    """Let modules in this folder be found, after all others."""
    if folder.absolute() not in _folders:
        _folders.append(folder.absolute())
    if str(folder.absolute()) not in sys.path:
        sys.path.append(str(folder.absolute()))


def loaded_from(module: ModuleType, source: bytes) -> None:
    """Note of which source this module was made."""
    _sources[module] = source


def resolve(name: str) -> Own:
    """The function or class that `package.module:name` names.

    Raises StudyError where it can't be had, or where it is not clear which module is meant.
    """
    if name in _arrived_here:
        arrived = _arrived_here[name]
        if isinstance(arrived, NotArrived):
            raise arrived
        return arrived
    module_name, _, function_name = name.partition(":")
    add_folder(Path.cwd())
    try:
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise StudyError(
            f"plug-in {name!r}: module {module_name!r} can't be imported: {last_line(error)}"
        ) from None
    source = getattr(module, "__file__", None)
    if source is None:
        raise StudyError(f"plug-in {name!r}: module {module_name!r} has no source file")
    first = module_name.partition(".")[0]
    for folder in _folders if first != "study" else ():  # a study file may be called study.py
        beside = [path for path in (folder / f"{first}.py", folder / first) if path.exists()]
        if beside and not Path(source).is_relative_to(folder):
            raise StudyError(
                f"plug-in {name!r}: Python finds {source} as {first!r}, not {beside[0]}: rename one"
            )
    function = getattr(module, function_name, None)
    if not callable(function):
        raise StudyError(f"plug-in {name!r}: module {module_name!r} has no function {function_name!r}")
    found: Own = function
    return found


def source_sha256(name: str) -> str:
    """sha256 (hex) of the bytes of a plug-in's source and of what it imports from beside it (study 0.1's keys)."""
    digest = hashlib.sha256()
    for module in sorted(_modules_of(name), key=lambda module: module.__name__):
        digest.update(module.__name__.encode() + b"\0" + _source(module))
    return digest.hexdigest()


def meaning_sha256(own: str | Own) -> str:
    """sha256 (hex) of what a plug-in's, a class's or a function's source means, and what it imports from beside it.

    Comments, docstrings, formatting and a study file's `STUDY = ...` don't count; all else in these modules does.
    """
    digest = hashlib.sha256()
    first, *others = _modules_of(own)
    for name, module in [("", first), *((module.__name__, module) for module in others)]:
        digest.update(f"{name}\0{meaning(_source(module))}\0".encode())
    return digest.hexdigest()


def files(own: str | Own) -> list[Path]:
    """The files of the source and of what it imports from beside it."""
    return [_path(module) for module in _modules_of(own)]


def by_value(own: str | Own) -> Any:
    """The function or class, made to travel to Ray's workers with the definitions of its own modules.

    What it imports besides is looked for there in the same folders as here, and after all others too.

    Raises StudyError where something that it uses can't be pickled.
    """
    from ray import cloudpickle

    code = resolve(own) if isinstance(own, str) else own
    if not is_own(code):
        return code
    if _has_file(code):  # what a notebook defines travels so by itself
        for module in _modules_of(own):
            cloudpickle.register_pickle_by_value(module)
    try:
        return _Travelling(cloudpickle.dumps(code), list(_folders))
    except Exception as error:  # Tune would keep it, and fail every later run of this process with it
        raise StudyError(
            f"{code.__qualname__} can't be sent to Ray's workers: {last_line(error)}",
            "Make what can't be pickled (a lock, an open file) where it is used, or train with --in-process.",
        ) from None


class _Travelling:
    """Something pickled that adds these folders where it arrives, before it is unpickled."""

    def __init__(self, pickled: bytes, folders: list[Path]) -> None:
        self._pickled, self._folders = pickled, folders

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self._folders, self._pickled)


class NotArrived(StudyError):
    """Stands for a function or class that could not be unpickled where it arrived: to be raised by its trials.

    Raised at once, it would end the process before a trial could say why.
    """


def _arrived(folders: list[Path], pickled: bytes) -> Own | NotArrived:
    from ray import cloudpickle

    for folder in folders:
        add_folder(folder)
    try:
        function: Own = cloudpickle.loads(pickled)
    except Exception as error:
        not_arrived = NotArrived(f"can't be imported where it is trained: {last_line(error)}")
        not_arrived.add_note(traceback.format_exc())
        return not_arrived
    return function


# Packages that every run needs. One file with such a name is never the package.
NEEDED = (
    "filelock", "fsspec", "jinja2", "matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "ray", "rich", "scipy",
    "torch", "typer", "upath",
)  # fmt: skip


def check_names() -> None:
    """Raises StudyError for each of the user's files that Python finds in the place of a package that a run needs."""
    folders = [Path(entry or Path.cwd()).absolute() for entry in sys.path]
    hidden = []
    for name in NEEDED:
        found = [(folder / f"{name}.py", folder / name / "__init__.py") for folder in folders]
        package = next((at for at, (_, package) in enumerate(found) if package.is_file()), None)
        hidden += [
            f"{file} hides the package {name} ({found[package][1].parent}): rename the file"
            for file, _ in found[:package]
            if package is not None and file.is_file()
        ]
    if hidden:
        raise StudyError(*hidden)


def _modules_of(own: str | Own) -> list[ModuleType]:
    """Its module, then those that this imports, directly or not, from its folder, by name.

    Raises StudyError where its source can't be read.
    """
    if isinstance(own, str):
        resolve(own)
        first = sys.modules[own.partition(":")[0]]
    else:
        if not _has_file(own):
            raise StudyError(
                f"{own.__qualname__} has no source file (it is of a notebook, perhaps).",
                "Write it into a file, or give it a version, to be raised by hand: version = '1' in the class, "
                "or study.function(..., version='1').",
            )
        first = sys.modules[own.__module__]
    # A package's modules may lie in the folders of its sub-packages.
    folder = _path(first).parents[0 if _is_study_file(first) else first.__name__.count(".")]
    found: dict[str, ModuleType] = {}
    unread = [first]
    while unread:
        module = unread.pop()
        found[module.__name__] = module
        package = "" if _is_study_file(module) else module.__package__ or ""
        for name in imports(_source(module), package):
            source = getattr(sys.modules.get(name), "__file__", None)
            if name not in found and source and Path(source).is_relative_to(folder):
                unread.append(sys.modules[name])
    del found[first.__name__]
    return [first, *(found[name] for name in sorted(found))]


def _has_file(code: Own) -> bool:
    """Whether its module was made of a file, which a notebook's is not."""
    return getattr(sys.modules.get(code.__module__), "__file__", None) is not None


STUDY_FILE = "study_file"


def _is_study_file(module: ModuleType) -> bool:
    """Whether `study.declare.loading` made the module of a file, which is no part of a package then."""
    return module.__name__.partition(".")[0] == STUDY_FILE


def _source(module: ModuleType) -> bytes:
    """What the module was made of. Raises StudyError where its file was edited since."""
    now = _path(module).read_bytes()
    if _sources.setdefault(module, now) != now and not _is_study_file(module):
        raise StudyError(
            f"{_path(module)} was edited since Python imported it.",
            "Start Python (the notebook's kernel) anew.",
        )
    return _sources[module]


def _path(module: ModuleType) -> Path:
    return Path(str(module.__file__)).absolute()
