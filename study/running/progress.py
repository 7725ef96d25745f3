"""What the terminal shows while trials run: one live table, or a plain line per finished trial."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.plan import Plan, Trial
from study.terminal import rough_duration, styled
from study.training import Cost

# An estimate of the time left needs so many seconds since the first report, and this share of all work (or a minute).
LEAST_SECONDS, LEAST_SHARE, ENOUGH_SECONDS = 10.0, 0.01, 60.0


class Progress:
    """Follows a run and prints a line for each trial that ends; without a terminal, that is all.

    `work` is each trial's share of the whole in any unit, from which the time left is estimated. All of
    it goes to `console`, which is on stderr.
    """

    def __init__(self, console: Console, trials: list[Trial], plan: Plan, work: Mapping[str, float]) -> None:
        self.console = console
        self._trainings = plan.trainings
        self._work = work
        self._total = len(trials)
        self._ended = 0
        self._failed = 0
        # When the first report came, and the work that it told of: what came before was the start.
        self._first: tuple[float, float] | None = None
        self._running: dict[str, tuple[Trial, dict[str, Any]]] = {}
        self._shares: dict[str, float] = {}
        self._already: dict[str, float] = {}
        self._over: set[str] = set()
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
        share = result["percent"] / 100
        # What an earlier run trained took none of this run's time.
        if trial.key not in self._already:
            self._already[trial.key] = result["resumed_at"] / (result["steps"] or 1)
        self._shares[trial.key] = share
        self._running[trial.key] = (trial, result)
        if self._first is None:
            self._first = time.monotonic(), self._done()
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
        """A trial that a scheduler stopped early."""
        self._end(trial)
        said = f"stopped early at step {result['step']} of {result['steps']}"
        self.ended(self._counted(styled(f"{trial.name}: {said}")))

    def ended(self, line: Text) -> None:
        """Shows the line of a trial that ended."""
        self.console.print(line)

    def _end(self, trial: Trial) -> None:
        self._running.pop(trial.key, None)
        self._over.add(trial.key)  # what may be left of it will not be done
        self._ended += 1

    def _line(self, trial: Trial, result: dict[str, Any]) -> Text:
        kind = self._trainings[trial.training]
        at = f"diverged at step {result['step']}"
        said = at if result["diverged"] else kind.metrics[0].text(result["reported"])
        return self._counted(styled(f"{trial.name}: {said}, {result['rate']:,.0f} {kind.counts}/s"))

    def _counted(self, line: Text) -> Text:
        return Text(f"[{self._ended}/{self._total}] ").append_text(line)

    def seconds_left(self) -> float | None:
        """An estimate from the pace since the first report, or None before it can be trusted."""
        if self._first is None:
            return None
        seconds, done = time.monotonic() - self._first[0], self._done() - self._first[1]
        least = LEAST_SHARE * sum(self._work.values()) if seconds < ENOUGH_SECONDS else 0.0
        if seconds < LEAST_SECONDS or done <= least:
            return None
        open_work = ((key, work) for key, work in self._work.items() if key not in self._over)
        left = sum(work * (1 - self._shares.get(key, 0.0)) for key, work in open_work)
        return seconds * left / done

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
        """`3/12 trials, 1 failed`"""
        return f"{self._ended}/{self._total} trials{f', {self._failed} failed' if self._failed else ''}"

    def outlook(self) -> str:
        """The same with the time left."""
        left = self.seconds_left()
        unknown = "time left not known yet" if self._first else "starting"
        return f"{self.count()}, {unknown if left is None else f'about {rough_duration(left)} left'}"

    def _done(self) -> float:
        """The work that this run did."""
        return sum(
            self._work[key] * (share - self._already.get(key, 0.0)) for key, share in self._shares.items()
        )


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


def progress_for(
    console: Console, trials: list[Trial], plan: Plan, costs: Mapping[str, Cost], live: bool = True
) -> Progress:
    """One output in a notebook, the live table in a terminal that may be redrawn (`live`), lines elsewhere."""
    work = {trial.key: costs[trial.key].work for trial in trials}
    if console.is_jupyter and not console.quiet:
        from study.running.notebook_progress import NotebookProgress

        return NotebookProgress(console, trials, plan, work)
    return (LiveProgress if live and console.is_terminal else Progress)(console, trials, plan, work)
