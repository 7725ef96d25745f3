"""Runs a notebook in an empty folder and a new kernel; as a program it writes it back with its outputs.

Example: `python tests/run_notebook.py docs/notebook.ipynb`
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

CELL_SECONDS = 900
# Of what a kernel says of itself: no version, which would differ with each Python.
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}


def client_of(notebook: Any, folder: Path, **more: Any) -> NotebookClient:
    """A client that runs a notebook's cells in this folder."""
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        record_timing=False,
        resources=resources,
        kernel_name="python3",
        **more,
    )


def environment(folder: Path) -> dict[str, str]:
    """A kernel's environment: neither IPython's nor Jupyter's settings of whoever runs it, no storage but the usual."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("STUDY_")}
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    return {**ours, **{name: str(folder / name.lower()) for name in names}}


def executed(path: Path, folder: Path) -> Any:
    """The notebook with the outputs of this run. Raises nbclient's CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    work = folder / "work"
    work.mkdir()
    client_of(notebook, work).execute(env=environment(folder))
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def html_of(outputs: list[Any]) -> list[str]:
    """The text of each output that is HTML, without its elements."""
    pages = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    return [re.sub(r"<style>.*?</style>|<[^>]*>", "", page, flags=re.DOTALL).strip() for page in pages]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        nbformat.write(executed(Path(sys.argv[1]), Path(empty)), sys.argv[1])
