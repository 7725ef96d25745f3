"""The documentation's site: `make docs` builds it into build/docs, without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import study

ROOT = Path(__file__).parents[1]

# Sphinx would import them as a type checker does, which goes round in circles.
for name in study.__all__:
    getattr(study, name)

project = "study"
release = version = study.__version__
html_title = f"study {release}"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["replication/README.md", "replication/summary.md", "replication/tables"]
html_theme = "furo"
html_copy_source = html_show_sourcelink = False
# What stands in `backticks` in a docstring is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
myst_heading_anchors = 3
smartquotes = False  # or `--measure` in a sentence gets a dash
# A shell command that holds JSON is not coloured.
suppress_warnings = ["misc.highlighting_failure"]

# `name: what it is` at the start of a line, as the docstrings list arguments and fields.
ITEM = re.compile(r"([a-z_*][\w*]*(?:, [\w*]+)*): (.*)")


def as_rst(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """A docstring's lines `name: what it is` become a list, a paragraph that is indented a block of code."""
    made, code = list[str](), False
    for paragraph in "\n".join(lines).strip("\n").split("\n\n"):
        within = paragraph.split("\n")
        if within[0].startswith("    "):
            made += [] if code else ["::", ""]
        code, items = within[0].startswith("    "), ITEM.fullmatch(within[0])
        for line in within:
            match = ITEM.fullmatch(line) if items else None
            if match:
                made += ["", f"- **{match[1]}**: {match[2]}"]
            else:
                made.append(line[2:] if items and line.startswith("    ") else line)
        made.append("")
    lines[:] = made


def fields(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Of a model the names of its fields and their defaults; how a value is checked is no one's first question."""
    if not (isinstance(obj, type) and issubclass(obj, BaseModel)):
        return None
    shown = [
        name if field.is_required() else f"{name}={'...' if field.default_factory else repr(field.default)}"
        for name, field in obj.model_fields.items()
    ]
    return f"(*, {', '.join(shown)})" if shown else "()", returns


class Commands(SphinxDirective):
    """Every command of `study` with its options, as typer tells them."""

    def run(self) -> list[nodes.Node]:
        words = [sys.executable, "-m", "typer", "study.cli.app", "utils", "docs", "--name", "study"]
        told = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        _, _, below = told.partition("\n")  # the heading is the page's own
        return self.parse_text_to_nodes(below, allow_section_headings=True)


def setup(app: Sphinx) -> None:
    app.add_directive("commands", Commands)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("autodoc-process-signature", fields)
