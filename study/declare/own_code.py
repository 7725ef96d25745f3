"""A user's own networks and data sets, named `package.module:function` in a config.

Their modules are found as Python finds them when the study file is run: beside it, in the current folder,
or installed. Like study files they are code: name only what you would run.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from study.errors import StudyError, last_line


def is_plugin(name: str) -> bool:
    """Whether a model or data set is the user's own."""
    return ":" in name


# Folders of the study files loaded so far, where plug-ins are looked for after what is installed.
_folders: list[Path] = []
# The sources of plug-ins as they were when they were first asked for.
_sources: dict[str, str] = {}


def add_folder(folder: Path) -> None:
    """Let modules in this folder be found, after all others."""
    if folder.absolute() not in _folders:
        _folders.append(folder.absolute())
    if str(folder.absolute()) not in sys.path:
        sys.path.append(str(folder.absolute()))


def resolve(name: str) -> Callable[..., Any]:
    """The function that `package.module:function` names.

    Raises StudyError where it can't be had, or where it is not clear which module is meant.
    """
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
    for folder in _folders:
        beside = [path for path in (folder / f"{first}.py", folder / first) if path.exists()]
        if beside and not Path(source).is_relative_to(folder):
            raise StudyError(
                f"plug-in {name!r}: Python finds {source} as {first!r}, not {beside[0]}: rename one"
            )
    function = getattr(module, function_name, None)
    if not callable(function):
        raise StudyError(f"plug-in {name!r}: module {module_name!r} has no function {function_name!r}")
    found: Callable[..., Any] = function
    return found


def source_sha256(name: str) -> str:
    """sha256 (hex) of the plug-in's source and what it imports from beside it; edited, another trial."""
    digest = hashlib.sha256()
    for module in _own_modules(name):
        digest.update(module.__name__.encode() + b"\0" + _source(module).read_bytes())
    if digest.hexdigest() != _sources.setdefault(name, digest.hexdigest()):
        raise StudyError(
            f"plug-in {name!r} was edited since Python imported it.",
            "Start Python (the notebook's kernel) anew.",
        )
    return digest.hexdigest()


def sources(name: str) -> list[Path]:
    """The files of the plug-in's source and of what it imports from beside it."""
    return [_source(module) for module in _own_modules(name)]


def by_value(name: str) -> Callable[..., Any]:
    """The function, made to travel to Ray's workers with the definitions of its own modules.

    What it imports besides is looked for there in the same folders as here, and after all others too.
    """
    from ray import cloudpickle

    function = resolve(name)
    for module in _own_modules(name):
        cloudpickle.register_pickle_by_value(module)
    return _Travelling(function, list(_folders))


class _Travelling:
    """A function that adds these folders where it arrives, before it is unpickled."""

    def __init__(self, function: Callable[..., Any], folders: list[Path]) -> None:
        self._function, self._folders = function, folders

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._function(*arguments, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        from ray import cloudpickle

        return _arrived, (self._folders, cloudpickle.dumps(self._function))


def _arrived(folders: list[Path], pickled: bytes) -> Callable[..., Any]:
    from ray import cloudpickle

    for folder in folders:
        add_folder(folder)
    function: Callable[..., Any] = cloudpickle.loads(pickled)
    return function


def _own_modules(name: str) -> list[ModuleType]:
    """The plug-in's module and those that it imports, directly or not, from its folder; sorted by name."""
    resolve(name)
    first = sys.modules[name.partition(":")[0]]
    # A package's modules may lie in the folders of its sub-packages.
    folder = _source(first).parents[first.__name__.count(".")]
    found: dict[str, ModuleType] = {}
    unread = [first]
    while unread:
        module = unread.pop()
        found[module.__name__] = module
        for imported in imports(_source(module), module.__package__ or ""):
            source = getattr(sys.modules.get(imported), "__file__", None)
            if imported not in found and source and Path(source).is_relative_to(folder):
                unread.append(sys.modules[imported])
    return [found[module] for module in sorted(found)]


def imports(source: Path, package: str) -> Iterator[str]:
    """Every name that a module of this package may import a module by."""
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # `from . import x` outside of a package: Python would refuse it too
                continue
            yield base
            yield from (f"{base}.{name.name}" for name in node.names)


def _source(module: ModuleType) -> Path:
    return Path(str(module.__file__))
