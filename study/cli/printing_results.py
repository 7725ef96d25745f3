"""What the commands print of results: a study's table, verdicts on its claims, comparisons."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from study.cli.printing import as_json, table
from study.terminal import say

if TYPE_CHECKING:
    import pandas as pd

    from analysis.inference import Setting
    from analysis.judging import Comparison, Verdict
    from study.metric import Metric
    from study.store.trial_store import TrialStore
VERDICTS = ("reproduced", "contradicted", "undecided")


def results(store: TrialStore, names: list[str], json_wanted: bool) -> None:
    from study import api

    shown = []
    for name in names:
        made = api.artifacts(store, name)
        for problem in made.problems if made else ():
            say(f"skipped: {problem}", err=True)
            say("  remove it to have that trial trained again", err=True)
        if made is None:
            continue
        record = store.study(name)
        if json_wanted:
            shown.append({"study": name, "arms": json.loads(made.table.to_json(orient="records")),
                          "csv": str(made.csv), "figures": [str(path) for path in made.figures]})  # fmt: skip
            continue
        from study.analysis.shown import as_shown, other_data

        text = as_shown(made.table, record)
        table(list(text.columns), text.to_numpy().tolist(), title=record["title"])
        explained = (
            ["± is half the 95 % interval of the mean over n seeds."] if (made.table.n > 1).any() else []
        )
        if said := " ".join([*explained, *other_data(record)]):
            say(said)
        say(f"table   {made.csv}")
        for path in made.figures:
            say(f"figure  {path}")
    if json_wanted:
        as_json(shown)


def all_verdicts(store: TrialStore, names: list[str]) -> None:
    """The verdicts on the claims of these studies, where they make any."""
    from study.analysis import claims
    from study.analysis.results import load

    results = load(store, names)
    found = [verdict for name in results.studies for verdict in claims.verdicts(results, name)]
    if found:
        verdicts(found, False)


def verdicts(found: Sequence[Verdict], json_wanted: bool) -> None:
    """Each claim's verdict with the numbers behind it, in the metric's unit; then how many of each."""
    from study.analysis.words import explained

    if json_wanted:
        as_json(
            [
                {
                    "study": verdict.study,
                    "verdict": verdict.verdict,
                    "kind": verdict.claim.kind,
                    "metric": verdict.claim.metric,
                    "measure": verdict.claim.measure,
                    "sentence": verdict.claim.sentence,
                    "explained": explained(verdict),
                    "outlook": verdict.outlook,
                    "comparisons": [_plain(one) for one in verdict.comparisons],
                    "beside": [_plain(one) for one in verdict.beside],
                }
                for verdict in found
            ]
        )
        return
    for verdict in found:
        say(f"{verdict.verdict:<12}  {verdict.study}: {verdict.claim.sentence}")
        for comparison in verdict.comparisons:
            say(f"{'':<14}{comparison}")
        for comparison in verdict.beside:
            say(f"{'':<14}  {comparison}")
        say(f"{'':<14}{explained(verdict)}")
    counts = {kind: sum(verdict.verdict == kind for verdict in found) for kind in VERDICTS}
    say(
        f"{len(found)} claim{'s' * (len(found) != 1)}: "
        + ", ".join(f"{n} {kind}" for kind, n in counts.items())
    )


def _plain(comparison: Comparison) -> dict[str, object]:
    return {name: _json_number(value) for name, value in vars(comparison).items()}


def _json_number(value: object) -> object:
    """The value; None where JSON has no such number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def other_data(studies: Mapping[str, dict[str, Any]]) -> None:
    """Which of these studies, by name with their records, were run on other data than what was published for them."""
    from study.analysis import shown

    for name, record in studies.items():
        for note in shown.other_data(record):
            say(f"{name}: {note}")


def settings(found: Sequence[Setting], metrics: Mapping[str, Metric], json_wanted: bool) -> None:
    """The settings that published values may come from, a line for each value."""
    from study.analysis import inference

    if json_wanted:
        as_json([_plain_setting(one) for one in found])
        return
    text = inference.shown(found, {name: metric.title for name, metric in metrics.items()})
    table(list(text.columns), text.to_numpy().tolist())
    say(
        "p: how often another run of the setting would be as far from ours. posterior: of the settings here, which "
        "were equally likely before."
    )


def _plain_setting(setting: Setting) -> dict[str, object]:
    plain = {name: _json_number(value) for name, value in asdict(setting).items()}
    values = [{**asdict(one), "p": one.p} for one in setting.published]
    return {
        **plain,
        "published": [{name: _json_number(value) for name, value in of.items()} for of in values],
    }


def comparison(tables: Mapping[tuple[str, str], pd.DataFrame], a: str, b: str, json_wanted: bool) -> None:
    """For each pair of studies their arms side by side, and b - a in the metric's unit."""
    from study.analysis.shown import about_compared, as_compared

    if json_wanted:
        as_json(
            [
                {"a": pair[0], "b": pair[1], "arms": json.loads(sides.to_json(orient="records"))}
                for pair, sides in tables.items()
            ]
        )
        return
    for pair, sides in tables.items():
        name = pair[0] if pair[0] == pair[1] else f"{pair[0]} and {pair[1]}"
        text = as_compared(sides, a, b)
        table(list(text.columns), text.to_numpy().tolist(), name)
        for line in about_compared(sides):
            say(line)
