"""What a study's tables say, as DataFrames, as text for people, and as CSV, Markdown and LaTeX."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.results import Results
from analysis.statistics import binomial_error, mean_of

# The data set of the published values.
PUBLISHED_FOR = "mnist"
# Before what a spreadsheet may take for a formula: the beginning of a text, and what may separate cells.
# Japanese and Chinese ones know full-width signs too.
FORMULA = re.compile(r"(?:^\s*|[;|\t\r\n][^\S\t\r\n]*)(?=[=+\-@＝＋－＠])|^(?=[\t\r])")
# What an arm's row is computed from.
MEASURED = ("test_accuracy", "best_test_accuracy", "best_epoch", "test_top5", "test_images", "parameters",
            "training_seconds")  # fmt: skip


def arm_table(results: Results, study: str) -> pd.DataFrame:
    """One row per arm of the study, in order.

    Columns: arm; tuned (the hyperparameters that were selected, "" where none were tuned); n (finished
    seeds), diverged, stopped (early) and pending (counts, pending ones of all candidates); test_accuracy
    (mean, in percent; NaN where a seed was stopped) and half_width (of its 95 % interval over seeds, in
    points, NaN where n < 2); test_set_error (the binomial standard
    error of an accuracy measured on that many images, in points); best_test_accuracy (mean of the best
    epochs) and best_epoch (their median); top5 (mean, in percent); published (in percent, NaN where the
    report has none) and published_minus_ours (points); parameters. No durations:
    the same results give the same table.
    """
    record = results.studies[study]
    rows = []
    pending = results.pending(study)
    trials = results.comparable(study)
    # Arrays by arm: with thousands of arms, pandas would take a minute for as many small DataFrames.
    measured = {name: trials[name].to_numpy("float64", na_value=math.nan) for name in MEASURED}
    tuned, status = trials.tuned.to_numpy(object), trials.status.to_numpy(object)
    places = trials.groupby("arm", sort=False).indices
    for arm in trials.arm.unique():
        at = places[arm]
        of = {name: values[at] for name, values in measured.items()}
        ended = Counter(status[at])
        accuracy = mean_of(of["test_accuracy"] * 100)
        images = _of_known(np.max, of["test_images"])
        error = binomial_error(accuracy.mean / 100, int(images)) if accuracy.n else math.nan
        published = record["published"].get(arm, {}).get("test_accuracy", math.nan)
        rows.append(
            {
                "arm": arm,
                "tuned": tuned[at[0]],
                "n": ended["finished"],
                "diverged": ended["diverged"],
                "stopped": ended["stopped"],
                "pending": pending[arm],
                "test_accuracy": accuracy.mean,
                "half_width": accuracy.half_width,
                "test_set_error": 100 * error,
                "best_test_accuracy": _of_known(np.mean, of["best_test_accuracy"]) * 100,
                "best_epoch": _of_known(np.median, of["best_epoch"]),
                "top5": _of_known(np.mean, of["test_top5"]) * 100,
                "published": published,
                "published_minus_ours": published - accuracy.mean,
                "parameters": _of_known(np.max, of["parameters"]),
            }
        )
    floats = ("test_set_error", "best_epoch", "published", "published_minus_ours")
    return pd.DataFrame(rows).astype(dict.fromkeys(floats, "float64") | {"parameters": "Int64"})


def _of_known(reduce: Callable[[npt.NDArray[np.float64]], Any], values: npt.NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(reduce(known)) if len(known) else math.nan


def as_shown(table: pd.DataFrame, varies: str) -> pd.DataFrame:
    """The columns for a terminal, as text: `96.52 ± 0.31`, empty where there is nothing to say."""
    shown = pd.DataFrame({varies: table.arm})
    if (table.tuned != "").any():
        shown["tuned"] = table.tuned
    shown["top-1 test accuracy, %"] = [
        with_interval(mean, half_width)
        for mean, half_width in zip(table.test_accuracy, table.half_width, strict=True)
    ]
    shown["n"] = table.n.astype(str)
    for count in ("diverged", "stopped", "pending"):
        if table[count].any():
            shown[count] = table[count].astype(str).replace("0", "")
    if table.published.notna().any():
        shown["published, %"] = numbers(table.published, 2)
    return shown


def as_reported(table: pd.DataFrame, differences: pd.DataFrame, varies: str, reference: str) -> pd.DataFrame:
    """The columns of a report, as text: those of `as_shown`, and the differences from the reference arm.

    `differences` is what `comparison.from_reference` gives.
    """
    shown = as_shown(table, varies).drop(columns="published, %", errors="ignore")
    if (table.best_epoch > 1).any():
        shown["best epoch's, %"] = numbers(table.best_test_accuracy, 2)
        shown["best epoch"] = numbers(table.best_epoch, 0)
    shown["top-5, %"] = numbers(table.top5, 2)
    if len(table) > 1:
        shown[f"difference from {reference}"] = [
            with_interval(mean, half_width, sign=True)
            for mean, half_width in zip(differences.difference, differences.half_width, strict=True)
        ]
        shown["p (Holm)"] = p_values(differences.p_holm)
        shown["seeds to decide"] = [
            "" if pd.isna(seeds) else f"{seeds:,.0f}" for seeds in differences.seeds_to_decide
        ]
    if table.published.notna().any():
        shown["published, %"] = numbers(table.published, 2)
        shown["published − ours"] = signed(table.published_minus_ours)
    shown["parameters"] = ["" if pd.isna(count) else f"{count:,}" for count in table.parameters]
    # A column in which there is nothing to say is left out.
    return shown.loc[:, [name for name in shown if (shown[name] != "").any()]]


def notes(table: pd.DataFrame) -> list[str]:
    """What a reader must know of the numbers."""
    said = []
    if (table.n > 1).any():
        said.append("± is half the 95 % interval of the mean over n seeds (t distribution).")
    if (table.n == 1).any():
        error = table.test_set_error[table.n == 1].max()
        said.append(
            "One seed has no interval and no p-value: nothing is known of the spread over seeds. The test "
            f"set alone has a binomial standard error of up to {error:.2f} points."
        )
    if table.diverged.any():
        said.append("Diverged seeds are not part of an arm's mean; such an arm has no difference and no p.")
    if table.stopped.any():
        said.append("An arm with a seed stopped early has no mean: what is left is no fair sample of it.")
    return said


def other_data(record: dict[str, Any]) -> list[str]:
    """A note where a study of published values was run on another data set than theirs."""
    dataset = record["fixed"].get("dataset", PUBLISHED_FOR)
    if dataset == PUBLISHED_FOR or not record["published"]:
        return []
    return [f"The published values are for {PUBLISHED_FOR}, ours here for {dataset}."]


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


def with_interval(mean: float, half_width: float, sign: bool = False) -> str:
    """`96.52 ± 0.31`; the mean alone where there is no interval, nothing where there is no mean."""
    if pd.isna(mean):
        return ""
    text = _signed(mean) if sign else f"{mean:.2f}"
    return text if pd.isna(half_width) else f"{text} ± {half_width:.2f}"


def numbers(values: pd.Series, digits: int) -> list[str]:
    """As text, empty where NaN."""
    return ["" if pd.isna(value) else f"{value:,.{digits}f}" for value in values]


def p_values(values: pd.Series) -> list[str]:
    """As text, empty where NaN."""
    return ["" if pd.isna(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in values]


def signed(values: pd.Series) -> list[str]:
    """With their sign as text, empty where NaN."""
    return ["" if pd.isna(value) else _signed(value) for value in values]


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")


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
