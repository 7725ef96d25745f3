"""How to run a study, as opposed to what: one validated model for the command line, `study.running` and jobs."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from study.errors import StudyError, mistakes_in
from study.plain import plain


class Options(BaseModel):
    """How to run. None means automatic.

    cpus_per_trial: cores of a trial, a whole number.
    gpus_per_trial: GPUs of a trial, whole ones or a fraction up to 1; "auto" (or None) measures.
    max_concurrent: trials that run at once, at most.
    address: of a running Ray cluster; without one, Ray is started here for the time of the run.
    checkpoint_every: running trials are saved this often, in seconds.
    trial_timeout: seconds after which one attempt at a trial fails.
    max_failures: how often a trial whose process was lost is started again. An error that the trial itself raises is
        not tried again.
    scheduler: "asha", "hyperband" or "median" stops trials early that fall behind in the metric that the training
        watches.
    tensorboard: write TensorBoard's event files into the storage.
    keep_weights: keep each trial's state after its last step, for `study.trained`.
    in_process: train one trial after the other in this process, without Ray: for debuggers, and for small studies.

    A result is the same to the bit on the same device with the same number of threads, to rounding elsewhere. Raises
    StudyError, listing every mistake, when it is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    max_concurrent: Annotated[int, Field(ge=1)] | None = None
    address: str | None = None
    checkpoint_every: Annotated[float, Field(ge=0)] = 10.0
    trial_timeout: Annotated[float, Field(gt=0)] | None = None
    max_failures: Annotated[int, Field(ge=0)] = 2
    scheduler: Literal["asha", "hyperband", "median"] | None = None
    tensorboard: bool = False
    keep_weights: bool = False
    in_process: bool = False

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise StudyError(*mistakes_in(error, type(self))) from None

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_pythons(cls, given: Any) -> Any:
        return plain(given)

    @field_validator("gpus_per_trial", mode="before")
    @classmethod
    def _auto_or_a_number(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        try:
            number = None if given == "auto" else float(given)  # the command line's word
        except ValueError:
            return given
        return number if number is None or math.isfinite(number) else given

    @field_validator("gpus_per_trial")
    @classmethod
    def _gpus_can_be_given(cls, given: float | None) -> float | None:
        if given is not None and not (given >= 0 and (given <= 1 or given % 1 == 0)):
            raise ValueError("give auto, 0, a fraction up to 1, or whole GPUs")
        return given

    @field_validator("cpus_per_trial")
    @classmethod
    def _cores_are_whole(cls, given: float | None) -> float | None:
        if given is not None and not (given >= 1 and given % 1 == 0):
            raise ValueError("give a whole number of cores, 1 or more")
        return given
