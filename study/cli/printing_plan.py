"""What the commands print of a plan: its arms, its trials, how long they take and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from study.cli.printing import as_json, table
from study.terminal import rough_duration, say

if TYPE_CHECKING:
    from study.plan import Plan
    from study.running.outlook import Outlook
    from study.running.preview import Preview
    from study.running.resources import Node, Resources
    from study.training import Cost

# Of the trials of which it is not known how long they take, so many are named.
NAMED = 3


def plan(
    made: Plan,
    json_wanted: bool,
    preview: Preview | None = None,
    price_per_hour: float | None = None,
    measured: bool = False,
) -> None:
    """What would be trained and, where that was asked for, what it takes, by some steps too where these were measured.

    A price is that of a machine.
    """
    counts = {
        "studies": len(made.records),
        "arms": sum(len(record["arms"]) for record in made.records),
        "arms x seeds": made.occurrences,
        "distinct trials": len(made.trials),
        "already stored": len(made.stored),
        "stopped early": len(made.stopped),
        "to continue": len(made.interrupted),
        "to train": len(made.pending),
    }
    arms = list(_arms_of(made, preview.costs, preview.shares, preview.nodes)) if preview else []
    takes = _outlook(preview.outlook, price_per_hour) if preview else {}
    if json_wanted:
        pending = [
            {"study": trial.study, "arm": trial.arm, "seed": trial.seed, "key": trial.key}
            for trial in made.pending
        ]
        counted = {name.replace(" ", "_"): n for name, n in counts.items()}
        as_json({**counted, "arms_of": arms, **takes, "pending": pending})
        return
    if arms:
        table(
            list(arms[0]),
            [
                [f"{value:,}" if isinstance(value, int) else str(value) for value in arm.values()]
                for arm in arms
            ],
        )
        say()
    table(["plan", ""], [[name, f"{value:,}"] for name, value in counts.items()])
    if preview and made.pending:
        _print_outlook(preview, made, price_per_hour, measured)
    for record in made.records:
        if not record["continues"]:
            say(
                f"{record['name']}: {record['training']} can't be continued: a trial that is killed starts anew."
            )


def _arms_of(
    made: Plan, costs: Mapping[str, Cost], shares: Mapping[str, Resources], nodes: Sequence[Node]
) -> Iterator[dict[str, str | int | float]]:
    pending = {trial.key for trial in made.pending}
    facts = {name: _as_column(name) for cost in costs.values() for name in cost.facts}
    for record in made.records:
        for arm in record["arms"]:
            keys = [key for candidate in arm["candidates"] for key in candidate["keys"]]
            yield {
                "study": record["name"],
                "arm": arm["label"],
                **{column: costs[keys[0]].facts.get(name, "") for name, column in facts.items()},
                "CPUs": shares[keys[0]].cpus,
                "GPUs": round(shares[keys[0]].gpus, 3),
                "at once": shares[keys[0]].concurrent_on(nodes),
                "trials": len(keys),
                "to train": len(pending.intersection(keys)),
            }


OUR_COLUMNS = ("study", "arm", "CPUs", "GPUs", "at once", "trials", "to train")


def _as_column(fact: str) -> str:
    """What a training's fact is called in the table, whose own columns it can't replace."""
    name = fact.replace("_", " ")
    return f"{name} (fact)" if name in OUR_COLUMNS else name


def _outlook(outlook: Outlook, price_per_hour: float | None) -> dict[str, Any]:
    found = {"outlook": {**asdict(outlook), "unknown": len(outlook.unknown)}}
    if price_per_hour is not None:
        found["outlook"]["price"] = outlook.price(price_per_hour)
    return found


def _print_outlook(preview: Preview, made: Plan, price_per_hour: float | None, measured: bool) -> None:
    outlook = preview.outlook
    pending, rows = len(made.pending), []
    say()
    if outlook.seconds is not None and outlook.low is not None and outlook.high is not None:
        rows.append(["time", rough_duration(outlook.seconds)])
        rows.append(["at least, at most", f"{rough_duration(outlook.low)}, {rough_duration(outlook.high)}"])
    if len(outlook.unknown) < pending:
        rows.append(["core-hours", _amount(outlook.core_hours)])
        if outlook.gpu_hours:
            rows.append(["GPU-hours", _amount(outlook.gpu_hours)])
        rows.append(["disk", _bytes(outlook.disk_bytes)])
    if price_per_hour is not None and (price := outlook.price(price_per_hour)) is not None:
        rows.append([f"price, at {price_per_hour:g} an hour", _amount(price)])
    if rows:
        table(["takes", "about"], rows)
        sources = {"such trials in the storage": outlook.stored, "measured steps": outlook.measured}
        said = [f"{n:,} from {source}" for source, n in sources.items() if n]
        say(f"Known of {pending - len(outlook.unknown):,} of {pending:,} trials: {', '.join(said)}.")
    if outlook.unknown:
        names = ", ".join(made.trials[key].name for key in outlook.unknown[:NAMED])
        more = f" and {len(outlook.unknown) - NAMED:,} more" if len(outlook.unknown) > NAMED else ""
        say(f"Not known is how long it takes: {names}{more}.")
        where = "What was read of the storage in a second" if preview.known.cut_short else "The storage"
        how = "" if measured else "; --measure does some steps of each"
        say(f"{where} has no such trial of such a machine{how}.")


def _amount(value: float) -> str:
    """Two decimals, of which an estimate has no use from 100 on."""
    return "under 0.01" if 0 < value < 0.01 else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n >= size:
            return f"{n / size:.1f} {unit}" if n < 10 * size else f"{n / size:,.0f} {unit}"
    return f"{max(1, round(n / 1e3))} KB"
