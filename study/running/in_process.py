"""Running a plan in this process, one trial after the other, without Ray: for debuggers and for small studies.

Results, keys, checkpoints and bits are those of a run through Ray. An error of a trial ends the run as it comes, so
that a debugger finds it where it was raised.
"""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from study.errors import StudyError
from study.plan import More, Plan
from study.running import as_before, resources
from study.running.attempt import Attempt
from study.running.handing import Handing
from study.running.listener import NOBODY, Listener
from study.running.options import Options
from study.running.outcome import stopped_record
from study.running.prepare import prepare
from study.running.progress import progress_for
from study.running.runner import Outcome, expected, longest_first, say_what_is_slow, settings
from study.store.trial_store import TrialStore
from study.time_limit import TimeLimit


def run(
    plan: Plan,
    store: TrialStore,
    options: Options,
    console: Console,
    listener: Listener = NOBODY,
    more: More = lambda at_once: None,
) -> Outcome:
    """Train every pending trial, and then what `more` gives, and commit the results to the store as `runner.run` does.

    Raises whatever a training raises; Ctrl-C comes out as KeyboardInterrupt, and the trial that runs continues from
    where it was saved last.
    """
    then: Plan | None = plan
    while then:
        for kind in {trial.training: then.trainings[trial.training] for trial in then.pending}.values():
            kind.implementation()  # imports torch, where it needs it, before its settings are noted
        with as_before.training_settings():
            _train(then, store, options, console, listener)
        if then.source:  # what was found is trained to its end
            options = options.model_copy(update={"scheduler": None})
        then = more(1)
    return Outcome()


def _train(plan: Plan, store: TrialStore, options: Options, console: Console, listener: Listener) -> None:
    here = resources.this_machine()
    prepared = prepare(plan)
    # A trial that runs alone has a whole GPU.
    gpus = min(1, here.gpus) if options.gpus_per_trial is None else options.gpus_per_trial
    asked = options.cpus_per_trial, gpus
    shares = {key: resources.decide(*asked, [here], cost) for key, cost in prepared.costs.items()}
    say_what_is_slow(prepared.costs, shares, console)
    plan.begin(store)
    trials = longest_first(plan.pending, prepared.costs)
    common = settings(options)
    # Lines, no live table: what the training prints is seen, and a debugger has the terminal.
    alone = options.model_copy(update={"max_concurrent": 1})
    awaited = expected(plan, store, trials, prepared.costs, shares, [here], alone)
    awaited = replace(awaited, start=0.0)
    stopping = None
    if options.scheduler:
        from study.running.early_stopping import early_stopping  # brings Ray Tune

        stopping = early_stopping(options.scheduler, plan, trials, store)
    with progress_for(console, plan, awaited, live=False) as progress:
        handing = Handing(plan, plan.source, trials, prepared, shares, [here], options, awaited)
        while (place := handing.take()) is not None:
            trial = trials[place]
            kind = plan.trainings[trial.training]
            attempt = Attempt(trial, kind, prepared.data[trial.data], store, shares[trial.key], common)
            try:
                report = attempt.step()
                while not report["done"]:
                    progress.report(trial, report)
                    if "waits" not in report:
                        listener.reported(trial.key)
                    if stopping and stopping.stops(trial.key, report["tenths"]):
                        store.save_stopped(trial.key, stopped_record(trial, report))
                        progress.stopped(trial, report)
                        break
                    report = attempt.step()
                else:
                    if stopping:
                        stopping.stops(trial.key, report["tenths"])
                    if trial.until is not None and not report["whole"]:
                        store.save_stopped(trial.key, stopped_record(trial, report))
                        progress.stopped(trial, report)
                    else:
                        progress.report(trial, report)
                        listener.finished(trial.key)
            except (Exception, SystemExit, TimeLimit) as error:
                progress.report(trial, attempt.failed(error))
                if isinstance(error, SystemExit):  # it would end this process, as if all were well perhaps
                    raise RuntimeError(f"{trial.name}: the training called exit({error.code})") from error
                # It would be taken for a wrong request, before anything began.
                if isinstance(error, StudyError):
                    raise RuntimeError(f"{trial.name}: {error}") from error
                raise
            finally:
                attempt.close()
            handing.ended(place)
