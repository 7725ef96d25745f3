"""Studies as runs of Weights & Biases: one for each trial that ended, those of an arm in a group.

The id of a run is made from its project, study, arm and key, so that an export that is repeated goes on with the run
that is there. Without a connection (WANDB_MODE=offline) the runs are files in ./wandb, which `wandb sync` sends.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.store.files import StorageError
from study.store.records import Damaged

from .results import Results
from .series import Series
from .trackers import TrialRun, fingerprint, not_installed, trial_runs

# In the folder of a run that is a file, once it is whole; and in the summary of any run.
WHOLE_FILE, WHOLE = "study-exported.txt", "study_exported"
MOST_POINTS = 2500
MOST_IN_NAME = 128


def write(results: Results, project: str | None = None) -> Iterator[str]:
    """Export all studies that were loaded; after each, what was done, as a line.

    Each goes to a project of its name; into one `project`, groups have the study's name before the arm's. Only what is
    new is written. Raises StudyError where wandb refuses.
    """
    # One that is set stays. wandb tells its makers of its errors otherwise.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError:
        raise not_installed("wandb") from None
    try:
        here = wandb.setup().settings
        if here.mode == "disabled":
            raise StudyError("WANDB_MODE=disabled: wandb would write nothing. offline writes files.")
        files = Path(here.wandb_dir) if here.mode in ("offline", "dryrun") else None
        for study in results.studies:
            yield _study(results, study, project, files)
    except (wandb.Error, OSError) as error:
        said = (str(error).strip() or type(error).__name__).split("\n")[0]
        raise StudyError(f"study export wandb: {said}") from None


def _study(results: Results, study: str, project: str | None, files: Path | None) -> str:
    """`files` is the folder where wandb writes runs as files, None where it sends them."""
    n = new = 0
    for run in trial_runs(results, study):
        try:
            series = run.series(MOST_POINTS)
        except (Damaged, StorageError) as problem:
            results.problems.append(str(problem))
            continue
        n += 1
        new += _write_trial(run, series, project, files)
    if not n:
        return f"{study}: no trial has ended yet"
    sends = f"; `wandb sync {files}/offline-run-*` sends them" if files else ""
    return f"{study}: {n} runs, {new} of them new, in the project {project or study!r}{sends}"


def _write_trial(run: TrialRun, series: dict[str, Series], project: str | None, files: Path | None) -> bool:
    """Whether there was something new."""
    import wandb

    name = fingerprint([project, run.study, run.arm, run.tuned, run.key])[:16]
    if files and _is_whole(files, name, run.made_from):
        return False
    settings = wandb.Settings(
        silent=True,
        console="off",
        # When it was trained, from which wandb counts the duration; and nothing of the machine that exports.
        x_start_time=run.started or None,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        disable_git=True,
        disable_code=True,
    )
    made = wandb.init(
        project=project or run.study,
        id=name,
        name=run.name[:MOST_IN_NAME],
        group=(f"{run.study}: {run.group}" if project else run.group)[:MOST_IN_NAME],
        job_type="trial",
        tags=[run.result["status"]],
        config={**_nested(run.about), "facts": run.result["facts"], **run.hyperparameters},
        resume=None if files else "allow",
        settings=settings,
    )
    is_new = bool(made.summary.get(WHOLE) != run.made_from)
    if is_new:
        for step, row in rows(run, series, made.starting_step):
            made.log(row, step=step)
        # What a trial counts as may be its best value or the mean of the last ones, where wandb takes the last one.
        made.summary.update({**run.metrics, WHOLE: run.made_from})
    made.finish()
    if files:
        Path(made.settings.sync_dir, WHOLE_FILE).write_text(run.made_from, encoding="utf-8")
    return is_new


def _nested(about: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`study.key` as `key` in `study`: wandb takes a dot in a name for such a step."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in about.items():
        outer, _, inner = name.partition(".")
        found[outer][inner] = value
    return dict(found)


def rows(run: TrialRun, series: dict[str, Series], first: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """From step `first` on, before which the run has what an earlier export sent: each step and what it measured."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for name, (steps, values) in series.items():
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            found[step][name] = value
    for step in sorted(step for step in found if step >= first):
        yield step, {**found[step], "_timestamp": run.at(step)}


def _is_whole(files: Path, name: str, made_from: str) -> bool:
    """Whether the run is a file already. Removes what a killed export left of it, or was made from another result."""
    for folder in files.glob(f"offline-run-*-{name}"):
        whole = folder / WHOLE_FILE
        if whole.is_file() and whole.read_text(encoding="utf-8") == made_from:
            return True
        shutil.rmtree(folder)
    return False
