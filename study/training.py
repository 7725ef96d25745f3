"""The contract between a training and the engine: all that a user's own training implements.

A training is a class (`Training`), a function (`study.function`) or a command (`study.command`). The engine does
the rest: it seeds every step, keeps curves, saves and continues, notices divergence, and knows each trial by a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from study.errors import StudyError, did_you_mean
from study.metric import Metric
from study.plain import plain, without_negative_zero
from study.state import resumed, saved


class Config(BaseModel):
    """Hyperparameters of a training: typed fields, each with a default, which together are its baseline.

    Unknown names, values of another type and values out of bounds are errors. Bounds are pydantic's:
    `lr: float = Field(0.1, gt=0)`. The seed is not one of them: the engine gives it. Numbers of NumPy and torch become
    Python's, and -0.0 becomes 0.0, so that equal hyperparameters make one trial.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_pythons(cls, value: Any, info: ValidationInfo) -> Any:
        value = plain(value)
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(kind, type) and issubclass(kind, Enum) and value in [one.value for one in kind]:
            return kind(value)  # as JSON has it, and so a grid of texts
        # A list is how a tuple is written in JSON, and so by --set.
        return tuple(value) if type(value) is list and (get_origin(kind) or kind) is tuple else value

    @field_validator("*", mode="after")
    @classmethod
    def _zero_has_no_sign(cls, value: Any) -> Any:
        return without_negative_zero(value)


def added(default: Any, **about: Any) -> Any:
    """The default of a hyperparameter that was added to a training which has results already.

    With this value a trial keeps the key that it had without the hyperparameter, so stored results still count.
    `about` are arguments of pydantic's Field, such as `ge=0`.

    Example: `clip: float | None = study.added(None)`
    """
    return Field(default, json_schema_extra={"added": True}, **about)


@dataclass(frozen=True)
class Cost:
    """What a trial costs, as far as it is known before it runs.

    work: how long it takes, in any unit that all trials of a training share. The longest start first, and the
        time left is estimated from it.
    threads: CPU threads that are worth having, 1 or 2.
    on_a_gpu: trials that share one GPU where nothing could be measured there.
    on_a_cpu: what is said before a run where such a trial gets no GPU: why it is slow there, what to use instead.
    facts: what `study plan` shows of it, such as {"parameters": 3274}.
    """

    work: float = 1.0
    threads: int = 1
    on_a_gpu: int = 1
    on_a_cpu: str = ""
    facts: Mapping[str, int | float] = field(default_factory=dict)


class Training:
    """One trial: made in the process that trains it, then stepped until `steps` steps are done.

    Before `__init__` and before each step the generators of Python, NumPy and torch are seeded from the seed and
    the step. A step may draw from any of them, no generator needs saving, and a seed draws the same in each arm.
    Whatever else lives on from one step to the next is named in `state`; `study check` finds what is missing there.

        class Line(study.Training):
            class Config(study.Config):
                lr: float = 0.1

            metrics = (study.lower("loss"),)
            state = ("weight",)

            def __init__(self, config, data, seed, device):
                self.lr, self.weight, self.steps = config.lr, 0.0, 100

            def step(self, t):
                x = random.random()
                error = self.weight * x - 3 * x
                self.weight -= self.lr * error * x
                return {"loss": error**2}
    """

    Config: ClassVar[type[Config]] = Config
    #: What it measures. The first is the metric of tables and of the effect figure.
    metrics: ClassVar[Sequence[Metric]] = ()
    #: Attributes that a step goes on from: anything with state_dict and load_state_dict, tensors, arrays, plain data.
    state: ClassVar[Sequence[str]] = ()
    #: In the key instead of the source, to be raised by hand whenever the numbers change.
    version: ClassVar[str | None] = None
    #: In the key, in tables and messages; by default the name of the class.
    name: ClassVar[str] = ""
    #: The metric that is followed while a trial runs: in the terminal, by schedulers, in the figure of curves.
    #: By default the first.
    watched: ClassVar[str] = ""
    #: The metric by which an arm's `nuisance` hyperparameters are selected; never the one that is reported.
    selected_by: ClassVar[str] = ""
    #: Hyperparameters that change neither the memory nor the time of a step.
    same_load: ClassVar[Sequence[str]] = ()
    #: Hyperparameters that may change in the middle of a trial, see `change`.
    changes: ClassVar[Sequence[str]] = ()
    #: What its speed counts, see `counted`.
    counts: ClassVar[str] = "steps"
    #: Whether a killed trial continues. If not, it starts anew.
    continues: ClassVar[bool] = True

    #: How many in all, set in `__init__`; None where that shows only at the end. A step that lowers it ends the trial.
    steps: int | None
    #: Numbers for the result that are no metrics: {"parameters": 3274}.
    facts: Mapping[str, int | float] = {}

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        """Build everything on `device`, "cpu" or "cuda", and set `steps`."""

    def step(self, t: int) -> Mapping[str, Any]:
        """Do step t = 0, 1, ... (a batch, a pass, an update) and return what it measured, by metric.

        Values are numbers or scalar tensors; tensors stay on the device until the next report. A value that is
        not finite ends the trial as diverged.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step(self, t)")

    @staticmethod
    def data(*_: Any, **__: Any) -> Any:
        """What trials share: NumPy arrays and plain data, in tuples, lists, dicts or dataclasses.

        Called where the study is planned, once for each combination of the hyperparameters that its parameters
        name; a parameter `folder` gets the data folder (--data-dir). It reaches workers through Ray's object
        store, where arrays are shared without a copy, read-only. Its content is part of the key.
        """
        return None

    @classmethod
    def fingerprint(cls, *_: Any, **__: Any) -> str | None:
        """What stands for the data in the key, for the same arguments as `data`; None hashes what `data` returns."""
        return None

    @classmethod
    def misfits(cls, config: Any, folder: Path) -> Iterable[str]:
        """What in a config can't be trained on its data, a line each; asked before anything runs."""
        return ()

    @classmethod
    def unmeasured(cls, config: Any) -> Mapping[str, str]:
        """Which optional metrics a config does not measure, and what they would need."""
        return {}

    @classmethod
    def files(cls) -> list[Path]:
        """The user's files that it is made of; they travel to a cluster with a job."""
        from study import own_code

        return own_code.files(cls)

    @classmethod
    def plugins(cls, config: Any) -> Iterable[str]:
        """The user's own code that a config names, as "package.module:function"."""
        return ()

    @classmethod
    def cost(cls, config: Any, data: Any = None) -> Cost:
        """What a trial of this config costs; `data` is None where it is not loaded."""
        return Cost()

    @classmethod
    def identity(cls, config: Any) -> Mapping[str, Any]:
        """What of the training itself is part of a trial's key: its name, and its version or its source."""
        from study import own_code

        source = {"source": own_code.meaning_sha256(cls)} if cls.version is None else {"version": cls.version}
        return {"training": cls.called(), **source}

    @classmethod
    def former_identities(cls, config: Any) -> Iterable[Mapping[str, Any]]:
        """Identities under which earlier versions stored the same trials; their results count."""
        return ()

    @classmethod
    def implementation(cls) -> type[Training]:
        """The class whose instances train: another one where that imports what planning should not wait for."""
        return cls

    @classmethod
    def called(cls) -> str:
        """Its name; that of a class which it is based on is not its own."""
        return cls.__dict__.get("name") or cls.__name__

    @classmethod
    def metric(cls, name: str) -> Metric:
        """Its metric of this name."""
        return next(metric for metric in cls.metrics if metric.name == name)

    def advance(self, t: int, n: int, seed_step: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
        """Do up to n steps from step t on; yields what each measured. A class that wants full speed overrides it.

        `seed_step(t)` seeds the generators for step t. It must give the same numbers as `step` would.
        """
        for i in range(t, t + n):
            if self.steps is not None and i >= self.steps:  # the step before ended the trial early
                return
            seed_step(i)
            yield self.step(i)

    def change(self, config: Any) -> None:
        """Go on with this config, in which hyperparameters that `changes` names are others: as members of a population
        do (sampler "pbt").

        It must come to the same as a training that is made with this config and goes on from this one's `state_dict`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no change(self, config), and names changes")

    def counted(self, t: int) -> int:
        """How many of what `counts` names the first t steps take."""
        return t

    def state_dict(self) -> dict[str, Any]:
        """All that `step` goes on from. It is saved as tensors and plain data, and loaded without running code."""
        if missing := [name for name in self.state if not hasattr(self, name)]:
            raise StudyError(
                *(
                    f"state names {name!r}, which {type(self).__name__} has not{did_you_mean(name, vars(self))}: "
                    "set it in __init__"
                    for name in missing
                )
            )
        kept = {name: getattr(self, name) for name in self.state}
        return {name: saved(value) for name, value in kept.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there, in a training just made of the same config, data and seed.

        Raises ValueError where it has other attributes than `state` names. A tensor comes to the device of the one
        that it replaces; one that is trained stays the same object, to which its optimizer refers.
        """
        if state.keys() != set(self.state):
            raise ValueError(f"it has {', '.join(sorted(state)) or 'nothing'}")
        for name, value in state.items():
            mine = getattr(self, name)
            if (now := resumed(mine, value)) is not mine:
                setattr(self, name, now)

    def most_state_bytes(self) -> int:
        """What no state of this trial exceeds; a larger checkpoint is not saved, and none is read.

        By default 64 MiB and 16 times what the state takes at the start. Override it for a state that grows more.
        """
        return 64 * 1024**2 + 16 * _bytes_of(self.state_dict())

    def former_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """A checkpoint of an earlier version as one of today. Raises ValueError where that can't be."""
        raise ValueError("it has no history")

    def weights(self) -> Mapping[str, Any]:
        """What tells two trained trials apart to the bit; by default all of the state."""
        return self.state_dict()

    def correct_cases(self) -> Mapping[str, Any]:
        """Which cases of its test set it answers right; called once, when all steps are done and it did not diverge.

        Returns by metric an array or a tensor bool [N], one value for each of N cases: the same cases in the same order
        in each trial, so that arms can be compared case by case. The generators are seeded before, as before a step.
        """
        return {}

    def provenance(self) -> Mapping[str, Any]:
        """What to note of how this trial was trained, besides hardware and versions."""
        return {}

    def close(self) -> None:
        """Called when the trial ends or is interrupted: stop what still runs."""


def _bytes_of(value: Any) -> int:
    """About what a value takes as plain data."""
    if isinstance(value, Mapping):
        return sum(64 + _bytes_of(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return sum(map(_bytes_of, value))
    return int(getattr(value, "nbytes", 16))
