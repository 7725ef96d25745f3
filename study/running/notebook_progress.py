"""What a notebook shows while trials run: one output of the cell, which is drawn anew in place.

rich's own live display would need ipywidgets, and leaves nothing in a notebook that is saved.
"""

from __future__ import annotations

import time
from typing import Any

from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from study.plan import Trial
from study.running.progress import Progress

# Of the trials that ended, the newest have a line; the table of the study has all.
MOST_LINES = 20
SECONDS_BETWEEN = 0.5
# rich has the dark red and yellow of a terminal for a notebook, whose ground may be dark. These differ by 4 to 1 or
# more from a white ground and from a black one.
LEGIBLE = Theme({"red": "#dd4038", "yellow": "#a87400"})


class NotebookProgress(Progress):
    """Follows a run in one output; notes and failures are outputs of their own, which stay."""

    def __enter__(self) -> NotebookProgress:
        from IPython.display import display  # there where there is a notebook, and no dependency of ours

        self._lines: list[Text] = []
        self._drawn_at = time.monotonic()
        self._output = display(self._drawn(self.outlook()), display_id=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.clear()
        self._draw(self.count())

    def report(self, trial: Trial, result: dict[str, Any]) -> None:
        """Draws the output anew, at most twice a second."""
        super().report(trial, result)
        if time.monotonic() >= self._drawn_at + SECONDS_BETWEEN:
            self._draw(self.outlook())

    def ended(self, line: Text) -> None:
        """Keeps the line for the output."""
        self._lines.append(line)

    def _draw(self, last: str) -> None:
        self._drawn_at = time.monotonic()
        self._output.update(self._drawn(last))

    def _drawn(self, last: str) -> Table:
        shown = Table.grid()
        if (earlier := len(self._lines) - MOST_LINES) > 0:
            shown.add_row(Text(f"... {earlier:,} more"))
        for line in self._lines[-MOST_LINES:]:
            shown.add_row(line)
        if self._running:
            shown.add_row(self.running())
        shown.add_row(Text(last, style="bold"))
        return shown
