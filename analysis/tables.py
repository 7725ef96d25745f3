"""A study's table, an arm a row; and any table as the text of a CSV, Markdown or LaTeX file."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .results import Results, measured
from .statistics import half_widths

# Before what a spreadsheet may take for a formula: the beginning of a text, and what may separate cells.
# Japanese and Chinese ones know full-width signs too.
FORMULA = re.compile(r"(?:^\s*|[;|\t\r\n][^\S\t\r\n]*)(?=[=+\-@＝＋－＠])|^(?=[\t\r])")
COUNTED = {"n": "finished", "diverged": "diverged", "stopped": "stopped"}


@np.errstate(over="ignore", invalid="ignore")
def arm_table(results: Results, study: str) -> pd.DataFrame:
    """One row per arm of the study, in order.

    Columns:

    - arm; tuned: the hyperparameters that were selected, "" where none were tuned
    - n: finished seeds; diverged, stopped (early) and pending: how many trials, pending ones of all candidates
    - for each metric `<name>`: its mean over the finished seeds, NaN where a seed was stopped early;
      `<name>_half_width`: of the mean's 95 % interval, NaN below 2 seeds; and of a metric that counts as its best
      value `<name>_step`: the median of the steps of that value
    - case_error: the binomial standard error of the first metric as a share of so many cases, NaN where it is none
    - published: of the first metric, NaN where there is none; published_minus_ours
    - `facts.<name>`: the largest over the seeds

    Metrics are in their units, those in % as percentages. No durations: the same results give the same table.
    """
    metrics, trials = results.metrics(study), results.comparable(study)
    published = results.studies[study]["published"]
    first = next(iter(metrics.values()))
    arms = pd.Index(trials.arm.unique(), name="arm")
    # By columns: with thousands of arms, pandas would take a minute for as many small DataFrames.
    by_arm = trials.groupby("arm", sort=False)
    shown = pd.DataFrame({name: measured(trials, name) * metric.scale for name, metric in metrics.items()})
    seeds = shown.groupby(trials.arm, sort=False)
    means, spreads, known = seeds.mean(), seeds.std(ddof=1), seeds.count()
    columns: dict[str, Any] = {"tuned": by_arm.tuned.first()}
    for name, status in COUNTED.items():
        columns[name] = (trials.status == status).groupby(trials.arm, sort=False).sum()
    columns["pending"] = pd.Series(results.pending(study))
    for name, metric in metrics.items():
        columns[name] = means[name]
        columns[f"{name}_half_width"] = half_widths(spreads[name], known[name])
        if metric.counts == "best":
            columns[f"{name}_step"] = measured(trials, f"at.{name}").groupby(trials.arm, sort=False).median()
    facts = by_arm[[name for name in map(str, trials) if name.startswith("facts.")]].max()
    cases = measured(facts, f"facts.{first.cases}") if first.cases else pd.Series(math.nan, arms)
    columns["case_error"] = first.scale * _binomial_errors(means[first.name] / first.scale, cases)
    columns["published"] = pd.Series(
        [published.get(arm, {}).get(first.name, math.nan) for arm in arms], arms, float
    )
    columns["published_minus_ours"] = columns["published"] - means[first.name]
    return pd.concat([pd.DataFrame(columns, index=arms), facts], axis=1).reset_index()


def _binomial_errors(shares: pd.Series, cases: pd.Series) -> npt.NDArray[np.float64]:
    possible = shares.between(0, 1) & (cases > 0)
    p, n = shares.where(possible).to_numpy(float), cases.where(possible).to_numpy(float)
    errors: npt.NDArray[np.float64] = np.sqrt(p * (1 - p) / n)
    return errors


def csv(table: pd.DataFrame) -> bytes:
    """A table as CSV, with all its digits. No text in it is a formula for a spreadsheet.

    Nor is a part of one, where a spreadsheet takes semicolons or tabs for what separates cells.
    """
    texts = table.select_dtypes(exclude="number").map(_no_formula)
    return table.assign(**texts).rename(columns=_no_formula).to_csv(index=False).encode()


def markdown(shown: pd.DataFrame) -> str:
    """A table of text as Markdown; what would end a cell is escaped."""
    cells = shown.map(in_markdown).rename(columns=in_markdown)
    return cells.to_markdown(index=False, disable_numparse=True)


def latex(shown: pd.DataFrame) -> str:
    r"""A table of text as LaTeX, to be read with \input; needs \usepackage{booktabs}."""
    style = shown.style.hide(axis="index")
    style.format(_in_tex, escape="latex").format_index(_in_tex, escape="latex", axis=1)
    text = style.to_latex(hrules=True, column_format="l" + "r" * (shown.shape[1] - 1))
    return "% \\usepackage{booktabs}\n" + text


def in_markdown(text: object) -> str:
    """Text as Markdown shows it: on one line, without any HTML, link, emphasis or structure of its own."""
    shown = re.sub(r"[\\`\[\]|*~#$]", r"\\\g<0>", " ".join(str(text).splitlines()).strip())
    # An underscore within a word is one.
    shown = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\_", shown)
    shown = re.sub(r"&(?=#?\w+;)", "&amp;", shown).replace("<", "&lt;")
    # What would begin a quotation, a list or a line, or make a heading of the line above.
    shown = re.sub(r"^(?:>|[-+=](?=[\s=-]|$))", r"\\\g<0>", shown)
    shown = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", shown)
    # GitHub makes links of bare addresses. Only something between its parts keeps it from one with an @.
    shown = re.sub(r"www\.", lambda found: f"{found[0][:-1]}\\.", shown, flags=re.IGNORECASE)
    return re.sub(r"(?<=\S)@(?=\S)", "<!-- -->@", shown.replace("://", r"\://"))


def code_in_markdown(text: object) -> str:
    """Text as a span of code, whatever backticks it has."""
    line = " ".join(str(text).splitlines())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}"


def _no_formula(cell: Any) -> Any:
    """Text with an apostrophe where a spreadsheet would compute it; numbers stay numbers."""
    if not isinstance(cell, str) or not FORMULA.search(cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return FORMULA.sub(r"\g<0>'", cell)
    return cell


def _in_tex(text: object) -> str:
    # A row that begins with a bracket would be an argument of the line break before it.
    return re.sub(r"^\[", "{[}", str(text)).replace("±", r"$\pm$").replace("−", "$-$")
