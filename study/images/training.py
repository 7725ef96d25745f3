"""The report's training: a network that learns to tell images apart. It knows no Ray.

N batch, K classes. Accuracies are in [0, 1].
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from study import seeds
from study.images import models, optimization
from study.images.config import ImageConfig
from study.images.data import Dataset
from study.images.declaration import Images
from study.images.step_graph import StepGraphs
from study.own_code import is_plugin

EVALUATION_BATCH = 1000
Indices = npt.NDArray[np.int64]
# Where so large a share of all answers is one class, the network has collapsed.
ONE_CLASS = 0.99


class ImageTraining(Images):
    """A step is a minibatch; at the end of each epoch the test set is measured.

    Images stay uint8 on the device; a batch is gathered and scaled there, and losses and accuracies are kept there
    until `advance` is through, so nothing waits for the device inside an epoch.
    """

    def __init__(self, config: ImageConfig, data: Dataset, seed: int, device: str) -> None:
        self.config = config
        self._seed = seed
        self.device = torch.device(device)
        # A reused process may come from another trial: what is global is set anew.
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True

        kept, held_out = _validation_split(len(data.train_labels), config.validation_size)
        self._images = _on(self.device, data.train_images[kept])
        self._labels = _on(self.device, data.train_labels[kept])
        self._validation_images = _on(self.device, data.train_images[held_out])
        self._validation_labels = _on(self.device, data.train_labels[held_out])
        self._test_images = _on(self.device, data.test_images)
        self._test_labels = _on(self.device, data.test_labels)

        built = models.network(config.model)(config, data.shape)
        self.model = built.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = optimization.optimizer(config, self.model)
        self.loss = optimization.loss(config, data.train_labels[kept], data.classes).to(self.device)

        self.per_epoch = -(-len(self._labels) // config.batch_size)
        self.steps = self.per_epoch * config.epochs
        cost = self.cost(config, data)
        self.facts = {**cost.facts, "test_images": len(self._test_labels)}
        self._order_of_epoch = (-1, torch.zeros(0, dtype=torch.int64))
        self._graphs = StepGraphs(self._why_eager())
        # Which test images the present weights answer right, bool [N], where they were measured.
        self._test_hits: Tensor | None = None

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

    def advance(self, t: int, n: int, seed_step: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
        """Up to n minibatches, not past the end of an epoch, and read from the device together."""
        epoch, first = divmod(t, self.per_epoch)
        n = min(n, self.per_epoch - first)
        batches = torch.split(self._order(epoch), self.config.batch_size)[first : first + n]
        numbers = torch.empty(n, 2, device=self.device)  # loss and count of hits
        self.model.train()
        self._test_hits = None
        for i, batch in enumerate(batches):
            seed_step(t + i)
            self._graphs.call(self._step, batch, numbers[i])
        at_end = self._evaluated() if first + n == self.per_epoch else {}
        losses, hits = numbers.cpu().numpy().T
        rows: list[dict[str, Any]] = [
            {"train_loss": loss, "train_accuracy": hit / len(batch)}
            for loss, hit, batch in zip(losses, hits, batches, strict=True)
        ]
        rows[-1] |= {name: value.item() for name, value in at_end.items()}
        yield from rows

    def counted(self, t: int) -> int:
        """How many images t steps train on; an epoch's last batch may be short."""
        epochs, batches = divmod(t, self.per_epoch)
        return epochs * len(self._labels) + min(batches * self.config.batch_size, len(self._labels))

    def _order(self, epoch: int) -> Tensor:
        """The epoch's permutation of the training set, int64 [N]; the same for every arm of a seed."""
        if self._order_of_epoch[0] != epoch:
            order = seeds.order(len(self._labels), self._seed, epoch)
            self._order_of_epoch = (epoch, order.to(self.device, non_blocking=True))
        return self._order_of_epoch[1]

    def _forward(self, images: Tensor) -> Tensor:
        """Float32 logits [N, K] of uint8 images [N, C, H, W]."""
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

    def _evaluated(self) -> dict[str, Tensor]:
        """The metrics of an epoch's end, still on the device."""
        (loss, top1, top5, one_class), self._test_hits = self._measure(self._test_images, self._test_labels)
        measured = {"test_loss": loss, "test_accuracy": top1, "test_top5": top5, "one_class": one_class}
        if len(self._validation_labels):
            on_validation, _ = self._measure(self._validation_images, self._validation_labels)
            measured["validation_accuracy"] = on_validation[1]
        return measured

    @torch.no_grad()
    def _measure(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss, top-1 and top-5 accuracy, and whether nearly all answers are one class, float64 [4].

        And which images are answered right, bool [N].
        """
        self.model.eval()
        right = torch.zeros(len(labels), dtype=torch.bool, device=self.device)
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        counts: Tensor | int = 0  # of each class among the answers, int64 [K]
        for first in range(0, len(labels), EVALUATION_BATCH):
            wanted = labels[first : first + EVALUATION_BATCH]
            logits = self._forward(images[first : first + EVALUATION_BATCH])
            best = logits.topk(min(5, logits.shape[1])).indices
            hits = best == wanted[:, None]
            right[first : first + EVALUATION_BATCH] = hits[:, 0]
            loss = nn.functional.cross_entropy(logits, wanted, reduction="sum")
            sums += torch.stack([loss, hits[:, 0].sum(), hits.sum()])
            counts += (best[:, :1] == torch.arange(logits.shape[1], device=best.device)).sum(0)
        most = torch.as_tensor(counts).max() / len(labels)
        return torch.cat([sums / len(labels), (most >= ONE_CLASS).double()[None]]), right

    def correct_cases(self) -> Mapping[str, Tensor]:
        """Which test images it answers right, bool [N]: as last measured, or measured now in a continued trial."""
        if all(metric.name != "test_accuracy" for metric in self.metrics):  # a class based on this one
            return {}
        if self._test_hits is None:
            _, self._test_hits = self._measure(self._test_images, self._test_labels)
        return {"test_accuracy": self._test_hits}

    def state_dict(self) -> dict[str, Any]:
        """The weights, and what the optimizer keeps of them; its settings follow from the config."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()["state"]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The weights and the optimizer's state of another training of the same config."""
        self.model.load_state_dict(state["model"])
        mine = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**mine, "state": state["optimizer"]})
        # Graphs would go on with the tensors that they were captured with.
        self._graphs = StepGraphs(self._why_eager())
        self._test_hits = None

    def change(self, config: ImageConfig) -> None:
        """Go on with another learning rate, momentum or weight decay."""
        state = self.state_dict()
        self.config = config
        self.optimizer = optimization.optimizer(config, self.model)
        self.load_state_dict(state)

    def former_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """A state that study 0.1 saved, as today's."""
        losses, accuracies = state["train_loss"].numpy(), state["train_accuracy"].numpy()
        every = list(range(1, len(losses) + 1))
        steps: dict[str, Any] = {"train_loss": every, "train_accuracy": every}
        values: dict[str, Any] = {"train_loss": losses, "train_accuracy": accuracies}
        for name in ("test_loss", "test_accuracy", "test_top5", "validation_accuracy"):
            known = [epoch for epoch in state["epochs"] if epoch[name] is not None]
            steps[name] = [epoch["epoch"] * self.per_epoch for epoch in known]
            values[name] = [epoch[name] for epoch in known]
        steps["one_class"], values["one_class"] = [], []  # measured anew at the end
        return {
            "training": {"model": state["model"], "optimizer": state["optimizer"]["state"]},
            "history": {"step": len(losses), "steps": steps, "values": values},
            "seconds": state["seconds"],
        }

    def provenance(self) -> Mapping[str, Any]:
        """Why steps were no CUDA graphs, or None; and the version of what brings the ResNets."""
        return {"eager": self.eager, "torchvision": importlib.metadata.version("torchvision")}

    def weights(self) -> Mapping[str, Any]:
        """The network's weights and buffers."""
        found: Mapping[str, Any] = self.model.state_dict()
        return found


def _validation_split(n: int, size: int) -> tuple[Indices, Indices]:
    """Which of n training images are kept and which `size` are held out, int64 [n - size] and [size].

    The same in every trial, so that trials are compared on the same images. Arrays, as a tensor of one index would
    take a single image out of an array, not an array of one.
    """
    order = torch.randperm(n, generator=seeds.generator("validation"))
    return order[size:].sort().values.numpy(), order[:size].sort().values.numpy()


def _on(device: torch.device, array: Any) -> Tensor:
    # Copied, since an array from Ray's object store is read-only and torch can't express that.
    return torch.tensor(array, device=device)
