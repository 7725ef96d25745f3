"""What holds for any config, any grid and any setting, tried on examples that hypothesis makes up."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from study.cli.options import settings as parsed
from study.declare.study import Study
from study.errors import StudyError, validated
from study.images.config import ImageConfig
from study.images.declaration import Images
from study.key import trial_keys

EXAMPLES = settings(derandomize=True, deadline=None, max_examples=150, database=None)

WORDS = ["mnist", "digits", "cnn", "resnet18", "sgd", "adam", "cross_entropy", "float32", "bfloat16", "a.b:c"]
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, 2, 3, 0.5, 0.9, 64])
PLAIN = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.sampled_from(WORDS)
ANYTHING = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=2)
NAMES = st.sampled_from([*ImageConfig.model_fields, "lrr", "Width", ""])
# Values of which any choice makes a valid config.
VALID: dict[str, list[Any]] = {
    "width": [1, 2, 50, 4096],
    "lr": [0.001, 0.1, 1.0],
    "batch_size": [1, 64, 2**31 - 1],
    "weight_decay": [0.0, 0.1],
    "fc_layers": [1, 2, 64],
    "optimizer": ["sgd", "adam"],
    "precision": ["float32", "bfloat16"],
}


@EXAMPLES
@given(st.dictionaries(NAMES, ANYTHING, max_size=5))
def test_a_config_is_valid_and_round_trips_or_each_wrong_field_is_named(fields: dict[str, Any]) -> None:
    mistakes = said_of(lambda: validated(ImageConfig, fields))
    unknown = fields.keys() - ImageConfig.model_fields.keys()
    wrong = {name for name in fields.keys() - unknown if not right_by_itself(name, fields[name])}
    assert all(any(of.startswith(f"unknown field {name!r}") for of in mistakes) for name in unknown)
    assert all(any(of.startswith(f"{name} = ") for of in mistakes) for name in wrong)
    assert not any("\n" in of for of in mistakes)
    if not mistakes:
        config = validated(ImageConfig, fields)
        again = validated(ImageConfig, json.loads(json.dumps(config.model_dump(), allow_nan=False)))
        assert again == config
        if ":" not in config.model:  # a plug-in's key needs its source
            keys = trial_keys(Images, config, range(2), "data")
            assert trial_keys(Images, again, range(2), "data") == keys
            assert len({*keys, *trial_keys(Images, config, range(2), "other data")}) == 4


def said_of(make: Callable[[], object]) -> tuple[str, ...]:
    """The mistakes that it is refused for, none where it is not."""
    try:
        make()
    except StudyError as error:
        assert error.mistakes  # noqa: PT017
        return error.mistakes
    return ()


def right_by_itself(name: str, value: Any) -> bool:
    """Whether the field may have this value, whatever the others must be for it."""
    try:
        ImageConfig.__pydantic_validator__.validate_assignment(ImageConfig.model_construct(), name, value)
    except ValidationError as error:
        return not any(item["loc"] for item in error.errors())
    return True


@st.composite
def grids(draw: st.DrawFn) -> dict[str, list[Any]]:
    names = draw(st.lists(st.sampled_from(sorted(VALID)), min_size=1, max_size=4, unique=True))
    return {
        name: draw(st.lists(st.sampled_from(VALID[name]), min_size=1, max_size=4, unique=True))
        for name in names
    }


@EXAMPLES
@given(grids(), st.integers(1, 4))
def test_a_grid_expands_to_its_product_in_order(grid: dict[str, list[Any]], seeds: int) -> None:
    study = Study(title="a", scientific={name: {"grid_search": values} for name, values in grid.items()})
    arms = study.expand()
    product = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    assert [arm.overrides for arm in arms] == product
    assert len(arms) == math.prod(map(len, grid.values()))
    assert len({arm.label for arm in arms}) == len(arms)
    configs = [study.config(arm, {}, {}, seeds) for arm in arms]
    assert configs == [validated(ImageConfig, arm.overrides) for arm in arms]
    keys = [key for config in configs for key in trial_keys(Images, config, range(seeds), "data")]
    assert len(set(keys)) == len(arms) * seeds


@EXAMPLES
@given(grids(), st.sampled_from(sorted(VALID)))
def test_a_value_that_occurs_twice_is_refused(grid: dict[str, list[Any]], name: str) -> None:
    values = grid.get(name, VALID[name])
    twice = {**grid, name: [*values, values[0]]}
    with pytest.raises(StudyError, match="occurs twice"):
        Study(title="a", scientific={name: {"grid_search": values} for name, values in twice.items()})


@EXAMPLES
@given(st.dictionaries(st.sampled_from(sorted(ImageConfig.model_fields)), PLAIN))
def test_what_json_writes_a_setting_reads(fields: dict[str, Any]) -> None:
    read = parsed([f"{name}={json.dumps(value)}" for name, value in fields.items()])
    assert json.dumps(read) == json.dumps(fields)


@EXAMPLES
@given(st.lists(st.text(max_size=8) | st.builds("{}={}".format, NAMES, st.text(max_size=8)), max_size=3))
def test_any_words_are_settings_or_a_mistake_of_one_line(pairs: list[str]) -> None:
    mistakes = said_of(lambda: parsed(pairs))
    assert all(of.startswith("--set ") for of in mistakes)
    assert len(mistakes) <= 1
    if not mistakes:
        read = parsed(pairs)
        assert len(read) == len(pairs)
        assert "seed" not in read
