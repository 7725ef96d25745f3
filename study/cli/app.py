"""The command line: words in, words out. Data goes to stdout, progress and errors to stderr."""

from __future__ import annotations

import contextlib
import math
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import cluster, export, own, packing, results
from study.cli import serve as serving
from study.cli.options import (
    Address,
    AsJson,
    Budget,
    CheckpointEvery,
    CpusPerTrial,
    DataDir,
    DatasetOption,
    DryRun,
    Epochs,
    Fresh,
    GpusPerTrial,
    InProcess,
    KeepWeights,
    MaxConcurrent,
    MaxFailures,
    MaxSeeds,
    Measure,
    Port,
    Precision,
    PricePerHour,
    SamplerOption,
    SchedulerOption,
    Seeds,
    Serve,
    Set,
    Storage,
    Studies,
    TensorBoard,
    TrialTimeout,
    UntilDecided,
    overrides,
)
from study.terminal import say

if TYPE_CHECKING:
    from study.declare.study import Study
    from study.store.trial_store import TrialStore

# Heavy imports stand inside the commands: `study --help` imports no torch, no Ray and no pandas.

DONE, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    help="Controlled studies of trainings on Ray Tune.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(own.commands)
app.add_typer(results.commands)
app.add_typer(serving.commands)
app.add_typer(packing.commands)
app.add_typer(export.commands, name="export")
app.add_typer(cluster.commands)


def _say_version(wanted: bool) -> None:
    if wanted:
        from study.provenance import versions

        found = sorted(versions().items(), key=lambda of: of[0] != "study")
        say(", ".join(f"{name} {version}" for name, version in found))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the versions and exit."),
    ] = False,
) -> None:
    """Controlled studies of trainings on Ray Tune."""


@app.command("list")
def list_studies(as_json: AsJson = False) -> None:
    """List the studies that can be given by name.

    Looks in ./search_spaces and in the studies that came with the installation. Of those in ./search_spaces
    it shows the question alone, without running their files; `study plan` shows the rest.
    """
    from study.cli import printing
    from study.declare.listing import listed

    rows, left_out = listed()
    for reason in left_out:
        say(f"left out: {reason}", err=True)
    printing.studies(rows, as_json)


@app.command()
def plan(
    studies: Studies,
    seeds: Seeds = None,
    budget: Budget = None,
    sampler: SamplerOption = None,
    set_: Set = None,
    dataset: DatasetOption = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
    precision: Precision = None,
    storage: Storage = None,
    address: Address = None,
    cpus_per_trial: CpusPerTrial = None,
    gpus_per_trial: GpusPerTrial = "auto",
    max_concurrent: MaxConcurrent = None,
    measure: Measure = False,
    price_per_hour: PricePerHour = None,
    as_json: AsJson = False,
) -> None:
    """Show what `study tune` with the same words would train, how long that takes and what it costs.

    Data that is not there is downloaded; nothing else is written but what --measure finds, to the storage. `at once` is
    how many such trials run at once here or, with --address, on the cluster as it is. Where there is a GPU, `auto`
    measures their shares, which takes some seconds. How long trials take is known from such trials in the storage; of
    others, --measure does some steps.

    Examples:

    `study plan network_width --seeds 5`

    `study plan network_width --measure --price-per-hour 0.35`
    """
    from rich.console import Console

    from study.cli import printing_plan
    from study.errors import StudyError
    from study.plan import check_fit
    from study.running.options import Options
    from study.running.preview import preview
    from study.search.searching import foreseen

    if price_per_hour is not None and not math.isfinite(price_per_hour):
        raise StudyError(f"--price-per-hour {price_per_hour:g}: give a number")
    options = Options(
        cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial, address=address,
        max_concurrent=max_concurrent,
    )  # fmt: skip
    loaded, changed, store, folder = _given(
        studies, budget, sampler, set_, dataset, data_dir, epochs, precision, storage
    )
    made = foreseen(loaded, seeds, store, folder, changed)
    check_fit(made)
    console = Console(stderr=True, soft_wrap=True)
    seen = preview(made, store, options, console, measure)
    printing_plan.plan(made, as_json, seen, price_per_hour, measure)


@app.command()
def tune(
    studies: Studies,
    seeds: Seeds = None,
    until_decided: UntilDecided = False,
    max_seeds: MaxSeeds = None,
    budget: Budget = None,
    sampler: SamplerOption = None,
    set_: Set = None,
    dataset: DatasetOption = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
    precision: Precision = None,
    storage: Storage = None,
    fresh: Fresh = False,
    dry_run: DryRun = False,
    address: Address = None,
    cpus_per_trial: CpusPerTrial = None,
    gpus_per_trial: GpusPerTrial = "auto",
    max_concurrent: MaxConcurrent = None,
    checkpoint_every: CheckpointEvery = 10.0,
    trial_timeout: TrialTimeout = None,
    max_failures: MaxFailures = 2,
    scheduler: SchedulerOption = None,
    tensorboard: TensorBoard = False,
    keep_weights: KeepWeights = False,
    in_process: InProcess = False,
    serve: Serve = False,
    port: Port = 8080,
    as_json: AsJson = False,
) -> None:
    """Train a study's trials that the storage does not have yet; then print its table.

    Run the same command again after anything that stopped it: it continues. With more seeds, or with
    values added to the study, it trains only those.

    Examples:

    `study tune search_spaces/network_width.py`

    `study tune network_width --dataset digits --epochs 5 --set batch_size=32`

    `study tune network_width --until-decided --max-seeds 20`
    """
    from rich.console import Console

    from study import api
    from study.cli import printing_plan, printing_results
    from study.plan import check_fit
    from study.rounds import planned
    from study.running.options import Options
    from study.running.resources import decide, this_machine
    from study.search.searching import foreseen
    from study.store.files import StorageError
    from study.training import Cost

    options = Options(
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        max_concurrent=max_concurrent,
        address=address,
        checkpoint_every=checkpoint_every,
        trial_timeout=trial_timeout,
        max_failures=max_failures,
        scheduler=scheduler,
        tensorboard=tensorboard,
        keep_weights=keep_weights,
        in_process=in_process,
    )
    if address is None and (cpus_per_trial, gpus_per_trial) != (None, "auto"):
        # What this machine does not have is said before anything is started.
        decide(options.cpus_per_trial, options.gpus_per_trial, [this_machine()], Cost())
    with _told_how_to_continue():
        loaded, changed, store, folder = _given(
            studies, budget, sampler, set_, dataset, data_dir, epochs, precision, storage
        )
        console = Console(stderr=True, soft_wrap=True)
        made, more = planned(
            loaded, seeds, store, folder, changed, fresh, scheduler is not None,
            until_decided=until_decided, max_seeds=max_seeds, console=console,
        )  # fmt: skip
        check_fit(made)
        if dry_run:
            printing_plan.plan(foreseen(loaded, seeds, store, folder, changed, fresh), as_json)
            return
        with _page(str(store.root), port) if serve else contextlib.nullcontext():
            outcome = api.tune(made, store, options, console, more)
        if outcome.interrupted:
            raise KeyboardInterrupt
        try:
            printing_results.results(store, [record["name"] for record in made.records], as_json)
            if until_decided and not as_json:
                printing_results.all_verdicts(store, [record["name"] for record in made.records])
        except StorageError as error:  # the trials are stored, what is made of them can't be
            for mistake in error.mistakes:
                say(mistake, err=True)
            raise typer.Exit(FAILED) from None
    for trial, reason, where in outcome.failed.values():
        say(f"{trial.name} failed: {reason}", err=True)
        say(f"  whole traceback: {where}", err=True)
    if outcome.failed:
        raise typer.Exit(FAILED)


def _given(
    files: list[str],
    budget: int | None,
    sampler: str | None,
    set_: list[str] | None,
    dataset: str | None,
    data_dir: Path | None,
    epochs: int | None,
    precision: str | None,
    storage: str | None,
) -> tuple[list[Study], dict[str, Any], TrialStore, Path]:
    """The studies, the hyperparameters that are changed for all, the storage, and the folder with the data."""
    from study.declare import searches
    from study.declare.data import default_folder
    from study.declare.loading import load_all
    from study.store.trial_store import open_store

    loaded: list[Study] = [searches.asked(study, budget, sampler) for study in load_all(files).values()]
    changed = overrides(loaded, set_, dataset, epochs, precision)
    return loaded, changed, open_store(storage), data_dir or default_folder()


@contextlib.contextmanager
def _page(storage: str, port: int) -> Iterator[None]:
    """The page of the storage, for as long as the run takes."""
    from study.serve.beside import served_beside

    with served_beside(storage, port) as said:
        say(f"{said}, until this run ends", err=True)
        yield


@contextlib.contextmanager
def _told_how_to_continue() -> Iterator[None]:
    from study.running.stop_signals import stop_signals

    try:
        with stop_signals(last=True):
            yield
    except KeyboardInterrupt:
        # --fresh would forget what was trained.
        command = shlex.join(["study", *(word for word in sys.argv[1:] if word != "--fresh")])
        say(f"Stopped; what was trained is kept. To continue: {command}", err=True)
        raise typer.Exit(INTERRUPTED) from None
