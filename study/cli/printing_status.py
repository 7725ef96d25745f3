"""How far studies are, on stdout: once, or anew as long as something may change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from study.cli import printing
from study.terminal import rough_duration, say

if TYPE_CHECKING:
    from study.store.trial_store import TrialStore

WATCH_SECONDS = 2.0
Rows = list[dict[str, Any]]


def status(rows: Rows, store: TrialStore, json_wanted: bool) -> None:
    """A row of each study and one of each running trial, as `status.statuses` gives them."""
    if json_wanted:
        printing.as_json(rows)
    elif rows:
        for place, (columns, cells) in enumerate(_tables(rows)):
            if place:
                say()
            printing.table(columns, cells)
    else:
        say(f"No study has been run in {store.root} yet.")


def watch(rows: Rows, anew: Callable[[], Rows], store: TrialStore, json_wanted: bool) -> None:
    """The same anew until every trial is finished or has failed, or Ctrl-C; without a terminal, where it changes.

    Programs get a line of JSON each time.
    """
    from rich.console import Console, Group
    from rich.live import Live

    console = Console()
    if json_wanted:
        _print_changes(rows, anew, lambda rows: say(json.dumps(rows)))
        return
    if not console.is_terminal:

        def show(rows: Rows) -> None:
            status(rows, store, json_wanted=False)
            say()

        _print_changes(rows, anew, show)
        return

    def drawn(rows: Rows) -> Group:
        tables = [printing.rich_table(*one) for one in _tables(rows)]
        return Group(*(part for table in tables for part in (table, "")))

    try:
        with Live(drawn(rows), console=console, auto_refresh=False) as live:
            while not _over(rows):
                time.sleep(WATCH_SECONDS)
                rows = anew()
                live.update(drawn(rows), refresh=True)
    except KeyboardInterrupt:
        return


def _print_changes(rows: Rows, anew: Callable[[], Rows], show: Callable[[Rows], object]) -> None:
    try:
        show(rows)
        while not _over(rows):
            time.sleep(WATCH_SECONDS)
            before, rows = rows, anew()
            if _tables(rows) != _tables(before):
                show(rows)
    except KeyboardInterrupt:
        return


def _over(rows: Rows) -> bool:
    return bool(rows) and not any(row["running"] + row["begun"] + row["missing"] for row in rows)


def _tables(rows: Rows) -> list[tuple[list[str], list[list[str]]]]:
    """Columns and cells of the studies, and of what runs."""
    if not rows:
        return []
    # Only studies that search have a best.
    columns = [name for name in max(rows, key=len) if name != "now"]
    tables = [(columns, [[str(row.get(name, "")) for name in columns] for row in rows])]
    running = [(row["study"], trial) for row in rows for trial in row["now"]]
    if running:
        cells = [
            [
                f"{study} {trial['arm']} seed {trial['seed']}",
                f"{trial['step']:,}" + (f"/{trial['steps']:,}" if trial["steps"] else ""),
                f"{trial['percent']:.0f} %" if trial["steps"] else "",
                trial["newest"],
                f"{trial['rate']:,.0f} {trial['counts']}/s",
                "" if trial["seconds_left"] is None else rough_duration(trial["seconds_left"]),
                trial["node"],
            ]
            for study, trial in running
        ]
        tables.append((["running", "step", "", "newest", "speed", "left", "node"], cells))
    return tables
