"""What a state of somebody else's making may say of optimizers and generators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from study.state import fitted, resumed, saved

MERSENNE, PHILOX = np.random.MT19937(1), np.random.Philox(1)


def optimizer_of(**settings: Any) -> torch.optim.Optimizer:
    """AdamW of six weights after a step."""
    weights = torch.nn.Parameter(torch.ones(2, 3))
    optimizer = torch.optim.AdamW([weights], 0.1, **settings)
    weights.sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("truth", [True, 1, 1.0, (1,), torch.tensor(1.0), "yes"])
def test_an_optimizer_goes_on_with_its_own_flags_and_the_saved_numbers(truth: Any) -> None:
    state, optimizer = optimizer_of().state_dict(), optimizer_of()
    (before,) = optimizer.param_groups
    flags = {name: value for name, value in before.items() if value is None or isinstance(value, bool)}
    assert {"fused", "foreach", "capturable", "differentiable", "amsgrad", "maximize"} <= flags.keys()
    (group,) = state["param_groups"]
    group |= {**dict.fromkeys(flags, truth), "lr": 0.05, "betas": (0.5, 0.6), "weight_decay": 1}
    optimizer.load_state_dict(fitted(optimizer, state))
    (group,) = optimizer.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.05, (0.5, 0.6), 1.0)
    assert {name: group[name] for name in flags} == flags


def test_how_often_an_optimizer_does_something_is_not_taken_from_a_state() -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    state, optimizer = torch.optim.LBFGS(weights).state_dict(), torch.optim.LBFGS(weights)
    state["param_groups"][0] |= {"max_iter": 10**15, "history_size": 10**9, "lr": 2}
    (group,) = fitted(optimizer, state)["param_groups"]
    assert (group["max_iter"], group["history_size"], group["lr"]) == (20, 100, 2.0)


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
