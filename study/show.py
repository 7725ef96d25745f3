"""What the commands print on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from study.plan import Plan
    from study.store import TrialStore


def plan(made: Plan, json_wanted: bool, machine: dict[str, float]) -> None:
    counts = {
        "studies": len(made.records),
        "arms": sum(len(record["arms"]) for record in made.records),
        "arms_x_seeds": made.occurrences,
        "distinct_trials": len(made.trials),
        "stored": len(made.stored),
        "to_continue": len(made.interrupted),
        "to_train": len(made.pending),
        **machine,
    }
    if json_wanted:
        as_json(
            {
                **counts,
                "pending": [
                    {"study": t.study, "arm": t.arm, "seed": t.config.seed, "key": t.key}
                    for t in made.pending
                ],
            }
        )
        return
    table(["plan", ""], [[name.replace("_", " "), f"{value:g}"] for name, value in counts.items()])


def results(store: TrialStore, names: list[str], json_wanted: bool) -> None:
    from study import api

    shown = []
    for name in names:
        made = api.artifacts(store, name)
        if made is None:
            continue
        record = store.study(name)
        if json_wanted:
            shown.append({"study": name, "arms": json.loads(made.table.to_json(orient="records")),
                          "csv": str(made.csv), "figures": [str(path) for path in made.figures]})  # fmt: skip
            continue
        from analysis.tables import as_shown

        text = as_shown(made.table, record["varies"].replace("_", " "))
        table(list(text.columns), text.to_numpy().tolist(), title=record["title"])
        dataset = record["fixed"].get("dataset", "mnist")
        note = "± is half the 95 % interval of the mean over n seeds."
        if dataset != "mnist" and made.table.published.notna().any():
            note += f" The published values are for mnist, ours here for {dataset}."
        typer.echo(note)
        typer.echo(f"table   {made.csv}")
        for path in made.figures:
            typer.echo(f"figure  {path}")
    if json_wanted:
        as_json(shown)


def table(columns: list[str], rows: list[list[str]], title: str | None = None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, pad_edge=False, header_style="bold", title=title, title_justify="left", title_style="bold"
    )
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right" if _numeric(rows, i) else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A pipe has no width of its own: nothing is cut there.
    console = Console()
    if not console.is_terminal:
        console.width = 200
    console.print(table)


def _numeric(rows: list[list[str]], column: int) -> bool:
    return all(row[column].replace(" ± ", "").replace(".", "").isdigit() or not row[column] for row in rows)


def as_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))
