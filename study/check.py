"""`study check`: proves in new processes, before a long run, that a training keeps what the engine relies on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.declare.study import Study
from study.errors import StudyError
from study.training import Training

STEPS = 20
# Of the steps that are tried, together.
SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One promise, whether it is kept, and what was seen."""

    promise: str
    kept: bool
    said: str


@dataclass(frozen=True)
class Checked:
    """What was found, and what a trial costs: seconds of a step, the steps of a trial where they are known, bytes and
    seconds of a checkpoint (None where it can't be continued), and the seconds of a whole trial that can't be continued
    and was tried to its end. Of such a one, what is seen of its steps says nothing of their cost.
    """

    findings: list[Finding]
    step_seconds: float
    steps: int | None
    state_bytes: int | None
    save_seconds: float | None
    continues: bool
    whole_seconds: float | None

    @property
    def kept(self) -> bool:
        """Whether all promises are."""
        return all(finding.kept for finding in self.findings)


class Process:
    """A new process in which the study is loaded; `ask` trains in a fork of it."""

    def __init__(self, study: Study, overrides: Mapping[str, Any], data_folder: Path, hash_seed: int) -> None:
        # Sets of texts are ordered otherwise in each process, unless this says how.
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        self._process = subprocess.Popen(
            # -P: `-m` would let modules of the current folder go before all others.
            [sys.executable, "-P", "-m", "study.check_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=environment,
        )
        told = {"study": study.source, "overrides": dict(overrides), "data_folder": str(data_folder)}
        self._say(told)

    def _say(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Its next answer. Raises StudyError where it has ended, whose reason stands on stderr."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise StudyError("the training can't be made in a new process; the reason stands above")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise StudyError(answer["error"], *answer.get("traceback", "").splitlines())
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        """Train as asked (study.check_process)."""
        self._say(request)
        return self.hear()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def check(
    study: Study,
    overrides: Mapping[str, Any],
    data_folder: Path,
    threads: int = 1,
    gpus: float = 0.0,
    steps: int | None = None,
) -> Checked:
    """Try the promises on the study's reference arm, with its first candidate.

    steps: how many are tried; by default what fits into some seconds, at most 20.

    Raises StudyError where the training fails outright.
    """
    first = second = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            first, second = (Process(study, overrides, data_folder, seed) for seed in (1, 2))
            for process in (first, second):
                process.hear()
            return _checked(study, first, second, Path(folder), {"threads": threads, "gpus": gpus}, steps)
        finally:
            for process in filter(None, (first, second)):
                process.end()


def _checked(
    study: Study, first: Process, second: Process, folder: Path, share: dict[str, float], steps: int | None
) -> Checked:
    kind, arm = study.kind, study.reference_arm()
    common: dict[str, Any] = {**share, "arm": arm, "seed": 0}
    tried = first.ask(**common, until=2)
    step_seconds = tried["seconds"][-1]
    n = steps or max(2, min(STEPS, int(SECONDS / max(step_seconds, 1e-6))))
    whole, again = first.ask(**common, until=n), second.ask(**common, until=n)
    n = whole["step"]
    findings = [_same("trained twice, it gives the same bits", whole, again)]
    saved: dict[str, Any] = {}
    # What differs between two undisturbed runs, such as a clock, says nothing of a state.
    settled = {
        name for name, digest in whole["attributes"].items() if again["attributes"].get(name) == digest
    }
    if kind.continues:
        plain = "its state is plain data"
        try:
            saved = first.ask(**common, until=n, save=str(folder / "end"))
        except StudyError as error:
            findings.append(Finding(plain, False, error.mistakes[0]))
        else:
            findings.append(Finding(plain, True, ""))
            findings += _continued(kind, first, second, folder, common, whole, settled)
    if study.sampler == "pbt":
        findings += _changed(study, first, second, folder, common, whole)
    if kind.continues and whole["own_advance"]:
        promise = f"asked for {n} steps at once, it gives the same bits as asked for one after the other"
        findings.append(_same(promise, whole, first.ask(**common, until=n, at_once=n)))
    others = [other.label for other in study.expand()[:50] if other.label != arm]
    if others:
        promise = f"after another arm ({others[0]}) in the same process, it gives the same bits"
        findings.append(_same(promise, whole, first.ask(**common, until=n, before=others[0], steps=n)))
    other_seed = second.ask(**{**common, "seed": 1}, until=n)
    differs = _differ(kind, other_seed, whole)
    said = (
        "" if differs else f"seeds 0 and 1 give the same in {n} steps: draw from the seed, or from generators"
    )
    findings.append(Finding("the seed changes something", differs, said))
    findings += _at_the_end(kind, whole, first, common)
    seconds = sorted(whole["seconds"])
    return Checked(
        findings,
        seconds[len(seconds) // 2] if seconds else step_seconds,
        whole["steps"],
        saved.get("state_bytes"),
        saved.get("save_seconds"),
        kind.continues,
        None if kind.continues or not whole["done"] else sum(seconds),
    )


def _continued(
    kind: type[Training],
    first: Process,
    second: Process,
    folder: Path,
    common: dict[str, Any],
    whole: dict[str, Any],
    settled: set[str],
) -> Iterator[Finding]:
    """Saved at several steps, and continued in a new process."""
    n = whole["step"]
    for cut in sorted({1, n // 2, n - 1} - {0, n}):
        promise = f"saved at step {cut} and continued in a new process, it gives the same bits"
        try:
            first.ask(**common, until=cut, save=str(folder / str(cut)))
            later = second.ask(**common, until=n, resume=str(folder / str(cut)))
        except StudyError as error:
            yield Finding(promise, False, error.mistakes[0])
            continue
        attributes = later["attributes"]
        other = sorted(name for name in settled if attributes.get(name) != whole["attributes"][name])
        found = _same(promise, whole, later)
        if other:
            missing = [name for name in other if name not in kind.state]
            named = ", ".join(f"self.{name}" for name in missing or other)
            said = (
                f"{found.said}; {named} went on differently" if found.said else f"{named} went on differently"
            )
            said += f"; is it missing in state = {list(kind.state)}?" if missing else ""
            found = Finding(promise, False, said)
        yield found


def _changed(
    study: Study,
    first: Process,
    second: Process,
    folder: Path,
    common: dict[str, Any],
    whole: dict[str, Any],
) -> Iterator[Finding]:
    """With other hyperparameters from the middle on, as members of a population have them."""
    kind, n = study.kind, whole["step"]
    cut, drawn = n // 2, random.Random(0)
    values = study.space.choose(lambda _, one: one.drawn(drawn))[1]
    said = ", ".join(f"{name}={value}" for name, value in values.items())
    promise = f"changed to {said} at step {cut}, it gives the same bits as made so and continued from there"
    try:
        here = first.ask(**common, until=n, changed=values, change_at=cut)
        first.ask(**common, until=cut, save=str(folder / "change"))
        made = second.ask(**common, until=n, changed=values, resume=str(folder / "change"))
    except StudyError as error:
        yield Finding(promise, False, error.mistakes[0])
        return
    yield _same(promise, here, made)
    differs = _differ(kind, here, whole)
    yield Finding("a change changes something", differs, "" if differs else f"{said} gives the same steps")


def _same(promise: str, one: dict[str, Any], other: dict[str, Any]) -> Finding:
    """Whether both measured the same, to the bit."""
    for place, (left, right) in enumerate(zip(one["rows"], other["rows"], strict=False), start=1):
        for name in left.keys() | right.keys():
            if left.get(name) != right.get(name):
                values = " and ".join(
                    f"{float.fromhex(row[name]):.9g}" if name in row else "nothing" for row in (left, right)
                )
                return Finding(promise, False, f"step {place}: {name} is {values}")
    if len(one["rows"]) != len(other["rows"]):
        return Finding(promise, False, f"it did {len(one['rows'])} steps and {len(other['rows'])}")
    # One that does not know its steps beforehand may have done them all and not its end.
    if "cases" in one and "cases" in other and one["cases"] != other["cases"]:
        return Finding(promise, False, "other cases are answered right")
    return Finding(promise, True, "")


def _differ(kind: type[Training], one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether they measured something else, or are in another state: the first steps may measure nothing."""
    return one["rows"] != other["rows"] or any(
        one["attributes"].get(name) != other["attributes"].get(name) for name in kind.state
    )


def _at_the_end(
    kind: type[Training], whole: dict[str, Any], first: Process, common: dict[str, Any]
) -> Iterator[Finding]:
    """Whether each metric is measured, in the steps that were tried or in the last one, and what is said of cases."""
    promise = "every metric that it declares is measured"
    end, found = whole, {name for row in whole["rows"] for name in row}
    if whole["steps"] and not whole["done"]:
        try:
            end = first.ask(**common, until=whole["steps"], last=True)
            found |= end["rows"][-1].keys()
        except StudyError as error:  # it says so itself, at its end
            yield Finding(promise, False, error.mistakes[0])
            return
    wanted = {metric.series for metric in kind.metrics if not metric.optional}
    missing = sorted(wanted - found)
    said = (
        f"{', '.join(missing)}: neither in the first {whole['step']} steps nor in the last" if missing else ""
    )
    yield Finding(promise, not missing, said)
    if end.get("cases") or end.get("wrong_cases"):
        fits = "the cases that it answers right are told, and fit its metrics"
        yield Finding(fits, not end["wrong_cases"], end["wrong_cases"])


def costs(found: Checked) -> Iterator[str]:
    """What a step, a trial and a checkpoint cost, a line each."""
    whole = (
        ""
        if found.steps is None
        else f"; a trial of {found.steps:,} steps about {_time(found.steps * found.step_seconds)}"
    )
    if found.continues:
        yield f"a step takes {_time(found.step_seconds)}{whole}"
    elif found.whole_seconds is not None:
        yield f"a trial takes about {_time(found.whole_seconds)}"
    if found.state_bytes is not None and found.save_seconds is not None:
        yield f"a checkpoint has {found.state_bytes / 1024:,.0f} KiB and takes {_time(found.save_seconds)}"
    elif not found.continues:
        yield "it can't be continued: a trial that is killed starts anew"


def _time(seconds: float) -> str:
    for most, unit, scale in ((1e-3, "us", 1e6), (1, "ms", 1e3), (120, "s", 1), (7200, "minutes", 1 / 60)):
        if seconds < most:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds / 3600:.3g} hours"
