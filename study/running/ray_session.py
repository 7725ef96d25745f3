"""Ray for the time of a run: started or joined, quiet, and left as it was."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from study.cluster import token
from study.errors import StudyError
from study.running import as_before, limits, own_ray
from study.running.fork_server import clients_start_workers, fork_server
from study.running.resources import Node, this_machine
from study.running.stop_signals import stop_signals
from study.store.files import reason
from study.training import Training

CONNECT_SECONDS = 10.0
# A cloud takes 5 to 10 minutes for a machine that installs the project.
WORKER_SECONDS = 1200.0

# What Ray itself takes of a machine's memory for its objects, and the least that it starts with.
OBJECTS_SHARE, LEAST_OBJECT_BYTES = 0.3, 80 * 1024**2

# Before Ray is imported: no per-trial CSV/JSON/TensorBoard files, no usage reports, no warnings that
# concern Ray's own defaults rather than the study.
QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # no snapshots of what the store knows better
    "RAY_AIR_NEW_OUTPUT": "0",  # the newer one prints its tables even with verbose=0
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's actors have an environment of their own and can't take over the workers that Ray starts first.
    "RAY_prestart_worker_first_driver": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a training's relative paths mean the folder where `study` runs
}


def import_quietly() -> None:
    """Import Ray without its advice and tqdm's to install ipywidgets for a notebook; a run needs none."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray  # noqa: F401
    finally:
        logging.disable(before)


@contextlib.contextmanager
def ray_session(
    address: str | None, folder: Path, trainings: Iterable[type[Training]] = ()
) -> Iterator[list[Node]]:
    """Ray, started for this run of these trainings with its files in `folder`, or joined; gives the cluster's nodes.

    Meanwhile SIGTERM (a job that is stopped) and SIGHUP (a terminal that is closed) do what Ctrl-C does.
    Raises StudyError where no cluster answers at the address, or none can be started.
    """
    with contextlib.ExitStack() as until_the_end:
        until_the_end.enter_context(as_before.environment())
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
        already = "ray" in sys.modules and sys.modules["ray"].is_initialized()
        if address is None and not already:
            until_the_end.enter_context(fork_server(folder, trainings))
        import ray

        until_the_end.enter_context(as_before.logger("ray")).setLevel(logging.CRITICAL)
        take_back = until_the_end.enter_context(stop_signals())
        if not already:
            if address is None:
                until_the_end.enter_context(own_ray.token_in(folder))
            # Once more, for the signal that interrupts Ray's end: it would stay, to be told without its token later.
            until_the_end.callback(lambda: ray.shutdown())
            _start(address, folder)
        take_back()
        try:
            yield alive_nodes()
        finally:
            take_back()
            if not already:
                ray.shutdown()


def _start(address: str | None, folder: Path) -> None:
    """Join the cluster at the address or, without one, start a Ray of our own."""
    import ray
    from ray._private import utils
    from ray.job_config import JobConfig

    if address is not None:
        _check_that_something_answers(address)
        if not os.environ.get("RAY_AUTH_TOKEN"):  # which Ray prefers
            token.check_private()
    try:
        with contextlib.ExitStack() as changed:
            # Ray would take SIGTERM as it starts: its SystemExit within a fork's hooks would hang us.
            changed.enter_context(own_ray.replaced(utils, set_sigterm_handler=lambda *_: None))
            # Ray would put the current folder before all others where workers look for modules.
            changed.enter_context(own_ray.replaced(JobConfig, _runtime_env_has_working_dir=lambda _: True))
            more: dict[str, Any] = {}
            if address is None:
                more = {**changed.enter_context(own_ray.started_closed()), **_own_share()}
                changed.enter_context(clients_start_workers())
            ray.init(
                address=address or "local",
                _temp_dir=str(folder / "ray") if address is None else None,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                **more,
            )
    except Exception as error:  # Ray raises a bare one where it can't start
        ray.shutdown()  # it may run already, where something fails that others asked to be called then
        _name_other_versions(address, str(error))
        failed = f"No Ray cluster answers at {address}" if address else "Ray can't be started here"
        raise StudyError(f"{failed}: {reason(error)}") from None


def _own_share() -> dict[str, Any]:
    """Arguments of ray.init: the cores and the memory that we may use, where Ray would take the whole machine's."""
    share: dict[str, Any] = {"num_cpus": int(this_machine().cpus)}
    limit = limits.memory_bytes()
    if limit is not None and limit < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        objects = int(OBJECTS_SHARE * limit)
        share |= {"object_store_memory": max(LEAST_OBJECT_BYTES, objects), "_memory": limit - objects}
    return share


def alive_nodes() -> list[Node]:
    """The nodes of the running Ray."""
    import ray

    return [_node(node) for node in ray.nodes() if node["Alive"]]


def with_workers(nodes: list[Node], cpus: float, gpus: float, say: Callable[[str], None]) -> list[Node]:
    """The nodes once there is one for trials: a small head may have to start its first worker.

    That one is asked for by a task of a trial's size, and waited for as long as a cloud may take.
    """
    if any(node.cpus for node in nodes):
        return nodes
    import ray

    say(f"No node of the cluster runs trials yet; waits up to {WORKER_SECONDS / 60:g} minutes for the first.")
    first = ray.remote(num_cpus=cpus, num_gpus=gpus)(_nothing).remote()
    done: list[Any] = []
    try:
        done, _ = ray.wait([first], timeout=WORKER_SECONDS)
    finally:
        if not done:  # Ray 2.60 may end this process where a task is cancelled as it ends
            ray.cancel(first)
    return alive_nodes()


def _nothing() -> None: ...


def _node(node: dict[str, Any]) -> Node:
    """One of ray.nodes(); its name is the host's, and the address or what the user called it."""
    resources, name = node["Resources"], f"{node['NodeManagerHostname']} ({node['NodeName']})"
    return Node(resources.get("CPU", 0), resources.get("GPU", 0), node["NodeID"], name)


def _name_other_versions(address: str | None, said: str) -> None:
    """Raises StudyError where Ray says that the cluster runs another Ray or Python: first its, then ours."""
    rays, pythons = (
        re.findall(rf"^\s*{package}: (\S+)$", said, re.MULTILINE) for package in ("Ray", "Python")
    )
    if len(rays) == len(pythons) == 2:
        raise StudyError(
            f"The cluster at {address} runs Ray {rays[0]} on Python {pythons[0]}; "
            f"here it is Ray {rays[1]} on Python {pythons[1]}.",
            "Install the same on both, with clusters/requirements.txt, and start the cluster anew.",
        ) from None


def _check_that_something_answers(address: str) -> None:
    """Ray itself would try for minutes. Raises StudyError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # auto, or one of Ray's names
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise StudyError(f"No Ray cluster answers at {address}: {error}") from None
