"""The entry point: `study` and `python -m study`. What a user got wrong ends as lines on stderr."""

from __future__ import annotations

import gc
import sys
from typing import Any

import typer

from study.cli.app import INTERRUPTED, WRONG_REQUEST, app
from study.errors import StudyError
from study.paths import check_current_folder
from study.terminal import guarded_streams, plain

# Its base is what a usage mistake raises, whether Typer stands on Click or brings its own.
USAGE_ERROR: Any = typer.BadParameter.__base__
MOST_MISTAKES = 20
# New objects before Python looks for cycles among them, and rounds before it looks at older ones too. Its own 700 make
# a tenth of what a command takes, since importing Ray and pandas makes a million objects that stay.
GC_THRESHOLDS = 100_000, 20, 100


def main() -> None:
    """Entry point of the console script: turns a user's mistake into lines on stderr and exit code 2."""
    gc.set_threshold(*GC_THRESHOLDS)
    with guarded_streams():
        _run()


def _run() -> None:
    try:
        check_current_folder()
        sys.exit(app(standalone_mode=False))
    except USAGE_ERROR as error:
        command = error.ctx.command_path if error.ctx else "study"
        _say(error.format_message(), f"See `{command} --help`.")
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except StudyError as error:
        more = len(error.mistakes) - MOST_MISTAKES
        _say(*error.mistakes[:MOST_MISTAKES], *[f"... and {more:,} more mistakes"] * (more > 0))
    finally:
        gc.freeze()  # or the process takes a second more to end, looking for garbage in torch and Ray
    sys.exit(WRONG_REQUEST)


def _say(*lines: str) -> None:
    """Each on one line of stderr; what a file's name or a value holds can't fill the screen or steer it."""
    for line in lines:
        shown = plain(line)
        typer.echo(shown if len(shown) <= 1000 else f"{shown[:500]} ... {shown[-200:]}", err=True)


if __name__ == "__main__":
    main()
