"""The folder analysis beside study, under a name that no analysis.py of a user can take from it.

`study` imports `study.analysis.tables` and the like; users import the same files as `analysis.tables`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # mypy knows the folder by its first name
    from analysis import (
        claims,
        comparison,
        figures,
        hyperparameters,
        inference,
        interactive,
        interactive_search,
        notebook,
        pages,
        results,
        search_figures,
        searching,
        sections,
        shown,
        tables,
        to_mlflow,
        to_wandb,
    )

__all__ = [
    "claims",
    "comparison",
    "figures",
    "hyperparameters",
    "inference",
    "interactive",
    "interactive_search",
    "notebook",
    "pages",
    "results",
    "search_figures",
    "searching",
    "sections",
    "shown",
    "tables",
    "to_mlflow",
    "to_wandb",
]
__path__ = [str(Path(__file__).parents[1] / "analysis")]
