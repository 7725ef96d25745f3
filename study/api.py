"""Studies from Python: `study.run(STUDY, seeds=3)` does what `study tune` does. The room above all others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from upath import UPath

from study.declare import searches
from study.declare.data import default_folder
from study.declare.study import Study
from study.errors import StudyError
from study.own_code import check_names
from study.paths import check_current_folder
from study.plan import More, Plan
from study.recording import left_out
from study.request import Request, studies_of
from study.rounds import planned
from study.running import as_before
from study.running.notebook_progress import LEGIBLE
from study.running.options import Options
from study.running.runner import Outcome
from study.store.files import RefusedFile
from study.store.trial_store import TrialStore, open_store, searched_keys
from study.terminal import styled

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Artifacts:
    """What was made of a study's results: the table, as a DataFrame, and the files written.

    `problems` are files that could not be read.
    """

    table: pd.DataFrame
    csv: UPath
    figures: list[UPath]
    problems: list[str]


def tune(
    plan: Plan, store: TrialStore, options: Options, console: Console, more: More = lambda at_once: None
) -> Outcome:
    """Train what is pending, or was stored and is damaged; then what `more` plans, given how many trials run at once.

    Starts Ray only where there is work.
    """
    if options.scheduler is not None:
        _check_schedulable(plan, options.scheduler)
    if store.root.protocol == "memory":
        raise StudyError(f"storage {store.root} is this process's memory, which trials can't write to.")
    store.check_writable()
    plan = plan.checked(store)
    for record in plan.records:
        if n := left_out(store, record):
            console.print(
                styled(
                    f"{record['name']}: was run with {n} seeds more, which stay stored and are left out now"
                )
            )
    for key, damage in plan.damaged.items():
        console.print(styled(f"{plan.trials[key].name}: is trained again: {damage}", style="yellow"))
    console.print(_counted(plan), highlight=False)
    if anew := sorted(
        {trial.training for trial in plan.pending if not plan.trainings[trial.training].continues}
    ):
        said = f"{', '.join(anew)} can't be continued: a trial that is killed starts anew."
        console.print(styled(said), highlight=False)
    if options.keep_weights:
        _say_what_is_not_kept(plan, store, console)
    events = None
    if options.tensorboard:
        from study.running.live_events import LiveEvents
        from study.store.tensorboard import EventFiles

        events = EventFiles(store, plan.records)

    plans = [plan]

    def following(at_once: int) -> Plan | None:
        then = more(at_once)
        if then:
            plans.append(then)
            console.print(_counted(then), highlight=False)
        if then and events:
            events.add(then.records)
        return then

    then: Plan | None = plan
    if plan.over:
        plan.begin(store)
        if plan.source:  # what a search has found is trained to its end
            options = options.model_copy(update={"scheduler": None})
        then = following(1)
    outcome = Outcome()
    if then:
        from study.running import in_process, runner
        from study.running.listener import NOBODY

        run_plan = in_process.run if options.in_process else runner.run
        with LiveEvents(store, events) if events else nullcontext(NOBODY) as listener:
            outcome = run_plan(then, store, options, console, listener, following)
    if events:
        # A search has added to the records; and what was planned after it may have been stored.
        finished = store.states().finished
        for one in plans:
            events.add(one.records)
            for key in one.stored.union(*map(searched_keys, one.records)) & finished:
                events.write(key)
    return outcome


def _say_what_is_not_kept(plan: Plan, store: TrialStore, console: Console) -> None:
    """Of trials that were trained before, and of those that have no state."""
    kinds = plan.trainings
    if without := [name for name, kind in kinds.items() if not kind.continues]:
        console.print(styled(f"--keep-weights: {', '.join(without)}: has no state that could be kept"))
    continues = {key for key in plan.stored if kinds[plan.trials[key].training].continues}
    lacking = [key for key in continues - store.with_trained() if store.result(key)["status"] == "finished"]
    if lacking:
        said = f"--keep-weights: {len(lacking)} of the stored trials were trained without it"
        console.print(styled(f"{said}; with --fresh all of this run are trained again, to the same bits"))


def _check_schedulable(plan: Plan, scheduler: str) -> None:
    """Raises StudyError where a scheduler would not know what to compare, or would look at what is reported."""
    if len(plan.records) > 1:
        raise StudyError(
            f"--scheduler {scheduler} compares all trials with each other: give one study at a time"
        )
    record = plan.records[0]
    if record["watched"] == record["metrics"][0]["name"]:
        raise StudyError(
            f"--scheduler {scheduler} would stop trials by {record['watched']}, which is what the study reports.",
            "Name another metric in the study: watched='...'.",
        )
    if not record["continues"]:
        raise StudyError(
            f"--scheduler {scheduler}: the steps of {record['training']} can't be counted beforehand"
        )


def artifacts(store: TrialStore, name: str) -> Artifacts | None:
    """The study's table and figure, written into the storage; None before any trial is finished.

    A figure is drawn anew only if it was made from other results.
    """
    from study.analysis import results, tables

    found = results.load(store, [name])
    if not found.of(name).status.isin(results.ENDED).any():
        return None
    table = tables.arm_table(found, name)
    store.files.remove_temporary("tables")
    store.files.remove_temporary("figures")
    csv = store.files.write(f"tables/{name}.csv", tables.csv(table))
    names = [f"figures/{name}.{kind}" for kind in ("png", "svg")]
    made_from = _fingerprint(found.studies[name], found.of(name))
    if not all(_is_made_from(made_from, store, path) for path in names):
        # matplotlib takes a second to import: a finished study is shown without it.
        from study.analysis import figures

        drawn = figures.draw_training_curves(found, name)
        figures.save(drawn, store.files, f"figures/{name}", made_from=made_from)
    return Artifacts(table, csv, [store.root / path for path in names], found.problems)


def _is_made_from(results: str, store: TrialStore, path: str) -> bool:
    try:
        return results.encode() in (store.files.read(path) or b"")
    except RefusedFile:  # a link, perhaps; it is replaced
        return False


def _fingerprint(record: dict[str, Any], trials: pd.DataFrame) -> str:
    """sha256 (hex) of all that a study's figure shows."""
    shown = record | {"trials": trials[["key", "status", "weights_sha256"]].fillna("").to_dict("list")}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _counted(plan: Plan) -> str:
    known = f"{len(plan.stored)} stored, " if plan.stored else ""
    if plan.interrupted:
        known += f"{len(plan.interrupted)} to continue, "
    searched = f", {plan.source.left} to be searched" if plan.source else ""
    return f"{len(plan.trials)} trials: {known}{len(plan.pending)} to train{searched}"


@as_before.environment()
@as_before.generators()
def run(
    *studies: Study | str | Path,
    seeds: int | None = None,
    storage: str | Path | None = None,
    data_dir: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    fresh: bool = False,
    progress: bool = True,
    until_decided: bool = False,
    max_seeds: int | None = None,
    budget: int | None = None,
    sampler: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Run studies and return their results: one row per study, arm and seed.

    studies: each a Study, a file or a name.
    seeds: the seeds 0 to N - 1; by default as many as a study plans, or 3.
    until_decided: then one more seed of the arms of which something is undecided, until nothing is, or `max_seeds`
        (by default 30) are trained.
    budget, sampler: of studies that search, in place of their own.
    overrides: hyperparameters that hold for all arms, such as {"lr": 0.05}.
    options: as in `study.running.options.Options`: max_concurrent=2, in_process=True, ...

    Trials that the storage has are not trained again. Columns: study, arm, seed, key, status, a column for each
    metric, and the others of `analysis.results`. A notebook shows it as the studies' tables, curves and verdicts.

    Raises StudyError for a request that can't be met, and RuntimeError where trials failed; those that
    finished are in the storage.

    Example: `study.run(STUDY, seeds=5, overrides={"lr": 0.05}, in_process=True)`
    """
    import pandas as pd

    from study.analysis import results

    check_current_folder()
    check_names()
    how = Options(**options)
    asked = Request(
        seeds=seeds, storage=storage, data_dir=data_dir, overrides=overrides, fresh=fresh, progress=progress,
        until_decided=until_decided, max_seeds=max_seeds, budget=budget, sampler=sampler,
    )  # fmt: skip
    named = [searches.asked(study, asked.budget, asked.sampler) for study in studies_of(studies)]
    store = open_store(storage)
    folder = default_folder() if data_dir is None else Path(data_dir)
    console = Console(stderr=True, soft_wrap=True, quiet=not progress)
    if console.is_jupyter:
        console.push_theme(LEGIBLE)
        if not how.in_process:
            from study.running.ray_session import import_quietly

            import_quietly()
    plan, more = planned(
        named, asked.seeds, store, folder, overrides or {}, fresh, how.scheduler is not None,
        until_decided=until_decided, max_seeds=asked.max_seeds, console=console,
    )  # fmt: skip
    try:
        outcome = tune(plan, store, how, console, more)
        if outcome.interrupted:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        again = "run the same without fresh=True" if fresh else "run the same again"
        console.print(f"Stopped; what was trained is kept. To continue, {again}.")
        raise
    if outcome.failed:
        lines = [f"{trial.name}: {reason} ({where})" for trial, reason, where in outcome.failed.values()]
        raise RuntimeError("\n".join(["Some trials failed:", *lines]))
    names = [one.name for one in named]
    found = results.load(store, names)
    frame = pd.concat([found.of(name).assign(study=name) for name in names], ignore_index=True)
    if not console.is_jupyter:
        return frame
    from study.analysis import notebook

    return notebook.RunFrame(frame, notebook.of_run(found, names))
