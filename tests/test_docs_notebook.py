"""The notebook of the docs does what it says, and shows what it showed when it was written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from run_notebook import executed, html_of

NOTEBOOK = Path(__file__).parents[1] / "docs/notebook.ipynb"


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook of the docs, executed in an empty folder."""
    return executed(NOTEBOOK, tmp_path_factory.mktemp("docs"))


def test_the_notebook_of_the_docs_shows_tables_figures_verdicts_and_no_warning(docs: Any) -> None:
    cells = [cell for cell in docs.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"display_data", "execute_result"}
    first, more, loaded = (cells[place].outputs[-1].data["text/html"] for place in (1, 2, 4))
    for page, seeds, figures in ((first, 2, 1), (more, 6, 1), (loaded, 6, 2)):
        assert len(re.findall(rf"<td>[\d.]+ ± [\d.]+</td><td>{seeds}</td>", page)) == 3
        assert page.count("data:image/svg+xml;base64,") == figures
        assert re.search("<b>(undecided|reproduced|contradicted)</b> A higher learning rate", page)
    assert "18 trials: 6 stored, 12 to train" in html_of(cells[2].outputs)[0]
    assert html_of(cells[2].outputs)[1].endswith("12/12 trials")
    assert "difference from 0.1" in loaded
    assert "mean" in cells[3].outputs[0].data["text/html"]


def test_the_notebook_stands_in_the_docs_with_its_outputs(docs: Any) -> None:
    """After a change of its cells or of what they show: make notebook."""
    stored = nbformat.read(NOTEBOOK, as_version=4)
    for there, here in zip(stored.cells, docs.cells, strict=True):
        assert there.source == here.source
        shown = [
            [sorted(output.get("data", {})) for output in cell.get("outputs", [])] for cell in (there, here)
        ]
        assert shown[0] == shown[1]
        for target in re.findall(r"\]\(([^)#]+)\)", there.source if there.cell_type == "markdown" else ""):
            assert (NOTEBOOK.parent / target).exists(), target
