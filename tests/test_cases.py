"""Which cases of its test set a training answers right: told at its end, kept as bits, read by analysis."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import to_the_end
from storages import made_result, write_trial
from test_own_training import begun, of

import study
from analysis import load
from study import Study, StudyError
from study.store.cases import encoded_cases
from study.store.records import Damaged
from study.store.trial_store import TrialStore

N = 21


class Guesses(study.Training):
    """Answers 21 cases, each right with a chance that it learns; a study may interrupt it."""

    metrics = (study.higher("hit_rate", "%", cases="cases"), study.lower("loss"))
    state = ("chance",)
    facts: Any = {"cases": N}  # noqa: RUF012
    version = "1"
    interrupt_at, pause, asked = -1, 0.0, 0

    def __init__(self, config: Any, data: Any, seed: int, device: str) -> None:
        self.steps, self.chance = 12, torch.zeros(())

    def step(self, t: int) -> dict[str, Any]:
        if t == type(self).interrupt_at:
            raise KeyboardInterrupt
        time.sleep(self.pause)
        self.chance = self.chance + torch.rand(()) / 12
        self.hits = torch.rand(N) < self.chance
        return {"hit_rate": self.hits.double().mean(), "loss": 1 - self.chance}

    def correct_cases(self) -> dict[str, Any]:
        type(self).asked += 1
        if type(self).interrupt_at == self.steps:
            raise KeyboardInterrupt
        return {"hit_rate": self.hits, "loss": np.random.rand(8) < 0.5}  # noqa: NPY002


def ran(
    storage: Path, kind: type[study.Training] = Guesses, seeds: int = 1, **options: Any
) -> dict[str, Any]:
    """What the result of the last seed says; everything of the study is trained in this process."""
    one = Study(title="Guesses", training=kind, arms={"a": {}})
    study.run(one, seeds=seeds, storage=storage, in_process=True, progress=False, **options)
    keys = TrialStore(storage).study("guesses")["arms"][0]["candidates"][0]["keys"]
    found: dict[str, Any] = json.loads((storage / "trials" / keys[-1] / "result.json").read_text())
    return found


def test_the_cases_of_each_trial_are_kept_and_read_back(tmp_path: Path) -> None:
    Guesses.asked = 0
    told = ran(tmp_path, seeds=2)["correct"]
    assert Guesses.asked == 2
    assert {name: field["n"] for name, field in told.items()} == {"hit_rate": N, "loss": 8}
    assert len(told["hit_rate"]["bits"]) == 4  # three bytes
    results = load(tmp_path)
    assert not [name for name in results.trials if "correct" in str(name)]
    hits = [results.correct(key, "hit_rate") for key in results.trials.key]
    for answers, rate in zip(hits, results.trials.hit_rate, strict=True):
        assert answers is not None
        assert (answers.dtype, answers.shape, answers.mean()) == (bool, (N,), pytest.approx(rate))
    assert not np.array_equal(*hits)
    key = results.trials.key[0]
    assert results.correct(key, "speed") is results.correct("another", "hit_rate") is None
    assert not results.problems
    (tmp_path / "trials" / key / "result.json").write_bytes(b"{}")
    assert results.correct(key, "hit_rate") is None
    assert "has no checksum" in results.problems[0]


@pytest.mark.parametrize("at", [10, 12], ids=["in a step", "while it is asked"])
def test_a_trial_that_was_interrupted_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    whole = ran(tmp_path / "whole")
    monkeypatch.setattr(Guesses, "interrupt_at", at)
    monkeypatch.setattr(Guesses, "pause", 0.15)  # it reports, and is saved, after a second
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path / "cut", checkpoint_every=0)
    monkeypatch.undo()
    assert not [*tmp_path.glob("cut/trials/*/result.json")]
    assert [*tmp_path.glob("cut/trials/*/checkpoint.pt")]
    assert ran(tmp_path / "cut")["correct"] == whole["correct"]


def test_what_it_draws_depends_on_the_seed_alone() -> None:
    def told(self: Any) -> dict[str, Any]:
        return {"loss": np.random.rand(99) < 0.5}  # noqa: NPY002

    kind = of(lambda t: {"loss": 1.0}, correct_cases=told)
    run, again = to_the_end(begun(kind)), begun(kind)
    again.resume(run.state())
    answers = [one.correct_cases()["loss"].tolist() for one in (run, again, to_the_end(begun(kind, seed=1)))]
    assert answers[0] == answers[1] != answers[2]


def test_an_evaluation_that_changes_the_weights_does_not_change_their_digest(tmp_path: Path) -> None:
    class Careless(Guesses):
        def correct_cases(self) -> dict[str, Any]:
            self.chance = self.chance + 1
            return {}

    found = ran(tmp_path / "careless", Careless)
    assert found["weights_sha256"] == ran(tmp_path / "as it was")["weights_sha256"]
    assert "correct" not in found


def test_a_training_that_diverged_is_not_asked() -> None:
    run = to_the_end(begun(of(lambda t: {"loss": float("nan")}, correct_cases=lambda self: 1 / 0)))
    assert run.correct_cases() == {}


def test_a_result_without_cases_has_the_fields_that_it_always_had(tmp_path: Path) -> None:
    found = ran(tmp_path, of(lambda t: {"loss": 1.0}))
    assert [*found] == [
        *("format", "key", "training", "config", "seed", "data", "status", "metrics", "at", "steps"),
        *("facts", "weights_sha256", "provenance", "sha256"),
    ]
    assert load(tmp_path).correct(found["key"], "loss") is None
    store = TrialStore(tmp_path / "old")
    write_trial(store, "old", [study.higher("hit_rate")], {"hit_rate": [0.5]})
    results = load(store)
    assert results.correct("old", "hit_rate") is None
    assert (len(results.trials), results.problems) == (1, [])


def test_a_large_result_takes_memory_in_proportion(tmp_path: Path) -> None:
    cases = encoded_cases(np.zeros(10_000_000, bool))
    curve = {"step": [1], "test_accuracy": (np.array([0.5]), np.array([True]))}
    store = TrialStore(tmp_path)
    store.commit("k", curve, {**made_result(), "correct": dict.fromkeys("abcd", cases)})
    size = (tmp_path / "trials/k/result.json").stat().st_size
    store.result("k")
    tracemalloc.start()
    try:
        assert len(load(store).trials) == 1
        assert tracemalloc.get_traced_memory()[1] < 5 * size
    finally:
        tracemalloc.stop()


RIGHT = np.ones(3, bool)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, "correct_cases returned nothing, not a mapping"),
        (RIGHT, "correct_cases returned a ndarray, not a mapping"),
        (
            {"los": RIGHT},
            r"names 'los', which is no declared metric; did you mean 'loss'\? \(declared: loss\)",
        ),
        ({3: RIGHT}, "names 3, which is no declared metric"),
        ({"loss": [True]}, r"returned a list for loss; needed is an array or a tensor, bool \[N\]"),
        ({"loss": RIGHT.astype(int)}, r"returned int64 \[3\] for loss"),
        ({"loss": torch.ones(2)}, r"returned float32 \[2\] for loss"),
        ({"loss": RIGHT[None]}, r"returned bool \[1, 3\] for loss"),
        ({"loss": RIGHT[:0]}, r"returned bool \[0\] for loss"),
        ({"loss": np.bool_(True)}, "for loss; needed is"),
        ({"loss": np.zeros(10_000_001, bool)}, "returned 10,000,001 cases; a result may have 10,000,000"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else None,
)
def test_what_must_not_be_told_is_said(tmp_path: Path, told: Any, said: str) -> None:
    kind = of(lambda t: {"loss": 1.0}, correct_cases=lambda self: told)
    with pytest.raises(RuntimeError, match=f"seed 0.*{said}"):
        ran(tmp_path, kind)
    assert not [*tmp_path.glob("trials/*/result.json")]


def test_all_mistakes_are_said_at_once() -> None:
    run = to_the_end(begun(of(lambda t: {"loss": 1}, correct_cases=lambda self: {"a": RIGHT, "loss": 3})))
    with pytest.raises(StudyError) as error:
        run.correct_cases()
    assert len(error.value.mistakes) == 2


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16, 24, 25, 10_000])
def test_any_number_of_cases_is_read_back(tmp_path: Path, n: int) -> None:
    drawn = np.random.default_rng(n).random(n) < 0.7
    answers = drawn if n % 2 else torch.tensor(drawn)
    found = ran(tmp_path, of(lambda t: {"loss": 1.0}, correct_cases=lambda self: {"loss": answers}))
    read = load(tmp_path).correct(found["key"], "loss")
    assert read is not None
    assert np.array_equal(read, drawn)


@pytest.mark.parametrize(
    ("correct", "said"),
    [
        (None, "correct: Input should be a valid dictionary|correct: Input should be an object"),
        ({"a": {"n": 9}}, "a.bits: Field required"),
        ({"a": {"n": 9, "bits": ["/4A="]}}, "a.bits: Input should be a valid string"),
        ({"a": {"n": True, "bits": "gA=="}}, "a.n: Input should be a valid integer"),
        ({"a": {"n": 9.0, "bits": "/4A="}}, "a.n: Input should be a valid integer"),
        ({"a": {"n": 0, "bits": ""}}, "a.n: Input should be greater"),
        ({"a": {"n": 10**9, "bits": "/4A="}}, "a.n: Input should be less"),
        (
            {"a": {"n": 10_000_000, "bits": "/4A="}},
            "10,000,000 cases take 1,666,668 letters of base64, not 4",
        ),
        ({"a": {"n": 9, "bits": "/4AAAA=="}}, "9 cases take 4 letters of base64, not 8"),
        ({"a": {"n": 9, "bits": "/\n4A"}}, "its bits are no base64"),
        ({"a": {"n": 9, "bits": "é4A="}}, "its bits are no base64"),
        ({"a": {"n": 9, "bits": "/w=="}}, "not written as those of 9 cases"),
        ({"a": {"n": 9, "bits": "/4B="}}, "not written as those of 9 cases"),
        ({"a": {"n": 9, "bits": "/8A="}}, "bits are set beyond its 9 cases"),
        ({"a\n\x1b[2J" + "x" * 900: {}}, r"correct.'a\\n\\x1b\[2Jx+'\.n: Field required"),
        ({"a" * 2000: {}}, "'a{100}'"),
        ({str(i): {"n": 1, "bits": "gA=="} for i in range(201)}, "at most 200"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_a_field_that_is_none_is_damaged(tmp_path: Path, correct: Any, said: str) -> None:
    store = TrialStore(tmp_path)
    curve = {"step": [1], "test_accuracy": (np.array([0.5]), np.array([True]))}
    store.commit("k", curve, {**made_result(), "correct": correct})
    with pytest.raises(Damaged, match=said) as error:
        store.result("k")
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500
    results = load(store)
    assert (len(results.trials), results.problems) == (0, [str(error.value)])
    store.commit("d", curve, {**made_result(accuracy="diverged"), "correct": {"a": {"n": 1, "bits": "gA=="}}})
    with pytest.raises(Damaged, match="at most 0 items"):
        store.result("d")
