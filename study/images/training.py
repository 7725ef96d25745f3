"""Training: one trial from its config to its metrics, resumable to the bit. It knows no Ray.

N batch, K classes. Accuracies are in [0, 1], durations in seconds.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from study.declare.own_code import is_plugin
from study.images import models, optimization
from study.images.config import TrialConfig
from study.images.data import Dataset
from study.images.step_graph import StepGraphs
from study.seeds import epoch_order, seed_of, seed_torch, validation_split
from study.store.checkpoint_file import decoded_state, encoded_state

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Epoch:
    """What an epoch's end measured, on the whole test set and on the images held out for validation."""

    epoch: int
    test_loss: float
    test_accuracy: float
    test_top5: float
    validation_accuracy: float | None = None


class Training:
    """One trial. `run` trains a number of minibatches; `state` and `resume` continue to the bit.

    Randomness is stateless: initialisation, data order and dropout are each seeded from the seed, their
    purpose, and the epoch or iteration, so a continued training needs no generator's state. Images stay
    uint8 on the device; a batch is gathered and scaled there, and losses and accuracies are kept there
    until `run` returns, so nothing waits for the device inside an epoch.
    """

    def __init__(
        self,
        config: TrialConfig,
        dataset: Dataset,
        device: str | torch.device = "cpu",
        network: models.Network | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        # A reused process may come from another trial: what is global is set anew.
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True

        kept, held_out = validation_split(len(dataset.train_labels), config.validation_size)
        self._images = _on(self.device, dataset.train_images[kept])
        self._labels = _on(self.device, dataset.train_labels[kept])
        self._validation_images = _on(self.device, dataset.train_images[held_out])
        self._validation_labels = _on(self.device, dataset.train_labels[held_out])
        self._test_images = _on(self.device, dataset.test_images)
        self._test_labels = _on(self.device, dataset.test_labels)

        seed_torch(seed_of(config.seed, "initialisation"), self.device)
        built = (network or models.network(config.model))(config)
        self.model = built.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = optimization.optimizer(config, self.model)
        self.loss = optimization.loss(config, dataset.train_labels[kept]).to(self.device)

        self.iteration = 0
        self.iterations_per_epoch = -(-len(self._labels) // config.batch_size)
        self.iterations = self.iterations_per_epoch * config.epochs
        self.train_loss = np.zeros(0, np.float32)
        self.train_accuracy = np.zeros(0, np.float32)
        self.epochs: list[Epoch] = []
        self.seconds = 0.0
        self.diverged = False
        self._order_of_epoch = (-1, torch.zeros(0, dtype=torch.int64))
        self._graphs = StepGraphs(self._why_eager())

    def _why_eager(self) -> str | None:
        """Why no step may become a CUDA graph, or None."""
        if self.device.type != "cuda":
            return "not on a CUDA device"
        if is_plugin(self.config.model) and not getattr(self.model, "capturable", False):
            return f"{self.config.model} does not say that it is capturable"
        return None

    @property
    def eager(self) -> str | None:
        """Why steps are not CUDA graphs, or None where they are (or will be, after the first few)."""
        return self._graphs.eager

    @property
    def done(self) -> bool:
        """Trained to the end, or diverged."""
        return self.diverged or self.iteration == self.iterations

    def run(self, steps: int) -> int:
        """Train up to `steps` minibatches, not past the end of an epoch, and return how many.

        Their losses and accuracies are appended to `train_loss` and `train_accuracy`; at an epoch's end
        the test set is evaluated into `epochs`. A loss that is not finite, in training or on the test set,
        ends the trial as diverged: its curve ends with that iteration, however the steps were divided into
        runs.
        """
        started = time.perf_counter()
        epoch, first = divmod(self.iteration, self.iterations_per_epoch)
        steps = min(steps, self.iterations_per_epoch - first)
        batches = torch.split(self._order(epoch), self.config.batch_size)[first : first + steps]
        numbers = torch.empty(steps, 2, device=self.device)  # loss and count of hits
        self.model.train()
        for i, batch in enumerate(batches):
            seed_torch(seed_of(self.config.seed, "step", self.iteration + i), self.device)
            self._graphs.call(self._step, batch, numbers[i])
        at_end = first + steps == self.iterations_per_epoch
        evaluated = self._evaluate() if at_end else {}

        self.iteration += steps
        sizes = np.array([len(batch) for batch in batches], np.float32)
        losses, correct = numbers.cpu().numpy().T
        self.train_loss = np.append(self.train_loss, losses)
        self.train_accuracy = np.append(self.train_accuracy, correct / sizes)
        bad = np.flatnonzero(~np.isfinite(self.train_loss))
        if len(bad):
            self.diverged = True
            self.iteration = int(bad[0]) + 1
            self.train_loss = self.train_loss[: self.iteration]
            self.train_accuracy = self.train_accuracy[: self.iteration]
        elif evaluated:
            measured = {name: value.item() for name, value in evaluated.items()}
            # The epoch's last update may be the one that breaks the weights.
            self.diverged = not math.isfinite(measured["test_loss"])
            if not self.diverged:
                self.epochs.append(Epoch(epoch + 1, **measured))
        self.seconds += time.perf_counter() - started
        return steps

    @property
    def images(self) -> int:
        """How many images it was trained on so far; an epoch's last batch may be short."""
        epochs, batches = divmod(self.iteration, self.iterations_per_epoch)
        return epochs * len(self._labels) + min(batches * self.config.batch_size, len(self._labels))

    @property
    def images_per_second(self) -> float:
        """Over all the training so far, evaluation included."""
        return self.images / self.seconds

    def recent_accuracy(self) -> float:
        """Mean training accuracy over the last tenth of the iterations so far."""
        return float(self.train_accuracy[-max(1, self.iteration // 10) :].mean())

    def _order(self, epoch: int) -> Tensor:
        """The epoch's permutation of the training set, int64 [N]; the same for every arm of a seed."""
        if self._order_of_epoch[0] != epoch:
            order = epoch_order(len(self._labels), self.config.seed, epoch)
            self._order_of_epoch = (epoch, order.to(self.device, non_blocking=True))
        return self._order_of_epoch[1]

    def _forward(self, images: Tensor) -> Tensor:
        """Float32 logits [N, K] of uint8 images [N, 1, H, W]."""
        scaled = images.float().div_(255).contiguous(memory_format=torch.channels_last)
        bfloat16 = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            logits: Tensor = self.model(scaled)
        return logits.float()

    def _step(self, batch: Tensor, out: Tensor) -> None:
        """One minibatch, given by its indices int64 [N]; loss and count of hits go to out, float32 [2]."""
        labels = self._labels[batch]
        logits = self._forward(self._images[batch])
        loss = self.loss(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        out[0] = loss.detach()
        out[1] = (logits.detach().argmax(1) == labels).sum()

    def _evaluate(self) -> dict[str, Tensor]:
        """The fields of an Epoch, still on the device."""
        loss, top1, top5 = self._measure(self._test_images, self._test_labels)
        measured = {"test_loss": loss, "test_accuracy": top1, "test_top5": top5}
        if len(self._validation_labels):
            _, top1, _ = self._measure(self._validation_images, self._validation_labels)
            measured["validation_accuracy"] = top1
        return measured

    @torch.no_grad()
    def _measure(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean loss, top-1 and top-5 accuracy over these images, float64 [3]."""
        self.model.eval()
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        for first in range(0, len(labels), EVALUATION_BATCH):
            wanted = labels[first : first + EVALUATION_BATCH]
            logits = self._forward(images[first : first + EVALUATION_BATCH])
            hits = logits.topk(5).indices == wanted[:, None]
            loss = nn.functional.cross_entropy(logits, wanted, reduction="sum")
            sums += torch.stack([loss, hits[:, 0].sum(), hits.sum()])
        return sums / len(labels)

    def state(self) -> bytes:
        """Everything needed to go on: weights, optimizer, position, and the curve so far."""
        return encoded_state(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "train_loss": torch.from_numpy(self.train_loss),
                "train_accuracy": torch.from_numpy(self.train_accuracy),
                "epochs": [asdict(epoch) for epoch in self.epochs],
                "seconds": self.seconds,
            }
        )

    def most_state_bytes(self) -> int:
        """What no state of this training exceeds: weights, what optimizers keep of them, and the curve."""
        weights = sum(value.numel() * value.element_size() for value in self.model.state_dict().values())
        return 16 * 1024**2 + 8 * int(weights) + 64 * self.iterations + 1024 * self.config.epochs

    def resume(self, state: bytes) -> None:
        """Go on from another Training's `state()` of the same config and data.

        Raises ValueError where it is none, and leaves this Training unusable then. Nothing in it is executed.
        """
        try:
            # Its tensors go where ours are; what an optimizer keeps on the CPU stays there.
            self._load(decoded_state(state))
        except Exception as error:  # torch raises whatever its reader stumbles over
            reason = str(error).strip().split("\n")[0]
            raise ValueError(f"not a state of this training: {type(error).__name__}: {reason}") from error

    def _load(self, loaded: dict[str, Any]) -> None:
        self.model.load_state_dict(loaded["model"])
        # Its settings are ours: they follow from the config and the device.
        mine = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**mine, "state": loaded["optimizer"]["state"]})
        self._graphs = StepGraphs(self._why_eager())
        self.train_loss = loaded["train_loss"].numpy()
        self.train_accuracy = loaded["train_accuracy"].numpy()
        self.iteration = len(self.train_loss)
        if not len(self.train_accuracy) == self.iteration <= self.iterations:
            raise ValueError(f"{self.iteration:,} iterations of {self.iterations:,}")
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


def _on(device: torch.device, array: np.ndarray[Any, Any]) -> Tensor:
    # Copied, since an array from Ray's object store is read-only and torch can't express that.
    return torch.tensor(array, device=device)
