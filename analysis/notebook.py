"""What a notebook shows of results by itself: of a run its studies, of a storage all that there is room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from study.terminal import plain

from . import pages, shown, summary
from .results import Results
from .sections import Section, in_order, section

if TYPE_CHECKING:  # matplotlib is imported only where a figure is drawn
    from .own_matplotlib import Figure

# With more studies than the first, a storage is summed up in one table of all arms; beyond the second, of so many.
MOST_WHOLE, MOST_SUMMED_UP = 4, 40
# Of longer lists the first ones are shown.
MOST_ROWS, MOST_PROBLEMS = 100, 10
FIGURE_WIDTH = 520

Draw = Callable[[Results, str], "Figure"]


class RunFrame(pd.DataFrame):
    """The DataFrame of a run, which a notebook shows as the studies that were run.

    What is made of it, copies and pickles too, is a plain DataFrame.
    """

    _metadata = ["_shown"]  # noqa: RUF012  (pandas reads it: an attribute, not a column)

    def __init__(self, frame: pd.DataFrame, html: str) -> None:
        super().__init__(frame)  # type: ignore[call-arg]  # the stubs know its __new__ alone
        self._shown = html

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __reduce__(self) -> tuple[Any, ...]:
        return pd.DataFrame, (pd.DataFrame(self),)

    def _repr_html_(self) -> str:
        return self._shown


def of_run(results: Results, studies: Sequence[str]) -> str:
    """HTML of studies that were just run: each with its table as `study tune` prints it, verdicts and curves."""
    from .figures import draw_training_curves

    return _page(results, studies, _of_run, {"training curves": draw_training_curves})


def of_storage(results: Results) -> str:
    """HTML of all studies, each as in a report; of many one table of all arms."""
    names = in_order(results)
    if len(names) > MOST_WHOLE:
        return _summed_up(results, names)
    from .figures import draw_effects, draw_training_curves

    drawn = {"training curves": draw_training_curves, "effects": draw_effects}
    return _page(results, names, section, drawn)


def _of_run(results: Results, study: str) -> Section:
    one = section(results, study)
    if one.shown is not None:
        one = replace(one, shown=shown.as_shown(one.table, one.record))
    return replace(one, command="")


def _page(
    results: Results,
    studies: Sequence[str],
    told: Callable[[Results, str], Section],
    drawn: Mapping[str, Draw],
) -> str:
    sections = [_bounded(told(results, name)) for name in studies[:MOST_WHOLE]]
    sections = [_with_figures(results, one, drawn) for one in sections]
    more = studies[MOST_WHOLE:]
    said = [f"Shown: the first {MOST_WHOLE} of {len(studies):,} studies."] if more else []
    if not studies:
        said = [f"No study was run in {results.store.root} yet."]
    return _filled(results, {"sections": sections, "said": said})


def _summed_up(results: Results, names: Sequence[str]) -> str:
    sections = [section(results, name) for name in names[:MOST_SUMMED_UP]]
    table = summary.table(sections)
    said = [f"The whole of one study: analysis.load({str(results.store.root)!r}, [{names[0]!r}])."]
    if len(names) > MOST_SUMMED_UP:
        said.insert(0, f"Summed up: the first {MOST_SUMMED_UP} of {len(names):,} studies.")
    if len(table) > MOST_ROWS:
        said.insert(0, _first_rows(len(table)))
    counted = summary.counted(results, sections)
    return _filled(results, {"summary": counted, "summary_table": table[:MOST_ROWS], "said": said})


def _filled(results: Results, said: dict[str, Any]) -> str:
    problems = list(dict.fromkeys(map(plain, results.problems)))  # they name files, however called
    if len(problems) > MOST_PROBLEMS:
        problems = [*problems[:MOST_PROBLEMS], f"and {len(problems) - MOST_PROBLEMS:,} more"]
    return pages.rendered("notebook.html", {"sections": [], **said, "problems": problems})


def _bounded(one: Section) -> Section:
    if one.shown is None or len(one.shown) <= MOST_ROWS:
        return one
    return replace(one, shown=one.shown[:MOST_ROWS], notes=[_first_rows(len(one.shown)), *one.notes])


def _first_rows(rows: int) -> str:
    return f"Shown: the first {MOST_ROWS} of {rows:,} arms."


def _with_figures(results: Results, one: Section, drawn: Mapping[str, Draw]) -> Section:
    if one.shown is None:
        return one
    from .figures import rendered

    made = {name: rendered(draw(results, one.name), "svg") for name, draw in drawn.items()}
    elements = {
        name: pages.as_image(svg, f"{one.heading}: {name}", FIGURE_WIDTH) for name, svg in made.items()
    }
    return replace(one, figures=elements)
