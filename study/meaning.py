"""What Python source means: its syntax tree without comments, docstrings and formatting, and what it imports."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from study.errors import StudyError


# Asked for every arm of a study, of the same few sources.
@functools.lru_cache(maxsize=256)
def imports(source: bytes, package: str) -> tuple[str, ...]:
    """Every name that a module of this package may import a module by."""
    return tuple(_imports(source, package))


def _imports(source: bytes, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # `from . import x` outside of a package: Python would refuse it too
                continue
            yield base
            yield from (f"{base}.{name.name}" for name in node.names)


@functools.lru_cache(maxsize=256)
def meaning(source: bytes) -> str:
    """The syntax tree of a module as text, without docstrings and without its statement `STUDY = ...`."""
    tree = ast.parse(source)
    tree.body = [statement for statement in tree.body if not assigns_study(statement)]
    return _tree(tree)


def assigns_study(statement: ast.stmt) -> bool:
    """Whether this is the statement `STUDY = ...` of a study file."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return any(isinstance(target, ast.Name) and target.id == "STUDY" for target in targets)


def _tree(node: object) -> str:
    """A node with its fields that are not empty: `ast.dump` differs from one Python to the next."""
    if isinstance(node, list):
        return f"[{','.join(map(_tree, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(
            node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ):
            value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
        if value not in (None, []) and name not in ("kind", "type_comment", "ctx"):
            fields.append(f"{name}={_tree(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def meaning_of_file(path: Path) -> bytes:
    """What a file means: Python by its syntax tree, all else by its bytes. Raises StudyError where it can't be read."""
    try:
        content = path.read_bytes()
        return meaning(content).encode() if path.suffix == ".py" else content
    except SyntaxError as error:
        raise StudyError(f"{path}:{error.lineno}: not valid Python: {error.msg}") from None
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror}") from None


def imported_files(source: Path, folder: Path) -> list[Path]:
    """The modules that a script imports, directly or not, from the folder from which it is run."""
    found: dict[Path, None] = {}
    unread = [source]
    while unread:
        importing = unread.pop()
        package = ".".join(importing.parent.relative_to(folder).parts)
        try:
            names = imports(importing.read_bytes(), package)
        except SyntaxError as error:
            raise StudyError(f"{importing}:{error.lineno}: not valid Python: {error.msg}") from None
        for name in names:
            parts = name.split(".")
            for n in range(1, len(parts) + 1):
                place = folder.joinpath(*parts[:n])
                for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                    if file.is_file() and file not in found and file != source:
                        found[file] = None
                        unread.append(file)
    return sorted(found)
