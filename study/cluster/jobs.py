"""Studies on a running cluster, through Ray's job server: submitted, listed, followed and stopped."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from study.cluster.job_server import errors_of
from study.cluster.payload import Payload
from study.declare.study import Study
from study.errors import StudyError, did_you_mean
from study.plan import Plan, make_plan
from study.store.trial_store import TrialStore

POLL_SECONDS = 0.3
# A followed job's whole log is asked for, so not as often.
FOLLOW_SECONDS = 1.0
# Ray's own 3 s between the signal and the kill are too short for trials that save: docs/submit.md.
STOP_SECONDS = 60
# The job's folder is removed at its end; what was downloaded stays with the head.
DATA = 'STUDY_DATA="${STUDY_DATA:-$HOME/study-data}"'


def shared_storage(given: str | None) -> str:
    """The storage, which every node must reach. Raises StudyError for a folder that is only here."""
    if given is None or ("://" not in given and not Path(given).is_absolute()):
        raise StudyError(
            f"The results can't go to {given or './results'}: every node must reach the storage.",
            "Set STUDY_STORAGE=s3://..., or the path from / of a folder that all nodes mount.",
        )
    return given


def planned(studies: Sequence[Study], seeds: int | None, overrides: dict[str, Any]) -> Plan:
    """The trials of the studies. Neither their data nor their storage need be within reach of this machine.

    Raises StudyError with the mistakes of all studies.
    """
    return make_plan(studies, seeds, TrialStore("memory://plan"), None, overrides, fresh=True)


def job_id(plan: Plan, storage: str) -> str:
    """The same for the same trials of the same studies in the same storage: `network_width-1f0c9a52`."""
    names = sorted(record["name"] for record in plan.records)
    text = json.dumps([names, sorted(plan.trials), storage])
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', names[0])}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def find(client: Any, wanted: str) -> list[Any]:
    """The submissions of this id and of `id-2`, `id-3`, ..., as Ray's JobDetails, the oldest first."""
    same = re.compile(rf"{re.escape(wanted)}(-\d+)?")
    return [job for job in listed(client) if same.fullmatch(job.submission_id)]


def listed(client: Any) -> list[Any]:
    """All jobs that were submitted, as Ray's JobDetails, the oldest first."""
    with errors_of(client.get_address()):
        jobs = [job for job in client.list_jobs() if job.submission_id]
    return sorted(jobs, key=lambda job: job.start_time or 0)


def chosen(client: Any, wanted: str | None) -> str:
    """The id of the job wanted; without one, of the only one that runs, or else of the last one.

    Raises StudyError where there is no such job, or where it is not clear which.
    """
    jobs = listed(client)
    ids = [job.submission_id for job in jobs]
    if wanted is not None:
        if wanted not in ids:
            raise StudyError(
                f"There is no job {wanted!r}{did_you_mean(wanted, ids)}. `study status --address` lists them."
            )
        return wanted
    running = [job.submission_id for job in jobs if not job.status.is_terminal()]
    if not ids:
        raise StudyError("No job was submitted to this cluster yet.")
    if len(running) > 1:
        raise StudyError(f"Several jobs run: name one of {', '.join(running)}.")
    return str((running or ids)[-1])


def submit(client: Any, plan: Plan, sent: Payload, options: Sequence[str], storage: str) -> str:
    """Send the studies, to be trained by `study tune` on the cluster; the job's id.

    `options` are words of `study tune`. Raises StudyError where the job server fails.
    """
    command = ["study", "tune", *sent.words, *options, "--storage", storage, "--address", "auto"]
    wanted = job_id(plan, storage)
    before = len(find(client, wanted))
    with tempfile.TemporaryDirectory() as folder:
        sent.copy(Path(folder))
        with errors_of(client.get_address()):
            return str(
                client.submit_job(
                    submission_id=f"{wanted}-{before + 1}" if before else wanted,
                    entrypoint=f"{DATA} {shlex.join(command)}",
                    runtime_env={
                        "working_dir": folder,
                        "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)},
                    },
                    metadata={
                        "studies": ", ".join(record["name"] for record in plan.records),
                        "trials": str(len(plan.trials)),
                        "storage": storage,
                    },
                )
            )


def follow(client: Any, job: str, say: Callable[[str], None]) -> Any:
    """Say what the job says until it ends; its JobDetails. Left by Ctrl-C, it goes on."""
    with errors_of(client.get_address()):
        while client.get_job_status(job) == "PENDING":
            time.sleep(POLL_SECONDS)
    shown, over = 0, False
    while not over:
        with errors_of(client.get_address()):
            over = client.get_job_status(job).is_terminal()  # before its log, or its last words were lost
            log = str(client.get_job_logs(job))
        say(log[shown:])
        shown = len(log)
        if not over:
            time.sleep(FOLLOW_SECONDS)
    return ended(client, job)


def stop(client: Any, job: str) -> bool:
    """Stop the job and wait until its trials have saved; False where it had ended before."""
    with errors_of(client.get_address()):
        if client.get_job_status(job).is_terminal():
            return False
        client.stop_job(job)
    ended(client, job)
    return True


def ended(client: Any, job: str) -> Any:
    """The job's details once it has ended."""
    with errors_of(client.get_address()):
        while not (details := client.get_job_info(job)).status.is_terminal():
            time.sleep(POLL_SECONDS)
        return details


def logs(client: Any, job: str) -> str:
    """What the job has said so far."""
    with errors_of(client.get_address()):
        return str(client.get_job_logs(job))


def rows(client: Any) -> list[dict[str, str]]:
    """All jobs, the oldest first, for people and programs; times are local, to the second."""
    return [
        {
            "job": job.submission_id,
            "state": job.status.lower(),
            **{name: (job.metadata or {}).get(name, "") for name in ("studies", "trials", "storage")},
            "started": _time(job.start_time),
            "ended": _time(job.end_time),
        }
        for job in listed(client)
    ]


def _time(milliseconds: int | None) -> str:
    if not milliseconds:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"  # no moment that a calendar has
