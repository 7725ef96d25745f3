"""One trial from its first step to its metrics, resumable to the bit. It knows neither Ray nor the store."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from study import seeds
from study.errors import StudyError
from study.lineage import Lineage, configs, end_of
from study.running.cases import checked_cases
from study.running.history import History
from study.store.cases import Answers
from study.store.checkpoint_file import decoded_state, encoded_state
from study.training import Training

# Of a trial that was interrupted more often, its result tells the last ones.
MOST_CONTINUED = 100


class TrialRun:
    """A trial that is trained. `run` does some steps; `state` and `resume` continue to the bit.

    Randomness is stateless: before the training is built and before each step all generators are seeded from the
    seed, the purpose and the step, so a continued trial needs no generator's state.
    """

    def __init__(
        self,
        kind: type[Training],
        config: Any,
        data: Any,
        seed: int,
        device: str = "cpu",
        lineage: Lineage = (),
    ) -> None:
        self.device = device
        self._kind, self._data, self._seed = kind, data, seed
        self._lineage, self._tenths = lineage, [tenth for tenth, _ in lineage]
        self._configs = configs(config, lineage)
        self._changed = 0  # how many of the changes have been made
        self.history = History(kind.metrics)
        self.seconds = 0.0
        # Where other attempts went on with it: {"step": 120, "at": "2026-01-01T00:00:00+00:00", "node": "host"}, ...
        self.continued: list[dict[str, Any]] = []
        # False where `run` was interrupted: the training is then ahead of the history, and `state` that of no step.
        self.between_steps = True
        self.training = self._built(config)
        steps = getattr(self.training, "steps", "not at all")
        if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
            raise StudyError(
                f"{kind.called()} sets steps = {steps!r} in __init__; needed is a whole number, 1 or more"
            )
        if steps is not None and steps > self.history.most_steps:
            raise StudyError(f"{kind.called()} {self.history.too_long(steps)}")
        self.planned = steps  # as it was built; a step may lower them
        if steps is None and lineage:
            raise StudyError(
                f"{kind.called()} does not say how many steps it does, and can't change meanwhile"
            )

    def _built(self, config: Any) -> Training:
        implementation = self._kind.implementation()
        seeds.seed_everything(seeds.seed_of(self._seed, "initialisation"), self.device)
        return implementation(config, self._data, self._seed, self.device)

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.history.step

    @property
    def steps(self) -> int | None:
        """Steps in all, as far as the training says now; None where that shows at the end."""
        return self.training.steps

    @property
    def diverged(self) -> bool:
        """Whether a value was not finite, which ends the trial."""
        return self.history.diverged

    @property
    def done(self) -> bool:
        """Trained to the end, or diverged."""
        return self.diverged or (self.steps is not None and self.step >= self.steps)

    @property
    def percent(self) -> float:
        """How much of it is done; 0 to the end where the steps are not known beforehand."""
        return 100.0 if self.done else 100 * self.step / self.steps if self.steps else 0.0

    @property
    def rate(self) -> float:
        """How many of what the training counts (`Training.counts`) in a second, over all of it so far."""
        return self.training.counted(self.step) / self.seconds if self.seconds else 0.0

    def run(self, n: int) -> int:
        """Do up to n steps and return how many. Raises StudyError for what a step must not return."""
        started, before, self.between_steps = time.perf_counter(), self.step, False
        n = n if self.steps is None else min(n, self._to_change() - before)
        try:
            self.history.add(_numbers(self._rows(before, n)))
            self.between_steps = True
        finally:
            self.seconds += time.perf_counter() - started
        if self.done and not self.diverged and (missing := self.history.unmeasured()):
            raise StudyError(f"never measured {', '.join(missing)}, declared in metrics")
        return self.step - before

    def _to_change(self) -> int:
        """Until which step it goes on as it is, after a change that is due now."""
        for tenth, config in zip(
            self._tenths[self._changed :], self._configs[self._changed + 1 :], strict=True
        ):
            if (at := end_of(tenth, self.planned or 0)) > self.step:
                return min(at, self.steps or 0)
            self.training.change(config)
            self._changed += 1
        return self.steps or 0

    def _seed_step(self, t: int) -> None:
        seeds.seed_everything(seeds.seed_of(self._seed, "step", t), self.device)

    def _rows(self, t: int, n: int) -> list[dict[str, Any]]:
        """What up to n steps from step t on measured: numbers, and tensors that nothing else refers to."""
        rows: list[dict[str, Any]] = []
        for row in self.training.advance(t, n, self._seed_step):
            if len(rows) == n:
                raise StudyError(f"advance went on after the {n:,} steps that it was asked for")
            rows.append({name: _measured(name, value) for name, value in self.history.checked(row).items()})
        if not rows and not self.done:
            raise StudyError(f"advance did none of the {n:,} steps that it was asked for")
        return rows

    def state(self) -> bytes:
        """Everything needed to go on: what the training says, and what was measured so far."""
        kept = {
            "training": self.training.state_dict(),
            "steps": self.steps,
            "history": self.history.state(),
            "seconds": self.seconds,
            "continued": self.continued,
            **({"lineage": self._made()} if self._changed else {}),
        }
        return encoded_state(kept)

    def _made(self) -> str:
        """The changes that were made so far, as a text."""
        return json.dumps(self._lineage[: self._changed], sort_keys=True)

    def most_state_bytes(self) -> int:
        """What no state of it exceeds, with what was measured."""
        series = {metric.series for metric in self.history.metrics.values()}
        return self.training.most_state_bytes() + 32 * len(series) * (self.steps or 0)

    def resume(self, state: bytes) -> None:
        """Go on from another TrialRun's `state()` of the same config, data and seed.

        Raises ValueError where it is none, and leaves this one unusable then. Nothing in it is executed.
        """
        try:
            loaded = decoded_state(state)
            if "history" not in loaded:
                loaded = self.training.former_state(loaded)
            self.history.load(loaded["history"])
            if self.steps is not None and self.step > self.steps:
                raise ValueError(f"{self.step:,} steps of {self.steps:,}")
            # A change at this very step is not made yet.
            self._changed = sum(end_of(tenth, self.planned or 0) < self.step for tenth in self._tenths)
            if loaded.get("lineage", "") != (self._made() if self._changed else ""):
                raise ValueError("it was trained with other hyperparameters")
            if self._changed:
                self.training.close()
                self.training = self._built(self._configs[self._changed])
            # A step before may have lowered it.
            if (steps := loaded.get("steps", self.steps)) != self.steps:
                if type(steps) is not int or self.steps is None or not 1 <= steps < self.steps:
                    raise ValueError(f"it ends after {steps} steps")
                self.training.steps = steps
            self.training.load_state_dict(loaded["training"])
            self.continued = _continued(loaded.get("continued", []))
            self.seconds = float(loaded["seconds"])
            if not 0 <= self.seconds < math.inf:
                raise ValueError(f"{self.seconds} seconds")
        except Exception as error:  # whatever a user's own class or torch's reader stumbles over
            reason = str(error).strip().split("\n")[0]
            raise ValueError(f"not a state of this training: {type(error).__name__}: {reason}") from error

    def weights_sha256(self) -> str | None:
        """sha256 (hex) of the training's weights, by which two trials are compared to the bit.

        None for a diverged trial, whose last weights depend on when the divergence was noticed, and for a training
        that has none.
        """
        if self.diverged or not (weights := self.training.weights()):
            return None
        digest = hashlib.sha256()
        add_to_digest(digest, "", weights)
        return digest.hexdigest()

    def correct_cases(self) -> dict[str, Answers]:
        """By metric, which of its N cases the trained training answered right, bool [N]; nothing of a diverged one.

        Raises StudyError for what `Training.correct_cases` must not return.
        """
        if self.diverged:
            return {}
        # A trial continued after its last step has drawn nothing yet.
        seeds.seed_everything(seeds.seed_of(self._seed, "correct_cases"), self.device)
        return checked_cases(self.training.correct_cases(), self.history.metrics)


def _continued(told: Any) -> list[dict[str, Any]]:
    """The newest of what a checkpoint says of earlier attempts. Raises TypeError or ValueError where it is none."""
    return [
        {"step": int(one["step"]), "at": str(one["at"])[:40], "node": str(one["node"])[:100]}
        for one in told[-MOST_CONTINUED:]
    ]


def _numbers(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, float]]:
    """The rows with numbers for tensors, which are read from their device at once."""
    tensors = [value for row in rows for value in row.values() if hasattr(value, "detach")]
    read: Iterator[float] = iter(())
    if tensors:
        import torch

        together = [tensor.reshape(()).to(tensors[0].device, torch.float64) for tensor in tensors]
        read = iter(torch.stack(together).tolist())
    for row in rows:
        yield {name: next(read) if hasattr(value, "detach") else value for name, value in row.items()}


def _measured(name: str, value: Any) -> Any:
    """A number, or a tensor of one. Raises StudyError for what is none.

    The step may go on to change an array or a tensor that it returned, such as a running mean, so it is copied.
    """
    if type(value) is float:
        return value
    if hasattr(value, "detach"):
        if value.numel() != 1 or value.is_complex():
            complex_ = "complex " if value.is_complex() else ""
            raise StudyError(
                f"a step measured {name}, a {complex_}tensor of shape {list(value.shape)}; needed is one number"
            )
        # A loss would keep its graph, and with it the step's memory.
        return value.detach().clone()
    whole = isinstance(value, np.ndarray | np.generic) and value.shape == () and value.dtype.kind in "biuf"
    if whole or isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            raise StudyError(f"a step measured {name}, a whole number that is too large") from None
    shape = f" of shape {list(value.shape)}" if isinstance(value, np.ndarray) else ""
    raise StudyError(
        f"a step measured {name} = {str(value)[:40]!r}, a {type(value).__name__}{shape}; needed is a number"
    )


def add_to_digest(digest: Any, name: str, value: Any) -> None:
    """Tensors and arrays by their bytes under the names that lead to them, all else as it is written."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            add_to_digest(digest, f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            add_to_digest(digest, f"{name}.{place}", inner)
    else:
        digest.update(name.encode())
        digest.update(_bytes_of(value))


def _bytes_of(value: Any) -> bytes:
    if hasattr(value, "detach"):
        import torch

        return (
            value.detach().cpu().reshape(-1).clone().view(torch.uint8).numpy().tobytes()
            if value.numel()
            else b""
        )
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value).tobytes()
    return json.dumps(value, default=repr).encode()
