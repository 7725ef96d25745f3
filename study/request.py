"""What `study.run` is asked for, checked before anything is read or trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from upath import UPath

from study.declare.loading import load
from study.declare.study import Study
from study.errors import StudyError, mistakes_in
from study.plain import plain
from study.store.records import MOST_NAME_BYTES, STUDY_NAME

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
    budget: Number | None
    sampler: str | None

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise StudyError(*mistakes_in(error, type(self))) from None


def studies_of(given: tuple[Any, ...]) -> list[Study]:
    """Each once, as a study with a name: itself, or that of a file or a name. Raises StudyError for anything else."""
    for one in given:
        if not isinstance(one, Study | str | Path):
            hint = "; give each study as an argument of its own: study.run(*studies)"
            raise StudyError(
                f"study.run: {repr(one)[:60]} is no study: give a Study, a file or a name"
                f"{hint if isinstance(one, list | tuple | set) else ''}"
            )
    once = {id(one) if isinstance(one, Study) else str(one): one for one in given}
    return [_named(one) if isinstance(one, Study) else load(one) for one in once.values()]


def _named(study: Study) -> Study:
    """One that comes from no file is called as its title: `Network Width` -> `network_width`."""
    if study.name:
        return study
    name = re.sub(r"\W+", "_", study.title).strip("_").lower()
    if not re.fullmatch(STUDY_NAME, name) or len(name.encode()) > MOST_NAME_BYTES:
        raise StudyError(
            f"title = {study.title!r}: the study's files are called as its title, which must have letters or digits, "
            "and at most 100 characters then; or load the study from a file, whose name it has."
        )
    return study.called(name)
