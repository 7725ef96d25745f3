"""Finding and loading study files, by path or by name.

A study file is Python and runs when it is loaded: load only files that you would run.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from study.declare.study import Study
from study.errors import StudyError, did_you_mean, last_line
from study.own_code import STUDY_FILE, add_folder, check_names, loaded_from
from study.paths import expanded
from study.terminal import say
from study.time_limit import TimeLimit, time_limit

# A study file is a declaration; one that takes longer than this, in seconds, never ends.
LOAD_SECONDS = 60.0
# The studies that came with us, in a checkout as in an installation.
SHIPPED = Path(__file__).parents[2] / "search_spaces"


def search_space_folders() -> list[Path]:
    """Where a study is looked for by name: ./search_spaces first, then the studies shipped with us."""
    return [folder for folder in (Path("search_spaces"), SHIPPED) if folder.is_dir()]


def available() -> dict[str, Path]:
    """Every study that can be given by name, the nearest folder winning."""
    found: dict[str, Path] = {}
    for folder in search_space_folders():
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_") and path.is_file():
                found.setdefault(path.stem, path)
    return found


class NoStudy(StudyError):
    """A module that can be loaded and defines no STUDY."""


def load_all(given: Iterable[str]) -> dict[str, Study]:
    """The studies of files and names, by how they are given, each file once.

    Of several, as of `study tune folder/*.py`, modules without a study are passed over, which stderr says. Raises
    StudyError as `load` does, and where none of them is a study.
    """
    first_given: dict[Path, str] = {}
    for file_or_name in given:
        first_given.setdefault(_find(file_or_name).resolve(), file_or_name)
    found, without = dict[str, Study](), list[NoStudy]()
    for file_or_name in first_given.values():
        try:
            found[file_or_name] = load(file_or_name)
        except NoStudy as module:
            without.append(module)
    if without and not found:
        raise without[0]
    for error in without:
        say(f"passed over: {error.mistakes[0]}", err=True)
    return found


def load(file_or_name: str | Path) -> Study:
    """The study in this file, or of this name.

    Raises StudyError if there is no such file, it is not Python, it raises, it does not end within
    LOAD_SECONDS (or STUDY_LOAD_SECONDS), or it defines no STUDY.
    """
    path = _find(str(file_or_name))
    try:
        path.open("rb").close()
        check_names()
        add_folder(path.parent)
        # What a study file prints must not mix with the data on stdout; where it goes is no concern of ours.
        with contextlib.redirect_stdout(sys.stderr), contextlib.chdir("."), _time_limit():
            namespace = vars(_run(path))
    except KeyboardInterrupt:
        raise
    except StudyError as error:
        raise StudyError(*(f"{path}: {mistake}" for mistake in error.mistakes)) from None
    except BaseException as error:
        if isinstance(error, SyntaxError) and error.filename in (str(path), None):
            line = f":{error.lineno}" if error.lineno else ""
            raise StudyError(f"{path}{line}: not valid Python: {error.msg}") from None
        if isinstance(error, OSError) and not _line_of(path, error):
            raise StudyError(f"{path} can't be read: {error.strerror or error}") from None
        where = f"{path}:{_line_of(path, error) or '?'}"
        if isinstance(error, TimeLimit):
            raise StudyError(
                f"{where}: the study file does not end within {error} s.",
                "It should declare a study, not run one; STUDY_LOAD_SECONDS=N gives it N seconds.",
            ) from None
        raise StudyError(
            f"{where}: the study file raised {last_line(error)}",
            "Run it with python to see the whole traceback.",
        ) from None
    study = namespace.get("STUDY")
    if not isinstance(study, Study):
        found = "has no STUDY" if study is None else f"has a STUDY that is a {type(study).__name__}"
        raise NoStudy(f"{path} {found}.", "A study file defines STUDY = Study(title=..., ...).")
    return study.called(path.stem, question(namespace.get("__doc__")), str(file_or_name))


def _run(path: Path) -> ModuleType:
    """The module of a study file; loaded again, a new one. A class in it is found by its name where it is hashed."""
    name = f"{STUDY_FILE}.{path.stem}"
    source = path.read_bytes()
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=str(path))
    loaded_from(module, source)
    sys.modules[name] = module
    exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    return module


def _line_of(path: Path, error: BaseException) -> int | None:
    """The last line of the study file that was run before the error."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return next((frame.lineno for frame in frames if frame.filename == str(path)), None)


def _time_limit() -> contextlib.AbstractContextManager[None]:
    text = os.environ.get("STUDY_LOAD_SECONDS", LOAD_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 1e6:
        raise StudyError(f"STUDY_LOAD_SECONDS={text}: give a number of seconds, such as {LOAD_SECONDS:g}")
    return time_limit(seconds, f"{seconds:g}")


def _find(file_or_name: str) -> Path:
    path = expanded(file_or_name)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror}") from None
    names = {} if path.exists() and path.suffix == ".py" else available()
    if file_or_name in names:
        return names[file_or_name]
    if file_or_name == path.name and path.suffix != ".py" and not path.exists():
        raise StudyError(
            f"There is no study {file_or_name!r}{did_you_mean(file_or_name, names)}.",
            "`study list` shows those that can be given by name; a path to a file works too.",
        )
    if not path.exists():
        raise StudyError(f"There is no file {path}.", "Give a study file or one of `study list`'s names.")
    if not path.is_file() or path.suffix != ".py":
        kind = "a folder" if path.is_dir() else "not a Python file"
        raise StudyError(f"{path} is {kind}.", "Give a study file, such as search_spaces/network_width.py.")
    return path


def question(docstring: str | None) -> str:
    """The question of a study: the first line of the file's docstring without its `Figure 10:`."""
    first = (docstring or "").strip().split("\n")[0]
    asked = re.sub(r"^Figure \d+:\s*", "", first)
    return asked[:1].upper() + asked[1:]
