"""Training: one trial from its config to its metrics, resumable to the bit. It knows no Ray.

N batch, K classes. Accuracies are in [0, 1], durations in seconds.
"""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from study import models
from study.config import TrialConfig
from study.data import Dataset

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Epoch:
    """What an epoch's end measured, on the whole test set."""

    epoch: int
    test_loss: float
    test_accuracy: float
    test_top5: float


class Training:
    """One trial. `run` trains a number of minibatches; `state` and `resume` continue to the bit.

    Randomness is stateless: initialisation, data order and dropout are each seeded from the seed, their
    purpose, and the epoch or iteration, so a continued training needs no generator's state. Images stay
    uint8 on the device; a batch is gathered and scaled there, and losses and accuracies are kept there
    until `run` returns, so nothing waits for the device inside an epoch.
    """

    def __init__(self, config: TrialConfig, dataset: Dataset, device: str | torch.device = "cpu") -> None:
        self.config = config
        self.device = torch.device(device)
        # A reused process may come from another trial: what is global is set anew.
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True

        self._images = _on(self.device, dataset.train_images)
        self._labels = _on(self.device, dataset.train_labels)
        self._test_images = _on(self.device, dataset.test_images)
        self._test_labels = _on(self.device, dataset.test_labels)

        torch.manual_seed(_seed(config.seed, "initialisation"))
        self.model = models.build(config).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(config, self.model)
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)

        self.iteration = 0
        self.iterations_per_epoch = -(-len(self._labels) // config.batch_size)
        self.iterations = self.iterations_per_epoch * config.epochs
        self.train_loss = np.zeros(0, np.float32)
        self.train_accuracy = np.zeros(0, np.float32)
        self.epochs: list[Epoch] = []
        self.seconds = 0.0
        self.diverged = False
        self._order_of_epoch = (-1, torch.zeros(0, dtype=torch.int64))

    @property
    def done(self) -> bool:
        """Trained to the end, or diverged."""
        return self.diverged or self.iteration == self.iterations

    def run(self, steps: int) -> int:
        """Train up to `steps` minibatches, not past the end of an epoch, and return how many.

        Their losses and accuracies are appended to `train_loss` and `train_accuracy`; at an epoch's end
        the test set is evaluated into `epochs`. A loss that is not finite ends the trial as diverged:
        its curve ends with that iteration, however the steps were divided into runs.
        """
        started = time.perf_counter()
        epoch, first = divmod(self.iteration, self.iterations_per_epoch)
        steps = min(steps, self.iterations_per_epoch - first)
        batches = torch.split(self._order(epoch), self.config.batch_size)[first : first + steps]
        losses = torch.empty(steps, device=self.device)
        correct = torch.empty(steps, device=self.device)
        self.model.train()
        for i, batch in enumerate(batches):
            torch.manual_seed(_seed(self.config.seed, "step", self.iteration + i))
            self._step(batch, losses[i], correct[i])
        at_end = first + steps == self.iterations_per_epoch
        evaluated = self._evaluate() if at_end else None

        self.iteration += steps
        sizes = np.array([len(batch) for batch in batches], np.float32)
        self.train_loss = np.append(self.train_loss, losses.cpu().numpy())
        self.train_accuracy = np.append(self.train_accuracy, correct.cpu().numpy() / sizes)
        bad = np.flatnonzero(~np.isfinite(self.train_loss))
        if len(bad):
            self.diverged = True
            self.iteration = int(bad[0]) + 1
            self.train_loss = self.train_loss[: self.iteration]
            self.train_accuracy = self.train_accuracy[: self.iteration]
        elif evaluated is not None:
            self.epochs.append(Epoch(epoch + 1, *evaluated.tolist()))
        self.seconds += time.perf_counter() - started
        return steps

    def _order(self, epoch: int) -> Tensor:
        """The epoch's permutation of the training set, int64 [N]; the same for every arm of a seed."""
        if self._order_of_epoch[0] != epoch:
            generator = torch.Generator().manual_seed(_seed(self.config.seed, "order", epoch))
            order = torch.randperm(len(self._labels), generator=generator)
            self._order_of_epoch = (epoch, order.to(self.device, non_blocking=True))
        return self._order_of_epoch[1]

    def _forward(self, images: Tensor) -> Tensor:
        """Float32 logits [N, K] of uint8 images [N, 1, H, W]."""
        scaled = images.float().div_(255).contiguous(memory_format=torch.channels_last)
        bfloat16 = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            logits: Tensor = self.model(scaled)
        return logits.float()

    def _step(self, batch: Tensor, loss_out: Tensor, correct_out: Tensor) -> None:
        """One minibatch, given by its indices int64 [N]; loss and count of hits go to the two scalars."""
        labels = self._labels[batch]
        logits = self._forward(self._images[batch])
        loss = self.loss(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss_out.copy_(loss.detach())
        correct_out.copy_((logits.detach().argmax(1) == labels).sum())

    @torch.no_grad()
    def _evaluate(self) -> Tensor:
        """Mean loss, top-1 and top-5 accuracy over the test set, float64 [3], still on the device."""
        self.model.eval()
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        for first in range(0, len(self._test_labels), EVALUATION_BATCH):
            images = self._test_images[first : first + EVALUATION_BATCH]
            labels = self._test_labels[first : first + EVALUATION_BATCH]
            logits = self._forward(images)
            hits = logits.topk(5).indices == labels[:, None]
            loss = nn.functional.cross_entropy(logits, labels, reduction="sum")
            sums += torch.stack([loss, hits[:, 0].sum(), hits.sum()])
        return sums / len(self._test_labels)

    def state(self) -> bytes:
        """Everything needed to go on: weights, optimizer, position, and the curve so far."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "train_loss": torch.from_numpy(self.train_loss),
            "train_accuracy": torch.from_numpy(self.train_accuracy),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "seconds": self.seconds,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def resume(self, state: bytes) -> None:
        """Go on from another Training's `state()` of the same config and data."""
        loaded: dict[str, Any] = torch.load(io.BytesIO(state), map_location=self.device, weights_only=True)
        self.model.load_state_dict(loaded["model"])
        self.optimizer.load_state_dict(loaded["optimizer"])
        self.train_loss = loaded["train_loss"].cpu().numpy()
        self.train_accuracy = loaded["train_accuracy"].cpu().numpy()
        self.iteration = len(self.train_loss)
        self.epochs = [Epoch(**epoch) for epoch in loaded["epochs"]]
        self.seconds = loaded["seconds"]

    def weights_sha256(self) -> str | None:
        """sha256 (hex) of all weights and buffers, by which two trainings are compared to the bit.

        None for a diverged trial, whose last weights depend on when the divergence was noticed.
        """
        if self.diverged:
            return None
        digest = hashlib.sha256()
        for name, value in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def _seed(*purpose: object) -> int:
    """63 bits from e.g. (seed, "order", epoch); unlike seed + epoch, no two purposes share a stream."""
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _on(device: torch.device, array: np.ndarray[Any, Any]) -> Tensor:
    # Copied, since an array from Ray's object store is read-only and torch can't express that.
    return torch.tensor(array, device=device)


def _optimizer(config: TrialConfig, model: nn.Module) -> torch.optim.Optimizer:
    weights, lr, decay = model.parameters(), config.lr, config.weight_decay
    return torch.optim.SGD(
        weights, lr, momentum=config.momentum, weight_decay=decay, nesterov=config.nesterov
    )
