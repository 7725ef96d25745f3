"""`study new`: a study file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from study.declare.loading import SHIPPED
from study.errors import StudyError

Kind = Literal["class", "function", "script"]
TEMPLATES = Path(__file__).with_name("templates")


def write(name: str, kind: Kind, folder: Path) -> list[Path]:
    """Write NAME.py, and for a script NAME_train.py, into the folder; their paths.

    Raises StudyError where one is there already, or the name is none of a Python file.
    """
    stem = name.removesuffix(".py")
    if not stem.isidentifier():
        raise StudyError(f"{name!r} is no name for a study file: use letters, digits and underscores")
    if (SHIPPED / f"{stem}.py").exists():
        raise StudyError(f"{stem!r} is the name of a study that comes with study.", "Give another name.")
    texts = {
        folder / f"{stem}.py": (TEMPLATES / f"{kind}.py").read_text(encoding="utf-8").replace("NAME", stem)
    }
    if kind == "script":
        texts[folder / f"{stem}_train.py"] = (TEMPLATES / "script_train.py").read_text(encoding="utf-8")
    for path in texts:
        if path.exists():
            raise StudyError(f"{path} is there already.", "Give another name, or remove it.")
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return [*texts]
