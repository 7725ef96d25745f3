"""TrialConfig: every hyperparameter of one training, validated; and how a mistake in it is said."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "qmnist", "digits"]
ModelName = Literal["cnn", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
OptimizerName = Literal["sgd", "adagrad", "adam", "adamw", "rmsprop"]

# "package.module:function" names a user's own network or data.
PLUGIN = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
IMAGE_SIZE = 28
MOST = 2**31 - 1


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


class TrialConfig(BaseModel):
    """One training as a pure function of its hyperparameters and its seed.

    The defaults are the report's baseline (its Figure 1). What the report does not say is inferred by
    training, with the evidence in docs/recipe.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    dataset: DatasetName | Annotated[str, Field(pattern=f"^{PLUGIN}$")] = "mnist"
    model: ModelName | Annotated[str, Field(pattern=f"^{PLUGIN}$")] = "cnn"
    width: Annotated[int, Field(ge=1, le=4096, description="channels of the first convolution")] = 50
    conv_layers: Annotated[int, Field(ge=1, description="convolutions, each halves the image")] = 2
    kernel_size: Annotated[int, Field(ge=1, le=27, description="of every convolution; odd")] = 3
    fc_layers: Annotated[int, Field(ge=1, le=64, description="linear layers, the last gives the classes")] = 1
    fc_width: Annotated[int, Field(ge=1, le=65536, description="units of a hidden linear layer")] = 256
    dropout: Annotated[float, Field(ge=0, lt=1, description="between linear layers")] = 0.0
    loss: Literal["cross_entropy", "balanced_cross_entropy"] = "cross_entropy"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    optimizer: OptimizerName = "sgd"
    lr: Annotated[float, Field(gt=0)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1, description="of sgd and rmsprop")] = 0.0
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    batch_size: Annotated[int, Field(ge=1, le=MOST)] = 128
    epochs: Annotated[int, Field(ge=1, le=MOST)] = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    validation_size: Annotated[int, Field(ge=0, description="images held out of the training set")] = 0
    seed: Annotated[int, Field(ge=0, le=MOST)] = 0

    @model_validator(mode="after")
    def _fields_fit_together(self) -> TrialConfig:
        mistakes = []
        if IMAGE_SIZE >> self.conv_layers == 0:
            mistakes.append(
                f"conv_layers = {self.conv_layers}: each convolution is followed by a 2x2 pool, "
                f"and the fifth would shrink the {IMAGE_SIZE}x{IMAGE_SIZE} image away; allowed: 1 to 4"
            )
        if self.kernel_size % 2 == 0:
            mistakes.append(f"kernel_size = {self.kernel_size}: must be odd, so that padding keeps the size")
        if self.dropout and self.fc_layers < 2:
            mistakes.append(
                f"dropout = {self.dropout}: acts between linear layers, so fc_layers must be >= 2"
            )
        if self.momentum and self.optimizer not in ("sgd", "rmsprop"):
            mistakes.append(f"momentum = {self.momentum}: {self.optimizer} has none; set it to 0")
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            mistakes.append("nesterov = True: needs optimizer 'sgd' and a momentum above 0")
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    @classmethod
    def checked(cls, where: str = "", **fields: Any) -> TrialConfig:
        """The config with these fields, the others at their defaults.

        Raises StudyError with every mistake at once, each with field, value, what is allowed and the
        nearest name; `where` is put before each.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise StudyError(*(f"{where}{mistake}" for mistake in mistakes_in(error, cls))) from None


def _choices(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The words that each field of a few allowed words may have; a union's come from its Literal."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        words = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
        if words:
            found[name] = words[0]
    return found


def mistakes_in(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per field that is wrong, in the words of a user rather than pydantic's."""
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
            plugin = " or 'package.module:function'" if field in ("dataset", "model") else ""
            near = did_you_mean(value, choices[field]) if isinstance(value, str) else ""
            lines[field] = f"{field} = {value!r}: allowed are {', '.join(choices[field])}{plugin}{near}"
        else:
            path = ".".join(map(str, item["loc"]))
            said = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
            lines[path] = f"{path} = {value!r}: {said}"
    return list(lines.values())
