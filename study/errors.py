"""A mistake of the user, and how it is said."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound="BaseModel")


class StudyError(Exception):
    """A mistake of the user, said in one or two lines per mistake; the command line exits with 2."""

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'width'?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def last_line(error: BaseException) -> str:
    """`ValueError: too many`: the kind and the first line of what a user's own code raised."""
    try:
        said = str(error).strip().partition("\n")[0]
    except Exception:  # its __str__ is the user's own too
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def validated(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """The model with these fields, the others at their defaults.

    Raises StudyError with every mistake at once, each with field, value, what is allowed and the nearest name.
    """
    from pydantic import ValidationError  # `study --help` needs StudyError alone

    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise StudyError(*mistakes_in(error, model)) from None


def _choices(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The words that each field of a few allowed words may have; a union's come from its Literal."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        words = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
        if words:
            found[name] = tuple(map(str, words[0]))
    return found


def mistakes_in(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per field that is wrong, in the words of a user rather than pydantic's.

    A field of a few allowed words may say in `json_schema_extra={"or": ...}` what else it takes.
    """
    lines: dict[str, str] = {}
    for item in error.errors():
        if not item["loc"]:  # from a validator of the whole, which wrote its own lines
            lines |= {line: line for line in str(item["ctx"]["error"]).split("\n")}
            continue
        field, value = str(item["loc"][0]), item["input"]
        if item["type"] == "extra_forbidden":
            lines[field] = f"unknown field {field!r}{did_you_mean(field, model.model_fields)}"
        elif item["type"] == "missing":
            lines[field] = f"{field}: is required"
        elif field in (choices := _choices(model)):
            extra = model.model_fields[field].json_schema_extra
            other = f" or {extra['or']}" if isinstance(extra, dict) and "or" in extra else ""
            near = did_you_mean(value, choices[field]) if isinstance(value, str) else ""
            lines[field] = f"{field} = {value!r}: allowed are {', '.join(choices[field])}{other}{near}"
        else:
            path = ".".join(map(str, item["loc"]))
            said = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
            lines[path] = f"{path} = {value!r}: {said}"
    return list(lines.values())
