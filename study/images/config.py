"""ImageConfig: every hyperparameter of the report's training, validated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from study.training import Config

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "qmnist", "digits", "cifar10"]
ModelName = Literal["cnn", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
OptimizerName = Literal["sgd", "adagrad", "adam", "adamw", "rmsprop"]

# "package.module:function" names a user's own network or data.
PLUGIN = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
OWN: dict[str, Any] = {"or": "'package.module:function'"}
# Pixels to a side of the data sets that we know.
SIZES = {"mnist": 28, "fashion_mnist": 28, "kmnist": 28, "qmnist": 28, "digits": 28, "cifar10": 32}
MOST = 2**31 - 1


class ImageConfig(Config):
    """Hyperparameters of a network that learns to tell images apart.

    The defaults are the report's baseline (its Figure 1). What the report does not say is inferred by training, with
    the evidence in docs/recipe.md.
    """

    dataset: DatasetName | Annotated[str, Field(pattern=f"^{PLUGIN}$")] = Field(
        "mnist", json_schema_extra=OWN
    )
    model: ModelName | Annotated[str, Field(pattern=f"^{PLUGIN}$")] = Field("cnn", json_schema_extra=OWN)
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

    @model_validator(mode="after")
    def _fields_fit_together(self) -> ImageConfig:
        mistakes = []
        if size := SIZES.get(self.dataset):
            mistakes += too_deep(self.conv_layers, size)
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


def too_deep(conv_layers: int, size: int) -> list[str]:
    """What is wrong with so many convolutions, each of which halves images of `size` pixels to a side."""
    if size >> conv_layers:
        return []
    most = size.bit_length() - 1
    return [
        f"conv_layers = {conv_layers}: each convolution is followed by a 2x2 pool, and so many would shrink the "
        f"{size}x{size} image away; allowed: 1 to {most}"
    ]
