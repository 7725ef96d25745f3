"""A command line as a training: a script of one's own, unmodified, run as a process for each trial.

It can't be continued in the middle: a trial that is killed starts anew.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import string
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import create_model
from pydantic.fields import FieldInfo

from study.errors import StudyError, did_you_mean
from study.meaning import imported_files, meaning_of_file
from study.metric import Metric
from study.plain import plain
from study.process import Process
from study.training import Config, Training

# Placeholders of a command that are no hyperparameters.
GIVEN = ("seed", "device", "scratch")


def command(
    line: str,
    *metrics: Metric,
    config: Mapping[str, Any] | None = None,
    read: Mapping[str, str] | None = None,
    metrics_file: str = "",
    files: Iterable[str] = (),
    name: str = "",
    watched: str = "",
    version: str | None = None,
) -> type[Training]:
    """A training that runs a command for each trial.

    line: the command with placeholders: hyperparameters, {seed}, and, where it wants them, {device} ("cpu" or "cuda")
        and {scratch}, a folder that is removed afterwards. It runs without a shell, in the folder where `study` runs;
        `python` is the Python that runs `study`.
    metrics: what it measures. It prints them as JSON, one line for each step: {"loss": 0.3}.
    config: its hyperparameters with their defaults, which say their types; a default may be pydantic's Field.
    read: for what prints no JSON, a regular expression for each metric, whose group is the number: {"loss":
        r"loss = (\\S+)"}. A line in which one is found is a step.
    metrics_file: a file to which it writes such JSON lines instead of printing them: "{scratch}/metrics.jsonl".
    files: files that it reads besides, so that a trial's key depends on them. A script that stands in the command
        does, with what it imports from beside it.
    name, watched, version: as in `Training`.

    The process has OMP_NUM_THREADS and CUDA_VISIBLE_DEVICES for its share of the machine. Where it fails, its exit
    code and its last lines are the trial's error.

        study.command("python train.py --lr {lr} --seed {seed}", study.lower("val_loss"), config={"lr": 0.1})

    Raises StudyError, listing every mistake.
    """
    read = dict(read or {})
    config = {key: plain(value) for key, value in (config or {}).items()}
    mistakes = [*_mistakes(line, metrics, config, read, metrics_file)]
    if mistakes:
        raise StudyError(*mistakes)
    fields = {key: (type(_default(value)), value) for key, value in config.items()}
    called = name or _name_of(line)
    made: Any = create_model(f"{called}_config", __base__=Config, **fields)  # type: ignore[call-overload]
    return type(
        called,
        (CommandTraining,),
        {
            "Config": made,
            "metrics": metrics,
            "name": called,
            "watched": watched,
            "version": version,
            "line": line,
            "read": read,
            "metrics_file": metrics_file,
            "more_files": tuple(files),
            "folder": Path.cwd(),
        },
    )


def _mistakes(
    line: str,
    metrics: Iterable[Metric],
    config: Mapping[str, Any],
    read: Mapping[str, str],
    metrics_file: str,
) -> Iterator[str]:
    try:
        words = shlex.split(line)
        named = {name for text in (*words, metrics_file) for name in _placeholders(text)}
    except ValueError as error:
        yield f"command {line!r}: {error}"
        return
    if not words:
        yield "command: give a command line, such as 'python train.py --lr {lr} --seed {seed}'"
    for name in sorted(named - config.keys() - set(GIVEN)):
        near = did_you_mean(name, [*config, *GIVEN])
        yield f"command: {{{name}}} is no hyperparameter of config{near}; write {{{{ and }}}} for braces"
    for name in config.keys() - named:
        yield f"command: the hyperparameter {name} stands nowhere in it: {{{name}}}"
    if "seed" not in named:
        yield "command: {seed} stands nowhere in it, so all seeds would train the same; `env SEED={seed} ...` works too"
    for name in sorted({"seed", *GIVEN} & config.keys()):
        yield f"command: config has {name!r}, which the engine gives"
    for name, value in config.items():
        if not isinstance(_default(value), bool | int | float | str):
            yield f"command: config[{name!r}] = {_default(value)!r}: give a number, a text, True or False"
    names = [metric.name for metric in metrics if not metric.of]
    for name, pattern in read.items():
        if name not in names:
            yield f"command: read has {name!r}, which is no metric{did_you_mean(name, names)}"
        try:
            if re.compile(pattern).groups != 1:
                yield f"command: read[{name!r}] needs one group, the number: {pattern!r}"
        except re.error as error:
            yield f"command: read[{name!r}] is no regular expression: {error}"


def _placeholders(text: str) -> Iterator[str]:
    """The names in braces. Raises ValueError where the braces are wrong."""
    for _, name, _, _ in string.Formatter().parse(text):
        if name is not None:
            if not name.isidentifier():
                raise ValueError(f"{{{name}}} is no name; write {{{{ and }}}} for braces")
            yield name


def _default(value: Any) -> Any:
    return value.default if isinstance(value, FieldInfo) else value


def _name_of(line: str) -> str:
    """`python3.12 train.py --lr {lr}` -> train"""
    words = shlex.split(line)
    script = next((word for word in words if _ending(word)), words[0])
    return re.sub(r"\W+", "_", Path(script).name.removesuffix(_ending(script))).strip("_") or "command"


def _ending(word: str) -> str:
    """`.py` of `train.py`, nothing of `python3.12`: a number after a dot belongs to the name."""
    ending = Path(word).suffix
    return ending if ending[1:2].isalpha() else ""


class CommandTraining(Training):
    """A process whose lines are steps."""

    continues = False
    line: ClassVar[str]
    read: ClassVar[Mapping[str, str]]
    metrics_file: ClassVar[str]
    more_files: ClassVar[tuple[str, ...]]
    folder: ClassVar[Path]

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps = None
        try:
            self._scratch = tempfile.mkdtemp(prefix="study-scratch-")
        except OSError as error:  # names the folders that were tried
            raise StudyError(
                f"No folder for temporary files can be used: {error.strerror or error}. Set TMPDIR to one."
            ) from None
        self._values = {**config.model_dump(), "seed": seed, "device": device, "scratch": self._scratch}
        self._process: Process | None = None

    def advance(self, t: int, n: int, seed_step: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
        """Up to n lines that measure something."""
        names = {metric.series for metric in self.metrics}
        if self._process is None:
            words = [word.format(**self._values) for word in shlex.split(self.line)]
            if words[0] in ("python", "python3"):
                words[0] = sys.executable
            file = Path(self.folder, self.metrics_file.format(**self._values)) if self.metrics_file else None
            self._process = Process(words, self.folder if self.folder.is_dir() else Path.cwd(), file)
        rows = self._process.rows(names, {name: re.compile(pattern) for name, pattern in self.read.items()})
        for i in range(t, t + n):
            row = next(rows, None)
            if row is None:
                self.steps = i
                if i == 0:
                    hint = (
                        "read={...} reads other lines than JSON"
                        if not self.read
                        else "no line has what `read` names"
                    )
                    raise StudyError(
                        f"{self.called()} ended without a line that measures {_listed(names)}; {hint}"
                    )
                return
            yield row

    def close(self) -> None:
        """End the process and all that it left."""
        if self._process is not None:
            self._process.end()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @classmethod
    def identity(cls, config: Any) -> Mapping[str, Any]:
        """The command and what its scripts mean, or the version in place of these."""
        if cls.version is not None:
            return {"training": cls.called(), "version": cls.version}
        digest = hashlib.sha256()
        for path in cls.files():
            digest.update(meaning_of_file(path))
        return {"training": cls.called(), "command": cls.line, "source": digest.hexdigest()}

    @classmethod
    def files(cls) -> list[Path]:
        """The scripts in the command, what they import from beside them, and the files that it names besides."""
        scripts = [cls.folder / word for word in shlex.split(cls.line)]
        found = dict.fromkeys(cls.folder / name for name in cls.more_files)
        for path in found:
            if not path.is_file():
                raise StudyError(f"{cls.called()}: files names {path}, where there is no file.")
        for script in filter(Path.is_file, scripts):
            found[script] = None
            if script.suffix == ".py":
                found |= dict.fromkeys(imported_files(script, script.parent))
        return list(found)


def _listed(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))
