"""What a training may do between two steps and two reports without its numbers changing, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Study as Command
from conftest import to_the_end
from test_own_training import begun, of, outcome

import study
from study import StudyError
from study.declare.data import SharedData
from study.images.declaration import Images
from study.images.training import ImageTraining
from study.key import trial_keys
from study.training import Training


def losses(kind: type[Training], at_once: int) -> list[float]:
    found: list[float] = to_the_end(begun(kind), at_once).history.series("loss")[1].tolist()
    return found


def continued_ends_as_whole(kind: type[Training], cut: int) -> None:
    run = begun(kind)
    run.run(cut)
    again = begun(kind)
    again.resume(run.state())
    assert outcome(to_the_end(again, 1)) == outcome(to_the_end(begun(kind)))


@pytest.mark.parametrize("start", [np.zeros(()), torch.zeros(()), torch.zeros(1)], ids=repr)
def test_a_mean_that_is_changed_in_place_is_measured_as_it_was_at_each_step(start: Any) -> None:
    class Running(study.Training):
        metrics = (study.lower("loss"),)

        def __init__(self, *_: Any) -> None:
            self.steps, self.mean = 4, start * 1

        def step(self, t: int) -> dict[str, Any]:
            self.mean += 1
            return {"loss": self.mean}

    assert losses(Running, 1) == losses(Running, 4) == [1, 2, 3, 4]


def test_a_loss_lets_go_of_its_graph() -> None:
    weight = torch.zeros(3, requires_grad=True)
    run = begun(of(lambda t: {"loss": weight.sum()}))
    assert [value.requires_grad for row in run._rows(0, 2) for value in row.values()] == [False, False]


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("at_once", [1, 100])
def test_what_is_measured_rarely_may_diverge_too(at: int, at_once: int) -> None:
    kind = of(
        lambda t: {"loss": 1.0, **({"held_out": float("nan")} if t == at else {})},
        steps=9,
        metrics=(study.lower("loss"), study.lower("held_out")),
    )
    run = to_the_end(begun(kind), at_once)
    assert (run.diverged, run.step, len(run.history.series("loss")[1])) == (True, at + 1, at + 1)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1j, "'1j', a complex; needed is a number"),
        (np.complex64(1j), "a complex64; needed is a number"),
        (torch.tensor(1j), "a complex tensor"),
        (np.timedelta64(3), "a timedelta64; needed is a number"),
        (np.array("3"), "needed is a number"),
        (10**400, "too large"),
        ([3.0], "a list; needed is a number"),
    ],
    ids=repr,
)
def test_what_is_no_real_number_is_not_made_one(value: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        begun(of(lambda t: {"loss": value})).run(1)


def test_steps_that_were_lowered_stay_so_when_the_trial_is_continued() -> None:
    class Lowered(study.Training):
        metrics = (study.lower("loss"),)

        def __init__(self, *_: Any) -> None:
            self.steps = 10

        def step(self, t: int) -> dict[str, Any]:
            if t == 2:
                self.steps = 6
            return {"loss": t}

    continued_ends_as_whole(Lowered, 3)
    assert to_the_end(begun(Lowered)).step == 6


def test_a_tensor_that_is_trained_stays_its_optimizers_and_what_holds_tensors_comes_back_whole() -> None:
    class Bare(study.Training):
        metrics = (study.lower("loss"),)
        state = ("weight", "layers", "optimizer", "best", "mean")

        def __init__(self, *_: Any) -> None:
            self.steps, self.best, self.mean = 8, None, np.float32(0.1)
            self.weight = torch.zeros(3, requires_grad=True)
            self.layers = [torch.ones(3, requires_grad=True), {"bias": torch.zeros(1, requires_grad=True)}]
            trained = [self.weight, self.layers[0], self.layers[1]["bias"]]  # type: ignore[index]
            self.optimizer = torch.optim.SGD(trained, 0.01, momentum=0.9)

        def step(self, t: int) -> dict[str, Any]:
            first, second = self.layers
            loss = (self.weight * first - torch.randn(3) + second["bias"]).square().sum()  # type: ignore[index]
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.best = self.weight.detach().clone()
            self.mean = self.mean * 0.9 + np.float32(loss.item()) / 3
            return {"loss": loss + float(self.mean)}

    for cut in (1, 4):
        continued_ends_as_whole(Bare, cut)


def test_numbers_of_numpy_go_on_with_the_bits_that_they_had() -> None:
    class Scalars(study.Training):
        metrics = (study.lower("loss"),)
        state = ("mean", "seen")

        def __init__(self, *_: Any) -> None:
            self.steps, self.mean, self.seen = 60, np.float32(1), []

        def step(self, t: int) -> dict[str, Any]:
            self.mean = self.mean / np.float32(3) + np.float32(np.random.rand())  # noqa: NPY002
            self.seen = [*self.seen, self.mean]  # type: ignore[has-type]
            return {"loss": sum(self.seen) / 7}

    for cut in (3, 40):
        continued_ends_as_whole(Scalars, cut)


def test_a_state_of_other_attributes_is_refused() -> None:
    class Few(study.Training):
        metrics = (study.lower("loss"),)
        state: tuple[str, ...] = ("x",)

        def __init__(self, *_: Any) -> None:
            self.steps, self.x, self.y = 4, 0, 0

        def step(self, t: int) -> dict[str, Any]:
            return {"loss": 1}

    class More(Few):
        state = ("x", "y")

    run = begun(Few)
    run.run(2)
    with pytest.raises(ValueError, match="it has x"):
        begun(More).resume(run.state())

    class Gone(Few):
        state = ("x", "z")

    with pytest.raises(StudyError, match="state names 'z', which Gone has not"):
        begun(Gone).state()


@pytest.mark.parametrize(
    ("yielded", "said"),
    [([], "did none of the 3 steps"), ([{"loss": 1}] * 4, "went on after the 3 steps")],
    ids=["none", "too many"],
)
def test_many_steps_at_once_are_as_many_as_were_asked_for(yielded: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        begun(of(None, advance=lambda self, t, n, seed_step: iter(yielded))).run(3)


def test_data_can_t_be_written_to_with_ray_or_without_it() -> None:
    kind = of(None, data=staticmethod(lambda: {"x": [np.zeros(3)], "y": np.ones(2)}))
    loaded = SharedData(Path()).load(kind, study.Config())
    for array in (loaded["x"][0], loaded["y"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_class_based_on_another_has_a_name_and_a_key_of_its_own() -> None:
    class Named(study.Training):
        name, version = "a name", "1"
        metrics = (study.lower("loss"),)

    class Based(Named):
        pass

    assert (Named.called(), Based.called()) == ("a name", "Based")
    keys = [trial_keys(kind, study.Config(), [0], "data") for kind in (Named, Based)]
    assert keys[0] != keys[1]


class OwnRecipe(ImageTraining):
    """Trains otherwise than the recipe."""


class OnlyDeclared(Images):
    """Has nothing to train with."""


def test_a_class_based_on_the_image_recipe_is_trained_itself_and_under_a_key_of_its_own() -> None:
    assert OwnRecipe.implementation() is OwnRecipe
    keys = [trial_keys(kind, Images.Config(), [0], "data") for kind in (Images, ImageTraining, OwnRecipe)]
    assert keys[0] == keys[1] != keys[2]
    with pytest.raises(StudyError, match=r"Base it on study\.images\.training\.ImageTraining"):
        trial_keys(OnlyDeclared, Images.Config(), [0], "data")


CHUNKED = '''"""Does it hold?"""
import study

class Chunked(study.Training):
    metrics = (study.lower("loss"),)
    state = ("x",)

    def __init__(self, config, data, seed, device):
        self.steps, self.x = 30, seed * 1.0

    def advance(self, t, n, seed_step):
        for i in range(t, t + n):
            self.x += 1
            yield {"loss": self.x / EACH}

STUDY = study.Study(title="Chunked", training=Chunked, arms={"a": {}})
'''


@pytest.mark.parametrize(("each", "code"), [("3", 0), ("n", 1)])
def test_check_compares_many_steps_at_once_with_one_after_the_other(
    study: Command, each: str, code: int
) -> None:
    (study.folder / "chunked.py").write_text(CHUNKED.replace("EACH", each))
    done = study("check", "chunked.py")
    assert done.returncode == code, done.stdout + done.stderr
    assert "steps at once" in done.stdout
