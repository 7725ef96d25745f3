"""All arms of the report's twelve studies as a plain loop: one training after the other, each on all cores.

Networks, losses and optimizers are those of the report; the loop is an introductory tutorial's: a DataLoader
with ToTensor, contiguous tensors. An arm that two studies have is trained in both, as their scripts would.

    python benchmarks/peers/report.py --data data
"""

import json
import time
from pathlib import Path

import torch
from mnist import arguments, work
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.models import get_model

from study import load
from study.images import optimization
from study.images.config import ImageConfig
from study.images.models import CNN

# Channels, height, width, classes.
MNIST = (1, 28, 28, 10)
STUDIES = Path(__file__).parents[2] / "search_spaces"


def network(config: ImageConfig) -> nn.Module:
    """The CNN, which pools before ReLU as Ray's example does, or torchvision's ResNet."""
    if config.model == "cnn":
        return CNN(config, MNIST)
    model: nn.Module = get_model(config.model, num_classes=10)
    model.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return model


def train(config: ImageConfig, seed: int, data: str, workers: int) -> dict[str, float]:
    """The accuracy on the test set in [0, 1] after the last epoch, and the seconds that it took."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    to_tensor = transforms.ToTensor()
    train_set = datasets.MNIST(data, train=True, transform=to_tensor)
    test_set = datasets.MNIST(data, train=False, transform=to_tensor)
    train_loader = DataLoader(train_set, config.batch_size, shuffle=True, num_workers=workers)
    test_loader = DataLoader(test_set, 1000, num_workers=workers)
    model = network(config)
    optimizer = optimization.optimizer(config, model)
    loss_function = optimization.loss(config, train_set.targets.numpy(), MNIST[3])
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16")
    for _ in range(config.epochs):
        model.train()
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            with autocast:
                loss = loss_function(model(inputs), labels)
            loss.backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.no_grad(), autocast:
            for inputs, labels in test_loader:
                correct += int((model(inputs).argmax(1) == labels).sum())
    return {"accuracy": correct / len(test_set), "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    given = arguments(__doc__).parse_args()
    todo = work(given)
    results = []
    for path in sorted(STUDIES.glob("*.py")):
        if path.stem in ("more_epochs", "optimizers_tuned"):  # beyond the report
            continue
        study = load(path)
        for arm in study.expand():
            config = study.config(arm, {}, {"precision": todo["precision"]})
            result = train(config, 0, str(todo["data"]), int(todo["workers"]))
            results.append({"study": study.name, "arm": arm.label, "model": config.model, **result})
    print(json.dumps(results))
