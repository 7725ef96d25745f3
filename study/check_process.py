"""What `study check` runs in new processes: steps of a training, and what they left, told as JSON.

Each request is done in a fork of this process, in which the study was loaded and nothing trained. Requests come as
lines of JSON on stdin, answers go to stdout.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from study.declare.data import SharedData
from study.declare.loading import load
from study.declare.study import Study
from study.errors import StudyError, last_line, validated
from study.running.resources import Resources
from study.running.trial_run import TrialRun, add_to_digest
from study.store.cases import Answers
from study.training import Training


def main() -> None:
    """Read what to check, then answer requests until there are none left."""
    told = json.loads(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a training prints is no answer
    study = load(told["study"])
    data = SharedData(Path(told["data_folder"]))
    configs = {
        arm.label: study.config(arm, arm.candidates[0], told["overrides"]) for arm in study.expand()[:50]
    }
    loaded = {label: data.load(study.kind, config) for label, config in configs.items()}
    study.kind.implementation()  # imports what it needs, once for all forks
    if "torch" in sys.modules:
        importlib.import_module("torch._dynamo")  # as the first optimizer would, for seconds, in each of them
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin.buffer:
        print(_in_a_fork(json.loads(line), study, configs, loaded), file=answers)


def _in_a_fork(
    request: dict[str, Any], study: Study, configs: Mapping[str, Any], loaded: Mapping[str, Any]
) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = _answer(request, study.kind, configs, loaded)
        except StudyError as error:
            answer = {"error": " ".join(error.mistakes)}
        except BaseException as error:
            answer = {"error": last_line(error), "traceback": traceback.format_exc()}
        with os.fdopen(writer, "w", encoding="utf-8") as file:
            file.write(json.dumps(answer))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(child, 0)
    return text or json.dumps({"error": "its process ended without a word (out of memory?)"})


def _answer(
    request: dict[str, Any], kind: type[Training], configs: Mapping[str, Any], loaded: Mapping[str, Any]
) -> dict[str, Any]:
    """Do a request: train an arm with a seed for some steps, perhaps after another arm, or from a saved state, or with
    hyperparameters that are changed, from the beginning or `change_at` a step.
    """
    change_at, changed = request.get("change_at"), request.get("changed", {})

    def made(label: str) -> TrialRun:
        config = configs[label] if change_at else _with(configs[label], changed)
        return TrialRun(kind, config, loaded[label], request["seed"], device)

    device = Resources(request["threads"], request["gpus"]).prepare_process()
    if before := request.get("before"):
        other = made(before)
        other.run(request["steps"])
        other.training.close()
    run = made(request["arm"])
    if resume := request.get("resume"):
        run.resume(Path(resume).read_bytes())
    if request.get("last"):
        run.history.step = (run.steps or 1) - 1
    seconds = []
    while run.step < request["until"] and not run.done:
        started = time.perf_counter()
        if run.step == change_at:
            run.training.change(_with(configs[request["arm"]], changed))
        run.run(min(request.get("at_once", 1), request["until"] - run.step))
        seconds.append(time.perf_counter() - started)
    answer: dict[str, Any] = {
        "rows": [{name: value.hex() for name, value in row.items()} for row in rows_of(run)],
        "step": run.step,
        "steps": run.steps,
        "done": run.done,
        "diverged": run.diverged,
        "own_advance": type(run.training).advance is not Training.advance,
        "seconds": seconds,
        "attributes": {
            name: digest for name, value in vars(run.training).items() if (digest := digest_of(value))
        },
    }
    if save := request.get("save"):
        started = time.perf_counter()
        state = run.state()
        answer |= {"save_seconds": time.perf_counter() - started, "state_bytes": len(state)}
        Path(save).write_bytes(state)
    if run.done:
        answer |= cases_of(run)
    run.training.close()
    return answer


def _with(config: Any, changed: Mapping[str, Any]) -> Any:
    return validated(type(config), {**config.model_dump(), **changed}) if changed else config


def rows_of(run: TrialRun) -> Iterator[dict[str, float]]:
    """What each step measured."""
    columns = run.history.columns()
    for place in range(run.step):
        yield {
            name: float(values[0][place])
            for name, values in columns.items()
            if name != "step" and values[1][place]
        }


def cases_of(run: TrialRun) -> dict[str, Any]:
    """Of a trained training: by metric, a digest of the cases that it answers right; and what is wrong with them."""
    try:
        correct = run.correct_cases()
    except Exception as error:
        wrong = error.mistakes if isinstance(error, StudyError) else [last_line(error)]
        return {"cases": {}, "wrong_cases": "; ".join(wrong)}
    contradictions = [
        said for name, answers in correct.items() if (said := _contradiction(run, name, answers))
    ]
    digests = {name: digest_of(answers) for name, answers in correct.items()}
    return {"cases": digests, "wrong_cases": "; ".join(contradictions)}


def _contradiction(run: TrialRun, name: str, answers: Answers) -> str | None:
    """What a metric that is a share of cases (`Metric.cases`) says otherwise than they do."""
    metric, share = run.history.metrics[name], float(answers.mean())
    if not metric.cases:
        return None
    if (n := run.training.facts.get(metric.cases)) != len(answers):
        return f"{name} has {len(answers):,} cases, and facts[{metric.cases!r}] is {n}"
    # Its best value may be that of an earlier step.
    value = run.history.value(name) if metric.counts == "last" else None
    if value is None or abs(value - share) <= max(0.5 / len(answers), 1e-6):  # float32's digits
        return None
    return f"{name} is {value:.9g}, and {share:.9g} of its cases are answered right"


def digest_of(value: Any) -> str | None:
    """sha256 (hex) of what can be compared between processes: numbers, tensors, generators; None of all else."""
    if hasattr(value, "state_dict") and callable(value.state_dict):
        value = value.state_dict()
    elif isinstance(value, random.Random):
        value = value.getstate()
    elif isinstance(value, np.random.Generator):
        value = value.bit_generator.state
    elif hasattr(value, "get_state") and hasattr(value, "initial_seed"):  # torch.Generator
        value = value.get_state()
    if not _is_plain(value):
        return None
    digest = hashlib.sha256()
    add_to_digest(digest, "", value)
    return digest.hexdigest()


def _is_plain(value: Any, depth: int = 0) -> bool:
    if depth > 20:
        return False
    if isinstance(value, Mapping):
        return all(_is_plain(inner, depth + 1) for pair in value.items() for inner in pair)
    if isinstance(value, list | tuple):
        return all(_is_plain(inner, depth + 1) for inner in value)
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    return (
        value is None
        or isinstance(value, bool | int | float | str | bytes | np.generic)
        or hasattr(value, "detach")
    )


if __name__ == "__main__":
    main()
