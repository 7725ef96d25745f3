"""Text for a terminal that a label, a path or a message of somebody else's can't steer."""

from __future__ import annotations

import typer
from rich.text import Text


def plain(text: object, keep: str = "") -> str:
    r"""The text with all that is no printable character as its escape (`\x1b`), but for those to keep.

    A terminal takes what follows an escape character as a command: to clear, to overwrite, to answer.
    """
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in str(text))


def styled(text: object, style: str = "") -> Text:
    """The same for rich, which reads no markup in it."""
    return Text(plain(text), style)


def say(text: object = "", err: bool = False) -> None:
    """A line on stdout, or on stderr."""
    typer.echo(plain(text), err=err)
