"""Tests that are skipped for want of a tool say what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_what_is_missing_is_said_in_one_line() -> None:
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "latex_tables_compile",
        "tests/test_report.py",
    ]
    environment = {**os.environ, "PATH": "/nowhere"}
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("For tests that were skipped: ")]
    assert "texlive-latex-base" in line
    assert done.returncode == 0
