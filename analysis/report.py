"""The report of a storage, as far as its trials are finished: index.html, report.md, tables and figures.

    summary.csv, .md, .tex              all arms of all studies
    trials.csv, timings.csv             all trials, and how long each took
    tables/<study>.csv, .md, .tex       a study's table
    figures/<study>.svg, .png, .pdf     its curves
    figures/effects/<study>.svg, ...    its arms
    figures/search/<study>.svg, ...     how a search found its best; and points/, parallel/: what it tried
    tables/search/<study>.csv           what the best points of a search came to with other seeds

In tables/ and figures/ files are called by studies alone, so that no study can have the name of another file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from upath import UPath

from study.errors import StudyError
from study.paths import expanded
from study.store.files import Files
from study.terminal import plain

from . import figures, pages, search_figures, summary, tables
from .interactive import Shown, all_are_drawn, curves, plotly_js
from .results import Results
from .sections import Section, in_order, section

FIGURE_KINDS = ("png", "svg", "pdf")
# Of the page, one after the other.
OWN_SCRIPTS = ("plot.js", "report.js")
# What differs each time that the same trial is trained; all other tables are the same then.
DIFFERS = ["training_seconds", "rate", "started"]


def write(
    results: Results, out: Path, studies: Iterable[str] | None = None, interactive: bool = True
) -> Path:
    """Write the report of these studies (all of the storage, in the order of their figures) into `out`.

    Gives the path of index.html, which is one self-contained file. Where plotly is installed and `interactive` is
    wanted, it holds plotly.js, 5 MB, and curves can be zoomed and asked where a browser runs scripts.
    """
    out = expanded(out)
    if out.is_symlink():
        raise StudyError(
            f"{out} is a link, which is not followed.", f"Give its target: --out {out.resolve()}"
        )
    out.mkdir(parents=True, exist_ok=True)
    files = Files(UPath(out.absolute()))
    files.remove_temporary("tables")
    plotly = plotly_js() if interactive else None
    names = in_order(results, studies)
    sections = [_with_files(results, section(results, name), files, plotly is not None) for name in names]
    whole = pd.concat(
        [one.table.assign(study=one.name, figure=one.record["figure"]) for one in sections],
        ignore_index=True,
    )
    all_arms = summary.table(sections)
    _save_table(whole, all_arms, files, "summary")
    trials = results.trials.sort_values("key")
    files.write("trials.csv", tables.csv(trials.drop(columns=DIFFERS)))
    files.write("timings.csv", tables.csv(trials[["key", *DIFFERS]]))
    said = {
        "sections": sections,
        "summary": summary.counted(results, sections),
        "summary_table": all_arms,
        "made_with": summary.made_with(results.trials),
        "problems": list(dict.fromkeys(map(plain, results.problems))),  # they name files, however called
        "markdown": tables.markdown,
    }
    if plotly is not None:
        own = "".join((pages.TEMPLATES / name).read_text(encoding="utf-8") for name in OWN_SCRIPTS)
        (said["plotly"], said["script"]), said["allowed"] = pages.scripts(plotly.read_text("utf-8"), own)
    for template, path in (("report.html", "index.html"), ("report.md", "report.md")):
        files.write(path, pages.rendered(template, said).encode())
    return out / "index.html"


def _with_files(results: Results, one: Section, files: Files, with_plots: bool) -> Section:
    """The section with its figures, once its table and figures are written."""
    if one.shown is None:
        return one
    _save_table(one.table, one.shown, files, f"tables/{one.name}")
    drawn = {
        f"figures/{one.name}": figures.draw_training_curves(results, one.name),
        f"figures/effects/{one.name}": figures.draw_effects(results, one.name),
    }
    if one.search:
        table = pd.concat([each.assign(metric=name) for name, each in one.search.tables.items()])
        files.write(f"tables/search/{one.name}.csv", tables.csv(table))
        drawn |= {
            f"figures/search/{one.name}": search_figures.draw_progress(results, one.name),
            f"figures/points/{one.name}": search_figures.draw_points(results, one.name),
            f"figures/parallel/{one.name}": search_figures.draw_parallel(results, one.name),
        }
    made = {path: figures.save(figure, files, path, FIGURE_KINDS) for path, figure in drawn.items()}
    found = replace(one, figures={path: pages.inline(kinds["svg"]) for path, kinds in made.items()})
    if with_plots and all_are_drawn(results, one.name):
        found.plots[f"figures/{one.name}"] = curves(results, one.name, Shown(), {})
    return found


def _save_table(full: pd.DataFrame, text: pd.DataFrame, files: Files, path: str) -> None:
    """A table with all its digits, and as it is shown in two languages."""
    files.write(f"{path}.csv", tables.csv(full))
    files.write(f"{path}.md", (tables.markdown(text) + "\n").encode())
    files.write(f"{path}.tex", tables.latex(text).encode())
