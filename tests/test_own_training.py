"""A class as a training: what the engine promises it, and what it refuses."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from conftest import to_the_end
from ray import tune

import study
from study import Study, StudyError
from study.declare.data import SharedData, digest
from study.key import trial_keys
from study.running.trial_run import TrialRun
from study.store.checkpoint_file import decoded_state, encoded_state
from study.training import Training


class Walk(study.Training):
    """Draws from all generators, and keeps a network, a number and an array."""

    class Config(study.Config):
        lr: float = 0.1
        updates: int = 12

    metrics = (study.lower("loss"), study.higher("rarely", counts="best"))
    state = ("net", "optimizer", "mean", "path", "rng")

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps = config.updates
        self.net = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.Adam(self.net.parameters(), config.lr)
        self.mean, self.path, self.rng = random.random(), np.random.rand(3), None  # noqa: NPY002

    def step(self, t: int) -> dict[str, Any]:
        loss = (self.net(torch.randn(4, 2)) - random.random()).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.mean = 0.9 * self.mean + loss.item()
        self.path = self.path + np.random.normal(size=3)  # noqa: NPY002
        row = {"loss": loss}
        return {**row, "rarely": self.mean + self.path.sum()} if t % 5 == 4 else row


def begun(kind: type[Training] = Walk, seed: int = 0, data: Any = None, **config: Any) -> TrialRun:
    return TrialRun(kind, kind.Config(**config), data, seed)


def outcome(run: TrialRun) -> Any:
    return [run.weights_sha256(), *(run.history.series(name)[1].tolist() for name in run.history.metrics)]


def of(step: Any, steps: int = 3, **attributes: Any) -> type[Training]:
    """A training whose step is this function of t."""

    def init(self: Any, *_: Any) -> None:
        self.steps = steps

    fields = {"metrics": (study.lower("loss"),), "__init__": init, "step": lambda self, t: step(t)}
    return type("Made", (study.Training,), {**fields, **attributes})


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_continued_from_its_state_it_ends_with_the_same_bits(cut: int) -> None:
    run = begun()
    run.run(cut)
    again = begun()
    again.resume(run.state())
    assert again.step == cut
    random.random()
    torch.rand(3)
    assert outcome(to_the_end(again)) == outcome(to_the_end(begun(), 5))


class Counting(study.Training):
    """Keeps what Python's collections have."""

    metrics = (study.lower("rare"),)
    state = ("seen", "values", "place")

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps, self.seen, self.values, self.place = 9, Counter(), defaultdict(float), Place(0, [])

    def step(self, t: int) -> dict[str, float]:
        self.seen[random.randrange(3)] += 1
        self.values[t % 4] += random.random()
        self.place = Place(self.place.n + 1, [*self.place.past, t])
        return {"rare": self.seen.most_common()[-1][1] + self.values[9] + self.place.n + len(self.place.past)}


class Generators(study.Training):
    """Keeps generators of its own from step to step."""

    metrics = (study.lower("drawn"),)
    state = ("python", "numpy", "torch")

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps, self.python, self.numpy = 9, random.Random(seed), np.random.default_rng(seed)
        self.torch = torch.Generator().manual_seed(seed)

    def step(self, t: int) -> dict[str, Any]:
        drawn = self.python.random() + self.numpy.random() + torch.rand(1, generator=self.torch)
        return {"drawn": drawn}


class Place(NamedTuple):
    n: int
    past: list[int]


@pytest.mark.parametrize("kind", [Counting, Generators])
def test_counters_defaultdicts_namedtuples_and_generators_go_on_as_what_they_were(
    kind: type[Training],
) -> None:
    run = begun(kind)
    run.run(4)
    again = begun(kind)
    again.resume(run.state())
    assert outcome(to_the_end(again)) == outcome(to_the_end(begun(kind)))


def with_history(run: TrialRun, **changes: Any) -> bytes:
    """The state of this run with another history."""
    state = decoded_state(run.state())
    return encoded_state({**state, "history": {**state["history"], **changes}})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": 300_000_000}, "more than 25,000,000"),
        ({"step": -1}, "measures at"),
        ({"steps": {"loss": np.array([[1], [2], [3]])}, "values": {"loss": np.ones(3)}}, "is none"),
        ({"steps": {"loss": np.array([1, -(2**63), 3])}, "values": {"loss": np.ones(3)}}, "is none"),
        ({"steps": {"loss": np.array([1, 2, 3])}, "values": {"loss": np.ones((3, 1))}}, "is none"),
    ],
)
def test_a_history_that_none_can_be_is_refused(changes: dict[str, Any], said: str) -> None:
    run = begun(of(lambda t: {"loss": t}, steps=10))
    run.run(3)
    run.training.steps = None
    with pytest.raises(ValueError, match=said):
        run.resume(with_history(run, **changes))


def test_a_trial_of_more_steps_than_a_curve_may_have_does_not_begin() -> None:
    with pytest.raises(StudyError, match="measures at 25,000,001 steps, more than 25,000,000"):
        begun(of(lambda t: {"loss": t}, steps=25_000_001))


def test_a_seed_draws_the_same_in_each_arm_and_in_any_process_state() -> None:
    drawn = []
    kind = of(lambda t: {"loss": drawn.append((random.random(), torch.rand(1).item())) or t})
    for _ in range(2):
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(torch.randint(99, ()).item())
        to_the_end(begun(kind))
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) == 3
    to_the_end(begun(kind, seed=1))
    assert not set(drawn[:3]) & set(drawn[6:])


def test_metrics_are_counted_as_they_are_declared() -> None:
    kind = of(
        lambda t: {"loss": float(t)},
        steps=20,
        metrics=(
            study.lower("loss"),
            study.lower("least", of="loss", counts="best"),
            study.higher("most", of="loss", counts="best"),
            study.lower("end", of="loss", counts="tail"),
        ),
    )
    run = to_the_end(begun(kind))
    assert run.history.values() == {"loss": 19.0, "least": 0.0, "most": 19.0, "end": 18.5}
    assert run.history.at() == {"loss": 20, "least": 1, "most": 20, "end": 20}


@pytest.mark.parametrize(
    "value",
    [
        3,
        3.0,
        True,
        np.float32(3),
        np.array(3.0),
        np.int64(3),
        torch.tensor(3.0, requires_grad=True),
        torch.tensor([3]),
    ],
    ids=repr,
)
def test_a_number_may_come_in_many_kinds(value: Any) -> None:
    assert to_the_end(begun(of(lambda t: {"loss": value}))).history.value("loss") == (
        1.0 if value is True else 3.0
    )


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "returned nothing, not a mapping"),
        (3.0, "returned a float, not a mapping"),
        ({"los": 1}, "'los', which is no declared metric; did you mean 'loss'"),
        ({"loss": "low"}, "loss = 'low', a str; needed is a number"),
        ({"loss": np.zeros(3)}, r"of shape \[3\]; needed is a number"),
        ({"loss": torch.zeros(2, 2)}, r"a tensor of shape \[2, 2\]; needed is one number"),
        ({"loss": None}, "needed is a number"),
        ({}, "never measured loss"),
    ],
)
def test_what_a_step_must_not_return_is_said(returned: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        to_the_end(begun(of(lambda t: returned)))


@pytest.mark.parametrize("at", [0, 4])
@pytest.mark.parametrize("steps", [1, 100])
def test_a_value_that_is_not_finite_ends_the_trial_as_diverged(at: int, steps: int) -> None:
    for bad in (float("nan"), float("inf"), torch.tensor(-torch.inf)):
        run = to_the_end(begun(of(lambda t, bad=bad: {"loss": bad if t >= at else 1.0}, steps=9)), steps)
        assert (run.diverged, run.step, run.weights_sha256()) == (True, at + 1, None)


def test_a_step_may_end_the_trial_early() -> None:
    class Early(Walk):
        def step(self, t: int) -> dict[str, Any]:
            if t == 6:
                self.steps = 7
            return super().step(t)

    run = to_the_end(begun(Early))
    assert (run.step, run.percent) == (7, 100)


@pytest.mark.parametrize("steps", [0, -3, 2.5, True, "many"])
def test_steps_must_be_a_whole_number(steps: Any) -> None:
    with pytest.raises(StudyError, match="sets steps = "):
        begun(of(lambda t: {"loss": 1}, steps=steps))


def test_a_state_that_does_not_fit_is_refused() -> None:
    run = begun()
    run.run(4)
    for other in (of(lambda t: {"loss": 1}), of(lambda t: {"loss": 1}, metrics=Walk.metrics, state=("x",))):
        with pytest.raises(ValueError, match="not a state of this training"):
            begun(other).resume(run.state())
    with pytest.raises(ValueError, match="4 steps of 3"):
        begun(updates=3).resume(run.state())
    with pytest.raises(ValueError, match="not a state of this training"):
        begun().resume(b"nonsense")


LightningModule = type("LightningModule", (), {})


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (3, "is no training"),
        ("no_colon", "give a class or 'package.module:Class'"),
        ("no_such_module:Class", "can't be imported"),
        (type("Mine", (LightningModule,), {}), "call its Trainer in a function"),
        (torch.nn.Linear(1, 1), "a network alone says nothing"),
        (torch.nn.Linear, "a network alone says nothing"),
        (tune.Trainable, "move its step into a Training"),
        (lambda config: None, "@study.function"),
        (begun().training, "give the class, not an instance"),
        (type("A", (study.Training,), {"step": Walk.step}), "has no metrics"),
        (of(None, metrics=("loss",)), "'loss' is no metric; use study.higher"),
        (of(None, metrics=(study.lower("a"), study.higher("a"))), "'a' is declared twice"),
        (of(None, metrics=(study.lower("a", of="b"),)), "counts 'b', which has no series"),
        (of(None, watched="los"), "watched = 'los' is no metric of it; did you mean 'loss'"),
        (of(None, selected_by="loss"), "on which nothing may be selected"),
        (of(None, state="model"), "state = 'model': give a list of names"),
        (of(None, version=2), "version = 2: give text"),
        (type("B", (study.Training,), {"metrics": Walk.metrics}), r"has no step\(self, t\)"),
        (of(None, Config=dict), "Config is dict; make it a class with study.Config"),
        (of(None, data=staticmethod(lambda size: 0)), "data asks for 'size', which is no hyperparameter"),
    ],
)
def test_what_is_no_training_is_refused_with_the_way_to_make_it_one(training: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        Study(title="T", training=training, arms={"a": {}})


def test_mistakes_in_a_config_are_all_said() -> None:
    class Config(study.Config):
        lr: float
        seed: int = 0
        tags: tuple[frozenset[str], ...] = ()

    with pytest.raises(StudyError) as error:
        Study(title="T", training=of(None, Config=Config), arms={"a": {}})
    assert "lr has no default" in str(error.value)
    assert "has a field `seed`" in str(error.value)
    assert "tags may be a set" in str(error.value)

    class Wrong(study.Config):
        lr: float = "high"  # type: ignore[assignment]

    with pytest.raises(StudyError, match="the default lr = 'high'"):
        Study(title="T", training=of(None, Config=Wrong), arms={"a": {}})


@pytest.mark.parametrize(
    ("name", "said"), [("key", "a column of our own"), ("1st", "match"), ("a b", "match")]
)
def test_a_metric_has_a_name_that_tables_can_have(name: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        study.lower(name)


def test_a_hyperparameter_that_is_added_keeps_the_keys() -> None:
    class Before(study.Config):
        lr: float = 0.1

    class After(Before):
        clip: float | None = study.added(None)

    old, new = (of(None, Config=config, version="1") for config in (Before, After))
    keys = trial_keys(old, Before(), range(3), "data")
    assert trial_keys(new, After(), range(3), "data") == keys
    assert not set(trial_keys(new, After(clip=1.0), range(3), "data")) & set(keys)
    assert not set(trial_keys(of(None, Config=Before, version="2"), Before(), range(3), "data")) & set(keys)


def test_data_are_loaded_once_for_their_arguments_and_known_by_their_content(tmp_path: Path) -> None:
    calls = []

    class Config(study.Config):
        size: int = 3
        lr: float = 0.1

    def data(size: int, folder: Path) -> Any:
        calls.append((size, folder))
        return {"x": np.arange(size), "names": ["a", ("b", 1.5)]}

    kind = of(None, Config=Config, data=staticmethod(data))
    shared = SharedData(tmp_path)
    first, same, other = (
        shared.fingerprint(kind, Config(**fields)) for fields in ({}, {"lr": 0.2}, {"size": 4})
    )
    assert first == same != other
    assert shared.load(kind, Config())["x"].tolist() == [0, 1, 2]
    assert calls == [(3, tmp_path), (4, tmp_path)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (object(), "is a object, which can't be shared"),
        ({"a": [1, {2, 3}]}, r"data\['a'\]\[1\] is a set"),
        (np.array([object()]), "an array of objects"),
        (torch.zeros(2), "is a Tensor"),
    ],
)
def test_data_that_can_t_be_shared_are_refused(data: Any, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        digest(data, "Mine")


def test_data_that_differ_have_other_digests() -> None:
    values = [
        0,
        0.0,
        "0",
        b"0",
        None,
        False,
        [0],
        [[0]],
        {"0": 0},
        np.zeros(2),
        np.zeros(2, "f4"),
        np.zeros((1, 2)),
    ]
    assert len({digest(value, "Mine") for value in values}) == len(values)
    assert digest([1, 2], "Mine") == digest((1, 2), "Mine")


def test_data_that_raise_are_said() -> None:
    def data() -> Any:
        raise FileNotFoundError("no corpus")

    with pytest.raises(StudyError, match="its data can't be loaded: FileNotFoundError: no corpus"):
        SharedData(Path()).fingerprint(of(None, data=staticmethod(data)), study.Config())
