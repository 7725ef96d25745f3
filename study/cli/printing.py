"""What the commands print on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from study.terminal import plain, say, styled

# A cell of numbers: `−0.21 [−1.11, 0.42]`, `96.52 ± 0.31`, `< 0.001`, `8 to more than 1,000`, `95.28 (12)`, or none.
NUMBERS = r"(?:[-−+±<\d.,e\[\]() ]|to|more than)*"

if TYPE_CHECKING:
    from rich.table import Table


def studies(rows: list[dict[str, Any]], json_wanted: bool) -> None:
    """What can be given by name, as `listing.listed` gives it; `trials` counts one seed."""
    if json_wanted:
        as_json(rows)
        return
    shown = ("name", "figure", "question", "arms", "trials_per_seed")
    table(["study", "figure", "question", "arms", "trials per seed"], [[_cell(row[name]) for name in shown]
                                                                       for row in rows])  # fmt: skip


def _cell(value: Any) -> str:
    return "; ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def jobs(rows: list[dict[str, str]], address: str, json_wanted: bool) -> None:
    """The jobs of a cluster, as `jobs.rows` gives them."""
    if json_wanted:
        as_json(rows)
    elif rows:
        table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        say(f"No job was submitted to {address} yet.")


# rich takes 2 ms a row.
LONG = 1000


def table(columns: list[str], rows: list[list[str]], title: str | None = None) -> None:
    """Aligned columns; in a terminal, cells are wrapped to its width unless the table is a LONG one."""
    from rich.console import Console

    console = Console()
    # A pipe has no width of its own: nothing is cut or wrapped there.
    if len(rows) > LONG or not console.is_terminal:
        cells = [[plain(cell) for cell in row] for row in (columns, *rows)]
        typer.echo("\n".join(_aligned(cells[0], cells[1:], title)))
        return
    console.print(rich_table(columns, rows, title))


def rich_table(columns: list[str], rows: list[list[str]], title: str | None = None) -> Table:
    """The same for a terminal."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = None if title is None else styled(title)
    for i, column in enumerate(columns):
        table.add_column(
            styled(column), justify="left" if i == 0 else "right" if _numeric(rows, i) else "left"
        )
    for row in rows:
        table.add_row(*(styled(cell) for cell in row))
    return table


def _aligned(columns: list[str], rows: list[list[str]], title: str | None) -> Iterator[str]:
    """The lines that rich would print where there is room."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    right = [i > 0 and _numeric(rows, i) for i in range(len(columns))]
    if title:
        yield plain(title)
    for row in [columns, *rows]:
        yield "  ".join(
            " " * (width - cell_len(cell)) + cell if to_right else cell + " " * (width - cell_len(cell))
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )


def _numeric(rows: list[list[str]], column: int) -> bool:
    return all(re.fullmatch(NUMBERS, row[column]) for row in rows)


def as_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1))
