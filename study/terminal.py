"""Text for a terminal that nobody else's label or message can steer; streams that can't be written."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import typer
from rich.text import Text

Result = TypeVar("Result")

# Exit codes; the second is what a shell says of a process that SIGPIPE ended.
UNWRITABLE, READER_GONE = 4, 141


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


def rough_duration(seconds: float) -> str:
    """No more digits than an estimate has: `25 s`, `2 min 10 s`, `12 min`, `3 h 20 min`."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 295:
        minutes, rest = divmod(10 * round(seconds / 10), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    return f"{hours} h {minutes:02} min"


class OutputLost(Exception):
    """What goes to stdout can't be written any more."""


class _Output(io.TextIOWrapper):
    """A text stream whose failures no library takes for its own: they raise OutputLost, or end nothing on stderr."""

    needed: bool

    def write(self, text: str, /) -> int:
        return self._tried(super().write, text) or 0

    def flush(self) -> None:
        self._tried(super().flush)

    def _tried(self, action: Callable[..., Result], *arguments: object) -> Result | None:
        try:
            return action(*arguments)
        except OSError as error:
            # What is still buffered would fail again at the end of the process.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if self.needed:
                raise OutputLost from error
            return None


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Ends the process quietly where the reader of stdout is gone, and with a line where its disk is full.

    The exit code is READER_GONE or UNWRITABLE then. What can't be written to stderr is lost, and ends nothing: a run
    whose progress nobody reads goes on. Characters that the encoding of a stream lacks become question marks.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            guarded = _Output(stream.buffer, stream.encoding, "replace", None, stream.line_buffering)
            guarded.needed = name == "stdout"
            setattr(sys, name, guarded)
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OutputLost as lost:
        error = lost.__cause__
        if isinstance(error, BrokenPipeError):
            sys.exit(READER_GONE)
        say(f"stdout can't be written: {getattr(error, 'strerror', None) or error}", err=True)
        sys.exit(UNWRITABLE)
