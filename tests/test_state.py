"""What a state of somebody else's making may say of optimizers and generators."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from study.state import fitted, resumed, saved
from study.store.checkpoint_file import decoded_state, encoded_state

MERSENNE, PHILOX = np.random.MT19937(1), np.random.Philox(1)


def optimizer_of(**settings: Any) -> torch.optim.Optimizer:
    """AdamW of six weights after a step."""
    weights = torch.nn.Parameter(torch.ones(2, 3))
    optimizer = torch.optim.AdamW([weights], 0.1, **settings)
    weights.sum().backward()
    optimizer.step()
    return optimizer


FLAGS = ("fused", "foreach", "capturable", "differentiable", "amsgrad", "maximize")


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("truth", [True, 1, 1.0, (1,), [1], torch.tensor(1.0), np.float32(1), "yes"])
def test_a_state_with_other_flags_is_none_of_the_optimizer_s(flag: str, truth: Any) -> None:
    state, optimizer = optimizer_of().state_dict(), optimizer_of()
    assert not optimizer.param_groups[0][flag]
    state["param_groups"][0][flag] = truth
    with pytest.raises(ValueError, match=f"an optimizer's {flag} is "):
        fitted(optimizer, state)


def test_an_optimizer_that_lacks_a_flag_does_not_get_it_from_a_state() -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    state, optimizer = torch.optim.LBFGS(weights).state_dict(), torch.optim.LBFGS(weights)
    state["param_groups"][0]["fused"] = True
    with pytest.raises(ValueError, match="fused is None, and True in the state"):
        fitted(optimizer, state)


@pytest.mark.parametrize(
    ("name", "count"), [("max_iter", 10**15), ("history_size", 10**9), ("max_iter", 20.0)]
)
def test_how_often_an_optimizer_does_something_is_not_taken_from_a_state(name: str, count: Any) -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    state, optimizer = torch.optim.LBFGS(weights).state_dict(), torch.optim.LBFGS(weights)
    assert fitted(optimizer, state)["param_groups"][0][name] == optimizer.param_groups[0][name]
    state["param_groups"][0][name] = count
    with pytest.raises(ValueError, match=name):
        fitted(optimizer, state)


@pytest.mark.parametrize(
    "changed",
    [
        {"lr": 0.05, "betas": (0.5, 0.6), "weight_decay": 0.2},
        {"betas": [0.5, 0.6]},
        {"lr": torch.tensor(0.05)},
        {"lr": np.float32(0.05)},
        # What the training itself puts into a group, perhaps in its first step.
        {"steps": 3, "name": "decoder", "kept": None, "initial_lr": 0.1},
    ],
)
def test_numbers_and_what_the_training_put_there_are_taken_as_they_are(changed: dict[str, Any]) -> None:
    state, optimizer = optimizer_of().state_dict(), optimizer_of()
    state["param_groups"][0] |= changed
    (group,) = fitted(optimizer, state)["param_groups"]
    assert {name: group[name] for name in changed} == changed
    assert [type(group[name]) for name in changed] == [type(value) for value in changed.values()]


class Wrapped:
    """An optimizer that keeps its settings in its groups alone, as those that wrap another one do."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.param_groups = inner.param_groups


def test_an_optimizer_without_defaults_keeps_its_floats_and_its_counts() -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    state, other = optimizer_of().state_dict(), torch.optim.LBFGS(weights)
    state["param_groups"][0] |= {"betas": (3, 3), "lr": 2, "steps": 3}
    (group,) = fitted(Wrapped(optimizer_of()), state)["param_groups"]
    assert [*group["betas"], group["lr"], group["steps"]] == [3.0, 3.0, 2.0, 3]
    assert [type(value) for value in (*group["betas"], group["lr"], group["steps"])] == [float] * 3 + [int]
    counts = other.state_dict()
    counts["param_groups"][0]["max_iter"] = 10**9
    with pytest.raises(ValueError, match="max_iter"):
        fitted(Wrapped(other), counts)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad])
def test_a_fused_optimizer_of_weights_in_another_layout_goes_on_to_the_bit(kind: Any) -> None:
    def made() -> tuple[torch.nn.Parameter, torch.optim.Optimizer]:
        start = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
        weight = torch.nn.Parameter(start.to(memory_format=torch.channels_last))
        settings = {"momentum": 0.9} if kind is torch.optim.SGD else {}
        return weight, kind([weight], lr=0.1, fused=True, **settings)

    def train(weight: torch.nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        for _ in range(3):
            optimizer.zero_grad()
            (weight**3 + weight.flatten()[0] * weight).sum().backward()
            optimizer.step()

    weight, optimizer = made()
    train(weight, optimizer)
    content = decoded_state(encoded_state({"optimizer": saved(optimizer), "weight": weight.detach()}))
    other, resumed_optimizer = made()
    other.data.copy_(content["weight"])
    resumed(resumed_optimizer, content["optimizer"])
    train(weight, optimizer)
    train(other, resumed_optimizer)
    assert torch.equal(weight, other)


def test_a_learning_rate_that_became_a_number_of_a_tensor_is_taken() -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    made = [torch.optim.AdamW(weights, torch.tensor(0.1)) for _ in range(2)]
    made[0].param_groups[0]["lr"] = 0.05
    assert fitted(made[1], made[0].state_dict())["param_groups"][0]["lr"] == 0.05


def test_no_whole_number_is_an_optimizer_s_setting_where_python_would_compute_with_all_its_digits() -> None:
    state, optimizer = optimizer_of().state_dict(), optimizer_of()
    state["param_groups"][0]["betas"] = (2**60 + 1, 2**60 + 1)
    (group,) = fitted(optimizer, state)["param_groups"]
    assert [type(beta) for beta in group["betas"]] == [float, float]
    state["param_groups"][0]["lr"] = 10**400
    with pytest.raises(ValueError, match="no state of this optimizer"):
        fitted(optimizer, state)


@pytest.mark.parametrize("place", [-1, 625, 2_000_000_000, 1.0, True, None])
def test_a_generator_stands_at_none_but_its_own_words(place: Any) -> None:
    twister, philox = MERSENNE.state, PHILOX.state
    twister["state"] = {**twister["state"], "pos": place}
    philox["buffer_pos"] = place
    old = np.random.RandomState(1)
    words = old.get_state()
    for generator, state in (
        (np.random.Generator(MERSENNE), twister),
        (np.random.Generator(PHILOX), philox),
        (old, (*words[:2], place, *words[3:])),
        (old, [*words[:2], place, *words[3:]]),
    ):
        assert resumed(generator, saved(generator)) is generator
        with pytest.raises(ValueError, match="stands at word"):
            resumed(generator, state)


def test_a_generator_of_torch_stands_at_none_but_its_own_words() -> None:
    generator = torch.Generator().manual_seed(1)
    for n in (0, 1, 622, 1, 2, 700):
        torch.rand(n, generator=generator)
        resumed(generator, generator.get_state())
    state = generator.get_state()
    state[8:12] = torch.tensor([112, 2, 0, 0])  # 624 numbers left, and not at the first word
    with pytest.raises(ValueError, match="with 624 left"):
        resumed(generator, state)


def test_a_fused_optimizer_s_state_is_as_large_as_its_weights() -> None:
    optimizer = optimizer_of(fused=True)
    state = optimizer.state_dict()
    assert fitted(optimizer, state).keys() == state.keys()
    state["state"][0]["exp_avg"] = torch.zeros(1)
    with pytest.raises(ValueError, match="exp_avg is not as large as its weights"):
        fitted(optimizer, state)


@pytest.mark.parametrize("words", [[0] * 624, [2**31 - 1] + [0] * 623, [2**32] * 624])
def test_a_generator_that_would_give_zeros_for_ever_does_not_go_on(words: list[int]) -> None:
    twister = np.random.MT19937(1).state
    twister["state"] = {"key": np.array(words, np.uint64), "pos": 624}
    torchs = torch.Generator().manual_seed(1)
    state = torchs.get_state()
    state[24 : 24 + 8 * 624] = torch.tensor(list(np.array(words, np.uint64).tobytes()), dtype=torch.uint8)
    for generator, zeros in (
        (np.random.Generator(np.random.MT19937(1)), twister),
        (np.random.RandomState(1), ("MT19937", np.array(words, np.uint64), 624, 0, 0.0)),
        (random.Random(1), (3, (*words, 624), None)),
        (random.Random(1), (2, (*words, 624), None)),
        (torchs, state),
    ):
        with pytest.raises(ValueError, match="all its words are 0"):
            resumed(generator, zeros)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.PCG64DXSM])
def test_a_generator_that_would_stand_still_does_not_go_on(kind: Any) -> None:
    generator = np.random.Generator(kind(1))
    assert resumed(generator, saved(generator)) is generator
    still = saved(generator) | {"state": {"state": 0, "inc": 0}}
    with pytest.raises(ValueError, match="increment is not odd"):
        resumed(generator, still)


def test_a_twister_has_no_more_words_than_it_uses() -> None:
    words = np.array([0] * 624 + [1], np.uint32)
    twister = np.random.MT19937(1).state
    twister["state"] = {"key": words, "pos": 624}
    for generator, state in (
        (np.random.Generator(np.random.MT19937(1)), twister),
        (np.random.Generator(np.random.MT19937(1)), ("MT19937", words, 624)),
        (np.random.RandomState(1), ("MT19937", words, 624, 0, 0.0)),
        (np.random.RandomState(1), ["MT19937", words.tolist(), 624, 0, 0.0]),
    ):
        with pytest.raises(ValueError, match="it has 625 words"):
            resumed(generator, state)
