"""What `study.run` is asked for, checked before anything is read or trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from upath import UPath

from study.declare.loading import load
from study.declare.study import Study
from study.errors import StudyError, mistakes_in
from study.plain import plain

# NumPy's integers are whole numbers too; True and "3" are none.
Number = Annotated[int, BeforeValidator(plain), Field(ge=1)]


def _is_place(given: Any) -> Any:
    if not isinstance(given, str | Path | UPath):
        raise ValueError("give a text or a Path")
    return given


Place = Annotated[Any, AfterValidator(_is_place)]


class Request(BaseModel):
    """The arguments of `study.run` besides the studies and `Options`. Raises StudyError, listing every mistake."""

    model_config = ConfigDict(strict=True, extra="forbid")

    seeds: Number | None
    storage: Place | None
    data_dir: Place | None
    overrides: Mapping[str, Any] | None
    fresh: bool
    progress: bool
    until_decided: bool
    max_seeds: Number | None

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise StudyError(*mistakes_in(error, type(self))) from None


def studies_of(given: tuple[Any, ...]) -> list[Study]:
    """Each as a study: itself, or that of a file or a name. Raises StudyError for anything else."""
    for one in given:
        if not isinstance(one, Study | str | Path):
            hint = "; give each study as an argument of its own: study.run(*studies)"
            raise StudyError(
                f"study.run: {repr(one)[:60]} is no study: give a Study, a file or a name"
                f"{hint if isinstance(one, list | tuple | set) else ''}"
            )
    return [one if isinstance(one, Study) else load(one) for one in given]
