"""TrialConfig: every hyperparameter of one training, validated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from study.errors import StudyError, mistakes_in

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "qmnist", "digits"]
ModelName = Literal["cnn", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
OptimizerName = Literal["sgd", "adagrad", "adam", "adamw", "rmsprop"]

# "package.module:function" names a user's own network or data.
PLUGIN = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
IMAGE_SIZE = 28
MOST = 2**31 - 1


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
