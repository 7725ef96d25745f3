"""The report's network on MNIST as PyTorch's own tutorials write it: what every script here trains.

Hyperparameters are those of search_spaces/network_width.py. Nothing is left undone that a good user would
do: pooling comes before ReLU, as in Ray's MNIST example, which is the faster order; nothing waits for a GPU
inside an epoch; loader processes and bfloat16 are there for whom they help.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

WIDTHS = (12, 25, 50, 100)
BATCH_SIZE = 128
LEARNING_RATE = 0.1


class Net(nn.Module):
    """Two convolutions of `width` and twice as many channels, then one linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(2 * width * 7 * 7, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.pool(self.conv1(x)))
        x = torch.relu(self.pool(self.conv2(x)))
        return self.fc(torch.flatten(x, 1))


def train(width: int, seed: int, data: str, workers: int, precision: str) -> dict[str, float]:
    """Train one epoch and test; returns the accuracy in [0, 1] and the seconds that it took."""
    started = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    to_tensor = transforms.ToTensor()
    train_set = datasets.MNIST(data, train=True, transform=to_tensor)
    test_set = datasets.MNIST(data, train=False, transform=to_tensor)
    options = {"num_workers": workers, "pin_memory": device.type == "cuda"}
    train_loader = DataLoader(train_set, BATCH_SIZE, shuffle=True, **options)
    test_loader = DataLoader(test_set, 1000, **options)

    model = Net(width).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    loss_function = nn.CrossEntropyLoss()
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
    model.train()
    for inputs, labels in train_loader:
        inputs, labels = inputs.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        optimizer.zero_grad()
        with autocast:
            loss = loss_function(model(inputs), labels)
        loss.backward()
        optimizer.step()

    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    with torch.no_grad():
        for inputs, labels in test_loader:
            inputs, labels = inputs.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            with autocast:
                correct += (model(inputs).argmax(1) == labels).sum()
    accuracy = correct.item() / len(test_set)
    return {"accuracy": accuracy, "seconds": time.perf_counter() - started}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The words that every script understands."""
    words = argparse.ArgumentParser(description=description)
    words.add_argument(
        "--data", default=os.environ.get("STUDY_DATA", "data"), help="folder that has MNIST/raw"
    )
    words.add_argument("--seeds", type=int, default=1)
    words.add_argument("--workers", type=int, default=0, help="processes of each DataLoader")
    words.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    return words


def work(given: argparse.Namespace) -> dict[str, object]:
    """What `train` takes besides width and seed."""
    data = str(Path(given.data).absolute())  # a worker process may stand in another folder
    return {"data": data, "workers": given.workers, "precision": given.precision}


def show(results: list[dict[str, float]]) -> None:
    """Print the trials, each with width, seed, accuracy and seconds, as the last line of stdout."""
    sys.stdout.flush()
    print(json.dumps(sorted(results, key=lambda of: (of["width"], of["seed"]))))
