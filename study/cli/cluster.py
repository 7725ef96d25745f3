"""The commands for a cluster: submit, logs, stop, cluster-token, cluster-check; `study status` lists jobs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli.options import (
    Budget,
    CheckpointEvery,
    CpusPerTrial,
    DatasetOption,
    Epochs,
    Fresh,
    GpusPerTrial,
    JobServer,
    KeepWeights,
    MaxConcurrent,
    MaxFailures,
    MaxSeeds,
    Precision,
    SamplerOption,
    SchedulerOption,
    Seeds,
    Set,
    Storage,
    Studies,
    TensorBoard,
    TrialTimeout,
    TrustAddress,
    UntilDecided,
    overrides,
)
from study.terminal import plain, say

if TYPE_CHECKING:
    from study.cluster.payload import Payload

FAILED = 1
# Of the files that were sent, and of those that were not.
MOST_SHOWN = 20
# What a job's log may hold besides printable characters.
LINES = "\n\t"
OWN = {"studies", "address", "follow", "insecure", "trust_address", "include", "storage"}

commands = typer.Typer()

JobId = Annotated[
    str | None, typer.Argument(metavar="[JOB]", help="A job's id; without it the one that runs.")
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Show what the job says until it ends; Ctrl-C leaves it running.")
]


@commands.command()
def submit(
    context: typer.Context,
    studies: Studies,
    address: JobServer,
    follow: Follow = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Also to a cluster that asks for no token.")
    ] = False,
    trust_address: TrustAddress = False,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Send this file or folder too; repeatable."),
    ] = None,
    seeds: Seeds = None,
    until_decided: UntilDecided = False,
    max_seeds: MaxSeeds = None,
    budget: Budget = None,
    sampler: SamplerOption = None,
    set_: Set = None,
    dataset: DatasetOption = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder with the data on the cluster's head.  [default: ~/study-data]")
    ] = None,
    epochs: Epochs = None,
    precision: Precision = None,
    storage: Storage = None,
    fresh: Fresh = False,
    cpus_per_trial: CpusPerTrial = None,
    gpus_per_trial: GpusPerTrial = "auto",
    max_concurrent: MaxConcurrent = None,
    checkpoint_every: CheckpointEvery = 10.0,
    trial_timeout: TrialTimeout = None,
    max_failures: MaxFailures = 2,
    scheduler: SchedulerOption = None,
    tensorboard: TensorBoard = False,
    keep_weights: KeepWeights = False,
) -> None:
    """Train studies on a cluster: `study tune` there, with the same words. Returns once it is accepted.

    The storage must be one that every node reaches. The same command again continues, and says so where the
    same job runs already.

    Example: `study submit network_width --seeds 5 --address http://localhost:8265`
    """
    from study.cluster import jobs
    from study.cluster.job_server import connect
    from study.cluster.payload import packed
    from study.declare import searches
    from study.declare.loading import load_all
    from study.rounds import check_seeds
    from study.running.options import Options

    check_seeds(until_decided, max_seeds)
    Options(  # its mistakes are said here, before anything is sent
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        max_concurrent=max_concurrent,
        checkpoint_every=checkpoint_every,
        trial_timeout=trial_timeout,
        max_failures=max_failures,
        scheduler=scheduler,
        tensorboard=tensorboard,
        keep_weights=keep_weights,
    )
    loaded = {name: searches.asked(study, budget, sampler) for name, study in load_all(studies).items()}
    plan = jobs.planned(
        [*loaded.values()], seeds, overrides([*loaded.values()], set_, dataset, epochs, precision)
    )
    place = jobs.shared_storage(storage)
    searched = [
        name
        for study in loaded.values()
        for one in searches.in_arms(study).values()
        for config in searches.searched_configs(one)
        for name in study.kind.plugins(config)
    ]
    sent = packed([*loaded], [*plan.own_code(), *searched], include or [])
    client = connect(address, insecure, trust_address)
    same = jobs.find(client, jobs.job_id(plan, place))
    running = [job.submission_id for job in same if not job.status.is_terminal()]
    if running and not follow:
        from study.errors import StudyError

        raise StudyError(
            f"{running[-1]} already runs; follow it with: {_follow_command(running[-1], address)}"
        )
    if running:
        job = running[-1]
        say(f"{job} already runs", err=True)
    else:
        job = jobs.submit(client, plan, sent, _options(context), place)
        _say_what_travelled(sent)
        say(f"{len(plan.trials)} trials submitted; results go to {place}", err=True)
    if follow:
        _follow(client, job, address)
    else:
        say(job)
        say(f"follow it with: {_follow_command(job, address)}", err=True)


@commands.command()
def logs(
    address: JobServer, job: JobId = None, follow: Follow = False, trust_address: TrustAddress = False
) -> None:
    """Show what a job has said.

    Example: `study logs --follow --address http://localhost:8265`
    """
    from study.cluster import jobs
    from study.cluster.job_server import connect

    client = connect(address, trust_address=trust_address)
    job = jobs.chosen(client, job)
    if follow:
        _follow(client, job, address)
    else:
        typer.echo(plain(jobs.logs(client, job), keep=LINES), nl=False)


@commands.command()
def stop(address: JobServer, job: JobId = None, trust_address: TrustAddress = False) -> None:
    """Stop a job, after its running trials have saved. Submitted again, it continues.

    Example: `study stop --address http://localhost:8265`
    """
    from study.cluster import jobs
    from study.cluster.job_server import connect

    client = connect(address, trust_address=trust_address)
    job = jobs.chosen(client, job)
    stopped = jobs.stop(client, job)
    say(f"{job} is stopped; the same `study submit` continues it" if stopped else f"{job} had ended")


@commands.command("cluster-token")
def make_token(force: Annotated[bool, typer.Option("--force", help="Replace a token.")] = False) -> None:
    """Make the token without which nobody gets into your clusters, in a file that only you can read."""
    from study.cluster import token

    path = token.make(force)
    say(f"The token is in {path}. For your shell, and for every node:")
    say("export RAY_AUTH_MODE=token")
    say(f"export RAY_AUTH_TOKEN_PATH={shlex.quote(str(path))}")


@commands.command("cluster-check")
def check_file(file: Annotated[Path, typer.Argument(metavar="FILE", help="A file for `ray up`.")]) -> None:
    """Say what is wrong with a file for `ray up`, and whom it would let in, before it costs anything.

    Example: `study cluster-check cluster.yaml`
    """
    from study.cluster import cluster_file

    name = cluster_file.check(file)
    say(f"{name}: Ray takes the file, and every node asks for the token. Next: ray up {file}")


def _options(context: typer.Context) -> list[str]:
    """The options of `study tune` as they were given, as words."""
    words = []
    for parameter in context.command.params:
        name, source = str(parameter.name), context.get_parameter_source(str(parameter.name))
        if name in OWN or source is None or source.name != "COMMANDLINE":
            continue
        value, option = context.params[name], parameter.opts[0]
        if value is True:
            words.append(option)
        else:
            words += [f"{option}={one}" for one in (value if isinstance(value, list | tuple) else [value])]
    return words


def _say_what_travelled(sent: Payload) -> None:
    from study.cluster.payload import shown_size

    for path, size in [*sent.files.items()][:MOST_SHOWN]:
        say(f"sent {path}, {shown_size(size)}", err=True)
    if (more := len(sent.files) - MOST_SHOWN) > 0:
        say(f"sent {more:,} more files; {shown_size(sent.size)} in all", err=True)
    if left := sent.left_here:
        shown = ", ".join(map(str, left[:MOST_SHOWN]))
        others = f" and {len(left) - MOST_SHOWN:,} more" if len(left) > MOST_SHOWN else ""
        say(f"left here, since they look like secrets: {shown}{others}", err=True)


def _follow_command(job: str, address: str) -> str:
    return shlex.join(["study", "logs", job, "--follow", "--address", address])


def _follow(client: Any, job: str, address: str) -> None:
    """Show the job to its end, which decides the exit code; say how to come back where it is left."""
    from study.cluster import jobs
    from study.errors import StudyError

    back = f"To follow again: {_follow_command(job, address)}"
    try:
        details = jobs.follow(client, job, lambda text: typer.echo(plain(text, keep=LINES), nl=False))
    except KeyboardInterrupt:
        say(f"{job} goes on. {back}", err=True)
        raise
    except StudyError as error:
        raise StudyError(*error.mistakes, f"{job} may go on. {back}") from None
    if details.status == "SUCCEEDED":
        return
    if details.driver_exit_code is None and details.message:
        say(f"{job} {details.status.lower()}: {details.message}", err=True)
    raise typer.Exit(details.driver_exit_code if details.driver_exit_code in (1, 2) else FAILED)
