"""The studies that can be given by name, read without running a file that did not come with us."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from study.declare.loading import SHIPPED, available, load, question
from study.errors import StudyError
from study.meaning import assigns_study

# A study file is a declaration of some kilobytes. Its syntax tree takes 700 times as much memory as the file.
MOST_BYTES = 256 * 1024


def listed() -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each study, in the order of figures and names, and what was left out, with the reason.

    Columns: name, figure, title, question, arms (labels), trials_per_seed. Of a study in ./search_spaces only
    name and question are known, from its docstring: in a folder that one was handed, listing runs nothing.
    """
    rows, left_out = [], []
    for path in available().values():
        try:
            rows.append(_loaded(path) if path.resolve().parent == SHIPPED.resolve() else _parsed(path))
        except StudyError as error:  # a helper module, or a study not yet right
            left_out.append(error.mistakes[0])
    return sorted(rows, key=lambda row: (row["figure"] or 10**6, row["name"])), left_out


def _loaded(path: Path) -> dict[str, Any]:
    study = load(path)
    arms = study.expand()
    return {
        "name": study.name,
        "figure": study.figure,
        "title": study.title,
        "question": study.question,
        "arms": [arm.label for arm in arms],
        "trials_per_seed": sum(len(arm.candidates) for arm in arms),
    }


def _parsed(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise StudyError(f"{path} has more than {MOST_BYTES:,} bytes, too many for a study file.")
        module = ast.parse(content)
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise StudyError(f"{path}: not valid Python: {error}") from None
    if not any(assigns_study(statement) for statement in module.body):
        raise StudyError(f"{path} has no STUDY.")
    unknown = dict.fromkeys(("figure", "title", "arms", "trials_per_seed"))
    return {**unknown, "name": path.stem, "question": question(ast.get_docstring(module))}
