"""What people see of a study's table: columns of text, and what a reader must know of the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from study.metric import Metric

from .digits import Digits, digits_of, digits_of_counts
from .results import metrics_of

# Columns of metrics and of facts that a page has room for; the CSV file has all.
MOST_METRICS, MOST_FACTS = 30, 20

Record = dict[str, Any]
Columns = Iterable[tuple[str, list[str]]]


def as_shown(table: pd.DataFrame, record: Record) -> pd.DataFrame:
    """The columns for a terminal, as text: `96.52 ± 0.31`, empty where there is nothing to say.

    `table` is what `tables.arm_table` gives; `record` is the study's.
    """
    return _named([*_first_columns(table, record), *_published(table, record)])


def as_reported(table: pd.DataFrame, differences: pd.DataFrame, record: Record) -> pd.DataFrame:
    """The columns of a report, as text: all metrics that were measured, and the differences from the reference arm.

    `differences` is what `comparison.from_reference` gives.
    """
    columns = [*_first_columns(table, record), *_other_metrics(table, record)]
    if len(table) > 1:
        columns += _differences(differences, metrics_of(record)[0], record["reference"])
    columns += _published(table, record, with_differences=True)
    used_as_cases = {metric.cases for metric in metrics_of(record)}
    facts = [name for name in map(str, table) if name.startswith("facts.") and name[6:] not in used_as_cases]
    for name in facts[:MOST_FACTS]:
        columns.append((name[6:].replace("_", " "), digits_of_counts(table[name]).texts(table[name])))
    # A column in which there is nothing to say is left out.
    return _named((title, cells) for title, cells in columns if any(cells))


def digits_of_metric(table: pd.DataFrame, metric: Metric) -> Digits:
    """Those of the metric's column."""
    return digits_of(metric.unit, table[metric.name], table[f"{metric.name}_half_width"])


def with_intervals(table: pd.DataFrame, metric: Metric) -> list[str]:
    """The metric of each arm with its interval."""
    return digits_of_metric(table, metric).with_intervals(
        table[metric.name], table[f"{metric.name}_half_width"]
    )


def published_title(metric: Metric) -> str:
    """`published, %`"""
    return f"published, {metric.unit}" if metric.unit else "published"


def _first_columns(table: pd.DataFrame, record: Record) -> list[tuple[str, list[str]]]:
    first = metrics_of(record)[0]
    columns = [(record["varies"].replace("_", " "), table.arm.tolist())]
    if (table.tuned != "").any():
        columns.append(("tuned", table.tuned.tolist()))
    columns += [(first.title, with_intervals(table, first)), ("n", table.n.astype(str).tolist())]
    for count in ("diverged", "stopped", "pending"):
        if table[count].any():
            columns.append((count, table[count].astype(str).replace("0", "").tolist()))
    return columns


def _other_metrics(table: pd.DataFrame, record: Record) -> Columns:
    metrics = metrics_of(record)
    for metric in metrics[1:MOST_METRICS]:
        whole = table.get(metric.of)
        if whole is not None and whole.equals(table[metric.name].rename(metric.of)):
            continue  # the best value of each series was its last
        if metric.optional and (table[metric.name].fillna(0) == 0).all():
            continue  # it never happened
        yield metric.title, with_intervals(table, metric)
        if metric.counts == "best":
            steps = digits_of_counts(table[f"{metric.name}_step"])
            yield (
                f"{metric.label or metric.name.replace('_', ' ')}, step",
                steps.texts(table[f"{metric.name}_step"]),
            )


def _differences(differences: pd.DataFrame, metric: Metric, reference: str) -> Columns:
    yield f"difference from {reference}", difference_texts(differences, metric.unit)
    yield "p (Holm)", p_values(differences.p_holm)
    needed = zip(differences.seeds_from, differences.seeds_to, strict=True)
    yield "seeds to decide", [_from_to(*both) for both in needed]


def difference_texts(differences: pd.DataFrame, unit: str) -> list[str]:
    """The differences with their intervals, from the columns that `comparison` gives; in points where the unit is %."""
    low, high = differences.difference_low, differences.difference_high
    digits = digits_of(unit, differences.difference, (high - low) / 2)
    return [digits.with_ends(*one) for one in zip(differences.difference, low, high, strict=True)]


def as_found(found: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """What the best points of a search came to, as text, from what `searching.honest` gives."""
    unit = "points" if metric.unit == "%" else metric.unit
    width = (found.gain_high - found.gain_low) / 2
    values = digits_of(metric.unit, [*found.in_search, *found.with_others], found.half_width)
    gains = digits_of(unit, [*found.gain, *found.gain_in_search, *found.luck], width)
    ranges = zip(found.gain, found.gain_low, found.gain_high, strict=True)
    means = zip(found.with_others, found.half_width, strict=True)
    return pd.DataFrame(
        {
            "arm": found.arm,
            "hyperparameters": found.point,
            "in the search": values.texts(found.in_search),
            "with other seeds": [values.with_interval(*one) for one in means],
            "n": found.n.astype(str),
            f"gain over {found.arm.iloc[0]} in the search": gains.texts(found.gain_in_search, sign=True),
            "with other seeds, paired": [gains.with_ends(*one) for one in ranges],
            "of it luck": gains.texts(found.luck, sign=True),
        }
    )


def as_compared(sides: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Two studies side by side as text, called `a` and `b`, from what `comparison.side_by_side` gives."""
    unit = sides.unit.iloc[0]
    means = digits_of(unit, [*sides.a, *sides.b], (sides.difference_high - sides.difference_low) / 2)
    with_n = {
        f"{side.upper()}: {name} (n)": [
            f"{text} ({n})" if n else ""
            for text, n in zip(means.texts(sides[side]), sides[f"n_{side}"], strict=True)
        ]
        for side, name in (("a", a), ("b", b))
    }
    more = {"B − A": difference_texts(sides, unit), "p (Holm)": p_values(sides.p_holm)}
    return pd.DataFrame({"arm": sides.arm, **with_n, **more})


def about_compared(sides: pd.DataFrame) -> list[str]:
    """What a reader must know of such a table."""
    points = " in points" if sides.unit.iloc[0] == "%" else ""
    seeds = "over the seeds that both have, with its interval, at any number of seeds."
    said = [f"{sides.title.iloc[0]}; B − A{points} {seeds}"]
    if apart := [arm for arm, pairs in zip(sides.arm, sides.pairs, strict=True) if not pairs]:
        said.append(f"No seed to pair, finished in both and without a diverged one: {', '.join(apart)}.")
    return said


def _from_to(fewest: float, most: float) -> str:
    """`8 to 25`, empty where there is no telling."""
    if math.isnan(fewest):
        return ""
    return f"{fewest:.0f} to {'more than 1,000' if math.isinf(most) else f'{most:,.0f}'}"


def _published(table: pd.DataFrame, record: Record, with_differences: bool = False) -> Columns:
    if table.published.notna().any():
        first = metrics_of(record)[0]
        digits = digits_of_metric(table, first)
        yield published_title(first), digits.texts(table.published)
        if with_differences:
            yield "published − ours", digits.texts(table.published_minus_ours, sign=True)


def p_values(values: Iterable[float]) -> list[str]:
    """As text, empty where NaN."""
    return ["" if math.isnan(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001" for p in values]


def _named(columns: Columns) -> pd.DataFrame:
    """The columns as a table; of two of one name the second says so."""
    named: dict[str, list[str]] = {}
    for title, cells in columns:
        place, unique = 1, title
        while unique in named:
            place += 1
            unique = f"{title} ({place})"
        named[unique] = cells
    return pd.DataFrame(named)


def notes(table: pd.DataFrame, record: Record) -> list[str]:
    """What a reader must know of the numbers."""
    said, first = [], metrics_of(record)[0]
    if (table.n > 1).any():
        said.append("± is half the 95 % interval of the mean over n seeds (t distribution).")
    if (table.n == 1).any():
        alone = "One seed has no interval and no p-value: nothing is known of the spread over seeds."
        error = table.case_error[table.n == 1].max()
        if not math.isnan(error):
            points = digits_of(first.unit, [error]).text(error) + (" points" if first.unit == "%" else "")
            cases = first.cases.replace("_", " ")
            alone += f" The number of {cases} alone leaves a binomial standard error of up to {points}."
        said.append(alone)
    if record.get("search") and (table.n > 0).any():
        said.append("Seed 0 searched for these arms; n counts the others, which took no part in the search.")
    if (table.tuned != "").any():
        said.append(
            "Tuned hyperparameters are chosen by every third seed, from seed 0; n counts the others, which tell."
        )
    if table.diverged.any():
        said.append("Diverged seeds are not part of an arm's mean; such an arm has no difference and no p.")
    if table.stopped.any():
        said.append("An arm with a seed stopped early has no mean: what is left is no fair sample of it.")
    return said


def other_data(record: Record) -> list[str]:
    """A note where a study of published values was run on other data than theirs."""
    ours, theirs = record["data"], record["published_for"]
    if ours == theirs or not record["published"]:
        return []
    return [
        f"The published values are for {_named_data(theirs, ours)}, ours here for {_named_data(ours, theirs)}."
    ]


def _named_data(settings: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What tells these data from the other: the value where it is one, else each with its name."""
    telling = {name: value for name, value in settings.items() if other.get(name) != value}
    if len(telling) == 1 and len(settings) == 1:
        return str(next(iter(telling.values())))
    return ", ".join(f"{name} = {value}" for name, value in telling.items()) or "other data"
