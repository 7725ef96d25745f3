"""A Study expands to arms and configs, and refuses whatever does not fit together."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from ray import tune

from study import Config, Study, StudyError, Training, about_published, increasing, lower


def mistakes(**fields: Any) -> str:
    with pytest.raises(StudyError) as error:
        Study(**{"title": "T", **fields})
    return str(error.value)


def test_one_grid_labels_its_arms_by_value() -> None:
    study = Study(title="Width", scientific={"width": tune.grid_search([12, 25])})
    assert [(arm.label, arm.overrides) for arm in study.expand()] == [
        ("12", {"width": 12}),
        ("25", {"width": 25}),
    ]


def test_several_grids_make_their_product() -> None:
    study = Study(
        title="T", scientific={"width": tune.grid_search([1, 2]), "lr": tune.grid_search([0.1, 1.0])}
    )
    assert [arm.label for arm in study.expand()] == [
        "width=1, lr=0.1", "width=1, lr=1.0", "width=2, lr=0.1", "width=2, lr=1.0"
    ]  # fmt: skip


def test_overrides_change_what_no_arm_sets() -> None:
    study = Study(title="T", scientific={"width": tune.grid_search([7])}, fixed={"lr": 0.5})
    config = study.config(study.expand()[0], {}, {"epochs": 4})
    assert (config.width, config.lr, config.epochs) == (7, 0.5, 4)


def test_what_an_arm_sets_cannot_be_set_for_all() -> None:
    study = Study(title="T", scientific={"width": tune.grid_search([7])}).called("w")
    with pytest.raises(StudyError, match="w: width is what its arms set"):
        study.config(study.expand()[0], {}, {"width": 9})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "give either scientific={...} or arms={...}"),
        ({"scientific": {"width": tune.grid_search([1])}, "arms": {"a": {}}}, "give either"),
        ({"scientific": {"width": tune.grid_search([])}}, "width: the grid is empty"),
        ({"scientific": {"width": [1, 2]}}, "use tune.grid_search"),
        ({"scientific": {"widht": tune.grid_search([1])}}, "'widht'; did you mean 'width'?"),
        ({"scientific": {"seed": tune.grid_search([1])}}, "seed is chosen at the start"),
        ({"scientific": {"width": tune.grid_search([1, 1])}}, "arm '1' occurs twice"),
        ({"scientific": {"width": tune.grid_search([-5])}}, "arm '-5': width = -5"),
        ({"scientific": {f: tune.grid_search([0.1] * 101) for f in ("lr", "dropout", "weight_decay")}},
         "1,030,301 arms; at most 1,000,000"),
        ({"arms": {"a": {"conv_layers": 6}}}, "would shrink the 28x28 image away"),
        ({"arms": {"a": {}}, "fixed": {"lr": -1}}, "fixed: lr = -1"),
        ({"arms": {"a": {}}, "published": {"b": 90}}, "published: no arm 'b'"),
        ({"arms": {"a": {}}, "published": {"a": 101}}, "101.0 is not a percentage"),
        ({"arms": {"a": {}}, "published": {"a": {"test_accurracy": 9}}}, "did you mean 'test_accuracy'?"),
        ({"arms": {"arm": {}}, "claims": [increasing("test_accuracy", "s", "amr")]}, "did you mean 'arm'?"),
        ({"arms": {"arm": {}}, "claims": [increasing("test_accuracy", "s")]}, "there is only 'arm'"),
        ({"arms": {"arm": {}}, "claims": [about_published("s")]}, "no published value for 'arm'"),
        ({"arms": {1: {}, "1": {"lr": 1}}}, "arm '1' occurs twice"),
        ({"arms": {"a": {}, "b": {"lr": 0.1}}}, "arm 'b' trains the same as arm 'a'"),
        ({"scientific": {"width": tune.grid_search(5)}}, "use tune.grid_search([...])"),
        ({"scientific": {"lr": tune.grid_search([1])}, "fixed": {"lr": 6}}, "is what scientific varies"),
        ({"arms": {"a": {}}, "titel": "x"}, "'titel'; did you mean 'title'?"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(fields: dict[str, Any], said: str) -> None:
    assert said in mistakes(**fields)


def test_a_mistake_in_fixed_is_said_once_not_per_arm() -> None:
    assert mistakes(arms={"a": {}, "b": {}}, fixed={"lr": -1}).count("lr = -1") == 1


def test_what_fixed_says_for_one_arm_only_is_that_arms_mistake() -> None:
    arms = {"sgd": {}, "adam": {"optimizer": "adam"}}
    with pytest.raises(StudyError) as raised:
        Study(title="T", arms=arms, fixed={"momentum": 0.9})
    assert raised.value.mistakes == ("arm 'adam': momentum = 0.9: adam has none; set it to 0",)


def test_data_that_only_some_arms_choose_are_known_of_the_others() -> None:
    arms = {"a": {}, "b": {"dataset": "digits"}}
    one = Study(title="T", arms=arms, fixed={"dataset": "mnist"})
    assert one.data_settings({"dataset": "qmnist"}) == {"dataset": "qmnist"}
    assert one.data_settings({}) == {"dataset": "mnist"}


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Named(Training):
    """Has hyperparameters that are a text and an enum."""

    metrics = (lower("loss"),)
    version = "1"

    class Config(Config):
        word: str = ""
        color: Color = Color.RED

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps = 1

    def step(self, t: int) -> dict[str, float]:
        return {"loss": 1.0}


def test_a_label_that_no_table_has_room_for_names_its_arm() -> None:
    with pytest.raises(StudyError, match=r"arm 'xxxxx.*'\.\.\.: a label of 5,000 characters; at most 1,000"):
        Study(title="T", training=Named, scientific={"word": tune.grid_search(["x" * 5000, "y"])})


def test_a_value_that_json_can_t_have_names_its_arm() -> None:
    with pytest.raises(StudyError, match=r"arm '.udc80': has a value that can't be stored"):
        Study(title="T", training=Named, scientific={"word": tune.grid_search(["\udc80", "y"])})


def test_an_enum_is_given_by_its_value_or_as_itself() -> None:
    for grid in (["red", "blue"], [Color.RED, Color.BLUE]):
        study = Study(title="T", training=Named, scientific={"color": tune.grid_search(grid)})
        configs = [study.config(arm, {}, {}) for arm in study.expand()]
        assert [config.color for config in configs] == [Color.RED, Color.BLUE]
    with pytest.raises(StudyError, match="color = 'green'"):
        Study(title="T", training=Named, scientific={"color": tune.grid_search(["green"])})


@pytest.mark.parametrize("version", ["", " ", 1])
def test_a_version_that_says_nothing_is_none(version: object) -> None:
    with pytest.raises(StudyError, match=r"version = .*: give text"):
        Study(title="T", training=type("Of", (Named,), {"version": version}), arms={"a": {}})
