"""Finding and loading study files, by path or by name.

A study file is Python and runs when it is loaded: load only files that you would run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import runpy
import sys
import traceback
from pathlib import Path

from study.config import StudyError, did_you_mean
from study.plugins import add_folder
from study.spec import Study


def search_space_folders() -> list[Path]:
    """Where a study is looked for by name: ./search_spaces first, then the studies shipped with us."""
    folders = [Path("search_spaces")]
    shipped = importlib.util.find_spec("search_spaces")
    if shipped is not None and shipped.submodule_search_locations:
        folders += [Path(folder) for folder in shipped.submodule_search_locations]
    return [folder for folder in folders if folder.is_dir()]


def available() -> dict[str, Path]:
    """Every study that can be given by name, the nearest folder winning."""
    found: dict[str, Path] = {}
    for folder in search_space_folders():
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                found.setdefault(path.stem, path)
    return found


def load(file_or_name: str | Path) -> Study:
    """The study in this file, or of this name.

    Raises StudyError if there is no such file, it is not Python, it raises, or it defines no STUDY.
    """
    path = _find(str(file_or_name))
    try:
        add_folder(path.parent)
        # What a study file prints must not mix with the data on stdout.
        with contextlib.redirect_stdout(sys.stderr):
            namespace = runpy.run_path(str(path))
    except StudyError as error:
        raise StudyError(*(f"{path}: {mistake}" for mistake in error.mistakes)) from None
    except SyntaxError as error:
        raise StudyError(f"{path}:{error.lineno}: not valid Python: {error.msg}") from None
    except (Exception, SystemExit) as error:
        line = next(
            (frame.lineno for frame in reversed(traceback.extract_tb(error.__traceback__))
             if frame.filename == str(path)),
            "?",
        )  # fmt: skip
        raise StudyError(
            f"{path}:{line}: the study file raised {type(error).__name__}: {error}",
            "Run it with python to see the whole traceback.",
        ) from None
    study = namespace.get("STUDY")
    if not isinstance(study, Study):
        found = "has no STUDY" if study is None else f"has a STUDY that is a {type(study).__name__}"
        raise StudyError(f"{path} {found}.", "A study file defines STUDY = Study(title=..., ...).")
    return study.called(path.stem, _question(namespace.get("__doc__")), str(file_or_name))


def _find(file_or_name: str) -> Path:
    path = Path(file_or_name)
    names = {} if path.exists() and path.suffix == ".py" else available()
    if file_or_name in names:
        return names[file_or_name]
    if re.fullmatch(r"[\w-]+", file_or_name) and not path.exists():
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


def _question(docstring: str | None) -> str:
    """The first line of the file's docstring without its `Figure 10:`."""
    first = (docstring or "").strip().split("\n")[0]
    question = re.sub(r"^Figure \d+:\s*", "", first)
    return question[:1].upper() + question[1:]
