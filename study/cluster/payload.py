"""What travels to a cluster with a job: studies, what they import from beside them, what a user names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from itertools import chain
from pathlib import Path

from study import own_code
from study.cluster.secret_names import looks_secret
from study.declare.loading import available
from study.errors import StudyError
from study.meaning import imports
from study.paths import expanded
from study.store.local_files import LocalFiles
from study.training import Training

# What Ray's job server takes (2.60, DASHBOARD_CLIENT_MAX_SIZE).
MOST_BYTES = 100 * 1024**2
MOST_FILES = 10_000
LEFT_HERE = {"results", "report", "__pycache__", "node_modules"}
# Of an environment, whoever made it.
ENVIRONMENT = ("pyvenv.cfg", "conda-meta")
INSTALLED = Path(__file__).parents[1]


@dataclass(frozen=True)
class Payload:
    """The studies as they are called where the job runs, the files to send with their bytes, and what stays.

    All paths are relative to the current folder. `left_here` are files of included folders that look secret.
    """

    words: list[str]
    files: dict[Path, int]
    left_here: list[Path]

    @property
    def size(self) -> int:
        """All its bytes."""
        return sum(self.files.values())

    def copy(self, folder: Path) -> None:
        """Copy the files into the folder, each to where it lies under the current one.

        Raises StudyError for one that can't be read, or has become a link or a pipe since it was looked at.
        """
        here = LocalFiles(Path())
        for path in self.files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            try:
                (folder / path).write_bytes(here.read(path.as_posix(), MOST_BYTES))
            except OSError as error:
                raise StudyError(f"{path} can't be sent: {error.strerror or error}") from None


def packed(
    studies: Sequence[str], code: Iterable[str | type[Training]], include: Sequence[str] = ()
) -> Payload:
    """What the studies need, with the code that they train, and what lies at the paths to include.

    Raises StudyError for what lies outside of the current folder, is hidden, or is a link or behind one; for
    a file that looks like a key or a password; and where it is more than Ray takes.
    """
    words = _words_there(studies)
    named = [Path(os.path.relpath(path)) for path in include]
    needed: dict[Path, None] = {}
    # One at a time, since a module must be checked before it is read for what it imports.
    for path in chain(_needed(words, code), filter(Path.is_file, named)):
        _check_travels(path)
        if looks_secret(path):
            raise StudyError(f"{path} looks like a secret, which never travels; rename it if it is none.")
        needed[path] = None
    left_here = []
    for path in (found for folder in named if not folder.is_file() for found in _within(folder)):
        if path in needed:
            continue
        if looks_secret(path):
            left_here.append(path)
        else:
            needed[path] = None
    sizes = {path: path.stat().st_size for path in needed}
    payload = Payload(words, sizes, left_here)
    if len(sizes) > MOST_FILES:
        raise StudyError(f"{len(sizes):,} files would travel; at most {MOST_FILES:,} may.")
    if payload.size > MOST_BYTES:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        raise StudyError(
            f"What would travel has {shown_size(payload.size)}; Ray takes {shown_size(MOST_BYTES)}. "
            f"The largest: {', '.join(f'{path} ({shown_size(sizes[path])})' for path in largest)}.",
            "Put large data where all nodes reach them.",
        )
    return payload


def _words_there(studies: Sequence[str]) -> list[str]:
    """The studies as they are called where the job runs: paths from the current folder, or names."""
    words = []
    for given in studies:
        path = expanded(given)
        if not (path.suffix == ".py" and path.exists()):
            path = available()[given]
            if path.is_absolute():  # it came with the installation
                words.append(given)
                continue
        word = os.path.relpath(path)
        if word.startswith(".."):
            raise StudyError(f"{given} lies outside of {Path.cwd()}: submit it from its own folder.")
        words.append(word)
    return words


def _needed(words: Iterable[str], code: Iterable[str | type[Training]]) -> Iterator[Path]:
    """The study files, the code that they train, and the modules that these import from beside them."""
    for word in words:
        if word.endswith(".py"):
            yield Path(word)
            yield from _imported(Path(word), Path(word).parent)
    for own in code:
        for source in own_code.files(own) if isinstance(own, str) else own.files():
            path = Path(os.path.relpath(source))
            if _is_ours(path):
                yield path
                yield from _packages(path)
                yield from _imported(path, Path())


def _imported(source: Path, folder: Path) -> Iterator[Path]:
    """The modules in `folder` or the current one that a file imports, directly or not."""
    found: set[Path] = set()
    unread = [source]
    while unread:
        importing = unread.pop()
        for base in dict.fromkeys((folder, Path())):
            package = ".".join(importing.parent.relative_to(base).parts) if base in importing.parents else ""
            for name in imports(importing.read_bytes(), package):
                for path in _files_of(name, base):
                    if path not in found:
                        found.add(path)
                        unread.append(path)
                        yield path


def _files_of(module: str, base: Path) -> Iterator[Path]:
    """The module's file and those of its packages, where Python finds them below `base`."""
    first, *others = module.split(".")
    if first in sys.stdlib_module_names or not first.isidentifier():
        return
    top = base / first
    spec = PathFinder.find_spec(first, [*sys.path, str(base.absolute())])
    if spec is None or not _is_ours(top):
        return
    found = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    if not {Path(place).absolute() for place in found} & _places(top):
        return
    for n in range(len(others) + 1):
        path = top.joinpath(*others[:n])
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                yield file


def _places(top: Path) -> set[Path]:
    return {path.absolute() for path in (top, top / "__init__.py", top.with_name(f"{top.name}.py"))}


def _packages(path: Path) -> Iterator[Path]:
    yield from (init for up in path.parents if (init := up / "__init__.py").is_file())


def _is_ours(path: Path) -> bool:
    """Whether it is the user's: not installed, not hidden, not of this project."""
    if any(part.startswith(".") or part == "site-packages" for part in path.parts):
        return False
    return not any(path.absolute().is_relative_to(INSTALLED.parent / name) for name in ("study", "analysis"))


def _within(folder: Path) -> Iterator[Path]:
    """The files of an included folder."""
    _check_travels(folder)
    if not folder.is_dir():
        raise StudyError(f"--include {folder}: there is no such file or folder.")
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = sorted(name for name in folders if not _stays(here / name))
        for name in folders:
            _check_travels(here / name)
        for path in (here / name for name in sorted(names) if not name.startswith(".")):
            _check_travels(path)
            if path.is_file():
                yield path


def _stays(folder: Path) -> bool:
    return (
        folder.name.startswith(".")
        or folder.name in LEFT_HERE
        or any((folder / name).exists() for name in ENVIRONMENT)
        or ((folder / "trials").is_dir() and (folder / "studies").is_dir())
        or folder.absolute() == INSTALLED
    )


def _check_travels(path: Path) -> None:
    """Raise StudyError for what never travels, named or not; the path is relative to the current folder."""
    if path.is_absolute() or ".." in path.parts:
        raise StudyError(f"{path} lies outside of {Path.cwd()}: it does not travel.")
    if any(part.startswith(".") for part in path.parts):
        raise StudyError(f"{path} is hidden, or in a hidden folder: it does not travel.")
    if link := next(filter(Path.is_symlink, (path, *path.parents)), None):
        said = "is a link" if link == path else f"lies behind the link {link}"
        raise StudyError(f"{path} {said}, and links do not travel: put what it leads to in its place.")


def shown_size(size: int) -> str:
    """`1.5 KiB`."""
    return f"{size / 1024**2:,.1f} MiB" if size >= 1024**2 else f"{size / 1024:,.1f} KiB"
