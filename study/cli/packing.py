"""`study pack` and `study unpack`: a storage's finished trials as two files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli.options import Storage
from study.cli.stored import Names, names_of, say_left_out
from study.terminal import say

if TYPE_CHECKING:
    from study.store.packed import Packed

commands = typer.Typer()


@commands.command()
def pack(
    studies: Names = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("packed"),
    storage: Storage = None,
) -> None:
    """Write studies with their finished trials into two Parquet files, to be committed or handed on.

    `study unpack` makes a storage of them again, from which reports are made and studies go on.

    Example: `study pack network_width --out docs/data`
    """
    from study.store import packed
    from study.store.trial_store import open_store

    store = open_store(storage)
    names, unnamed = names_of(store, studies)
    _say(packed.pack(store, names, out), out, unnamed)


@commands.command()
def unpack(
    folder: Annotated[Path, typer.Argument(help="What `study pack` wrote.")], storage: Storage = None
) -> None:
    """Add what `study pack` wrote to a storage; what the storage has stays as it is.

    Example: `study unpack docs/data --storage results`
    """
    from study.store import packed
    from study.store.trial_store import open_store

    store = open_store(storage)
    store.check_writable()
    _say(packed.unpack(folder, store), store.root, [])


def _say(done: Packed, where: object, unnamed: list[str]) -> None:
    say(f"{where}: {done.studies:,} studies, {done.trials:,} trials")
    say_left_out([*unnamed, *done.left_out])
