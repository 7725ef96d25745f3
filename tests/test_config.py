"""ImageConfig says every mistake at once, in words a user can act on."""

from __future__ import annotations

from typing import Any

import pytest

from study import StudyError
from study.errors import validated
from study.images import ImageConfig


def mistakes(**fields: Any) -> str:
    with pytest.raises(StudyError) as error:
        validated(ImageConfig, fields)
    return str(error.value)


def test_defaults_are_the_reports_baseline() -> None:
    config = ImageConfig()
    assert (config.width, config.conv_layers, config.kernel_size, config.fc_layers) == (50, 2, 3, 1)
    assert (config.optimizer, config.lr, config.momentum, config.batch_size, config.epochs) == (
        "sgd",
        0.1,
        0,
        128,
        1,
    )


def test_all_mistakes_are_said_at_once_with_field_value_and_what_is_allowed() -> None:
    said = mistakes(width=-1, lr=float("nan"), optimizer="sdg", widht=3)
    assert "width = -1: should be greater than or equal to 1" in said
    assert "lr = nan: should be a finite number" in said
    assert "optimizer = 'sdg': allowed are sgd, adagrad" in said
    assert "did you mean 'sgd'?" in said
    assert "unknown field 'widht'; did you mean 'width'?" in said


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0), ("width", 2.5), ("width", "50"), ("width", True), ("kernel_size", -3),
        ("kernel_size", 4),
        ("conv_layers", 0), ("conv_layers", 5), ("fc_layers", 0), ("fc_width", 0), ("dropout", 1.0),
        ("dropout", 0.5), ("lr", 0), ("lr", -0.1), ("lr", float("inf")), ("momentum", 1), ("momentum", -0.5),
        ("weight_decay", -1), ("batch_size", 0), ("epochs", 0), ("precision", "float16"),
        ("dataset", "cifar"), ("model", "vgg"), ("model", "no-module:function"), ("loss", "mse"),
        ("label_smoothing", 1), ("validation_size", -1), ("nesterov", True),
    ],
)  # fmt: skip
def test_a_value_out_of_range_names_its_field(field: str, value: Any) -> None:
    assert f"{field} = {value!r}" in mistakes(**{field: value})


def test_momentum_without_an_optimizer_that_has_it_is_an_error() -> None:
    assert "adam has none" in mistakes(optimizer="adam", momentum=0.9)


def test_a_plugin_is_named_by_module_and_function() -> None:
    assert ImageConfig(model="package.module:network").model == "package.module:network"


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ImageConfig().width = 3
