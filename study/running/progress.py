"""What the terminal shows while trials run: one live table, or a plain line per finished trial."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.lineage import TENTHS
from study.plan import Plan, Trial
from study.running.time_left import Expected, TimeLeft
from study.terminal import rough_duration, styled


class Progress:
    """Follows a run and prints a line for each trial that ends; without a terminal, that is all.

    The time left is estimated from what is `expected`. All of it goes to `console`, which is on stderr.
    """

    def __init__(self, console: Console, plan: Plan, expected: Expected) -> None:
        self.console = console
        self._trainings, self._source = plan.trainings, plan.source
        self._expected = expected
        self._ended = 0
        self._failed = 0
        self._time_left = TimeLeft(expected)
        self._running: dict[str, tuple[Trial, dict[str, Any]]] = {}
        self._said: set[tuple[str, str]] = set()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def report(self, trial: Trial, result: dict[str, Any]) -> None:
        """A trial's newest numbers, as TrialTrainable reports them; `whole` if they are its last."""
        if "error" in result:
            self.failed(trial, result["error"])
            return
        if "already_stored" in result:
            self._end(trial)
            self.ended(self._counted(styled(f"{trial.name}: found in the storage")))
            return
        for note in result["notes"]:  # a trial repeats them in each report of a process
            if (trial.key, note) not in self._said:
                self._said.add((trial.key, note))
                self.note(trial, note)
        if "waits" in result:
            return
        tells = result["steps"] or result["whole"]  # else its steps show at the end
        done = result["percent"] / 100 if tells else None
        before = result["resumed_at"] / (result["steps"] or 1)
        if trial.until is not None and done is not None:
            done, before = min(max(TENTHS * done - trial.until + 1, 0.0), 1.0), 0.0
        self._time_left.told(trial.part, done, before)
        self._running[trial.key] = (trial, result)
        if result["whole"]:  # a scheduler that stops a trial sets `done` too
            self._end(trial)
            self.ended(self._line(trial, result))

    def note(self, trial: Trial, said: str) -> None:
        """Something out of the ordinary about a trial that goes on."""
        self.console.print(styled(f"{trial.name}: {said}", style="yellow"))

    def failed(self, trial: Trial, reason: str) -> None:
        """A trial that will not be trained again in this run."""
        self._end(trial)
        self._failed += 1
        self.console.print(self._counted(styled(f"{trial.name}: failed: {reason}", style="red")))

    def stopped(self, trial: Trial, result: dict[str, Any]) -> None:
        """A trial that a scheduler stopped early, or that waits for the others of its population."""
        self._end(trial)
        said = f"stopped early at step {result['step']} of {result['steps']}"
        if trial.until is not None:
            watched = self._trainings[trial.training].metric(trial.watched)
            value = "" if math.isnan(result["watched"]) else f", {watched.text(result['watched'])}"
            said = f"{10 * trial.until} %{value}"
        self.ended(self._counted(styled(f"{trial.name}: {said}")))

    def ended(self, line: Text) -> None:
        """Shows the line of a trial that ended."""
        self.console.print(line)

    def _end(self, trial: Trial) -> None:
        self._running.pop(trial.key, None)
        self._time_left.ended(trial.part)
        self._ended += 1

    def _line(self, trial: Trial, result: dict[str, Any]) -> Text:
        kind = self._trainings[trial.training]
        at = f"diverged at step {result['step']}"
        said = at if result["diverged"] else kind.metrics[0].text(result["reported"])
        return self._counted(styled(f"{trial.name}: {said}, {result['rate']:,.0f} {kind.counts}/s"))

    def _counted(self, line: Text) -> Text:
        return Text(f"[{self._ended}/{len(self._expected.work)}] ").append_text(line)

    def seconds_left(self) -> float | None:
        """An estimate, or None before it can be trusted."""
        return self._time_left.seconds()

    def running(self) -> Table:
        """The trials that run, a row each."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("trial")
        for column in ("step", "", "newest", "speed"):
            table.add_column(column, justify="right")
        for trial, result in list(self._running.values()):
            kind = self._trainings[trial.training]
            watched = kind.metric(trial.watched)
            newest = "" if result["newest"] is None else watched.text(result["newest"])
            table.add_row(
                styled(trial.name),
                f"{result['step']:,}" + (f"/{result['steps']:,}" if result["steps"] else ""),
                f"{result['percent']:.0f} %" if result["steps"] else "",
                styled(newest),
                styled(f"{result['rate']:,.0f} {kind.counts}/s"),
            )
        return table

    def count(self) -> str:
        """`3/12 trials, 1 failed; best val loss 0.31 (point 2)`"""
        best = f"; {found}" if self._source and (found := self._source.best()) else ""
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._ended}/{len(self._expected.work)} trials{failed}{best}"

    def outlook(self) -> str:
        """The same with the time left."""
        left = self.seconds_left()
        unknown = "time left not known yet" if self._time_left.started else "starting"
        return f"{self.count()}, {unknown if left is None else f'about {rough_duration(left)} left'}"


class LiveProgress(Progress):
    """The same with a table of the running trials that redraws in place."""

    def __enter__(self) -> Progress:
        self._live = Live(
            get_renderable=self._render, console=self.console, refresh_per_second=2, transient=True
        )
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def _render(self) -> Group:
        return Group(self.running(), Text(self.outlook(), style="bold"))


def progress_for(console: Console, plan: Plan, expected: Expected, live: bool = True) -> Progress:
    """One output in a notebook, the live table in a terminal that may be redrawn (`live`), lines elsewhere."""
    if console.is_jupyter and not console.quiet:
        from study.running.notebook_progress import NotebookProgress

        return NotebookProgress(console, plan, expected)
    return (LiveProgress if live and console.is_terminal else Progress)(console, plan, expected)
