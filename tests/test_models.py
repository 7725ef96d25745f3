"""Every network maps [N, C, H, W] to [N, K], and its cost is counted right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from conftest import image_run
from torch import nn
from torchvision.models import get_model

from study import StudyError, load
from study.images import models
from study.images.config import ImageConfig, ModelName
from study.images.convolution import Convolution
from study.images.cost import cost, counts
from study.images.data import Dataset
from study.images.declaration import Images
from study.own_code import meaning_sha256, resolve

MNIST = (1, 28, 28, 10)


@pytest.mark.parametrize("name", get_args(ModelName))
def test_a_network_gives_ten_logits_per_image(name: str) -> None:
    config = ImageConfig(model=name)
    network = models.network(name)(config, MNIST).eval()
    with torch.no_grad():
        assert network(torch.rand(3, 1, 28, 28)).shape == (3, 10)
    assert cost(config).facts["parameters"] == sum(weights.numel() for weights in network.parameters())


def test_the_baselines_cost_is_that_of_its_layers() -> None:
    counted = cost(ImageConfig())
    assert counted.facts["parameters"] == (9 * 50 + 50) + (9 * 50 * 100 + 100) + (4900 * 10 + 10)
    # A multiplication and an addition per weight and output pixel; biases and pools are not counted.
    assert counted.facts["flops_per_image"] == 2 * (9 * 50 * 28**2 + 9 * 50 * 100 * 14**2 + 4900 * 10)


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 7, "conv_layers": 1, "kernel_size": 5},
        {"width": 3, "conv_layers": 4, "fc_layers": 3, "fc_width": 17, "dropout": 0.5},
    ],
)
def test_the_cost_of_any_cnn_is_what_torch_counts(fields: dict[str, Any]) -> None:
    config = ImageConfig(**fields)
    for shape in (MNIST, (3, 32, 40, 7)):
        assert counts(config, shape) == models.count(config, shape)


def test_pool_then_relu_is_relu_then_pool() -> None:
    config = ImageConfig(width=6, conv_layers=3)
    ours = models.CNN(config, MNIST)
    convolutions = [layer for layer in ours.layers if isinstance(layer, nn.Conv2d)]
    images = torch.rand(4, 1, 28, 28)
    usual = images
    for convolution in convolutions:
        usual = nn.functional.max_pool2d(torch.relu(convolution(usual)), 2)
    assert torch.equal(ours(images), ours.layers[-1](usual.flatten(1)))
    assert [convolution.out_channels for convolution in convolutions] == [6, 12, 24]


def test_dropout_acts_between_linear_layers_only_while_training() -> None:
    network = models.CNN(ImageConfig(width=2, fc_layers=3, fc_width=8, dropout=0.5), MNIST)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds[-7:] == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    images = torch.rand(5, 1, 28, 28)
    network.eval()
    assert torch.equal(network(images), network(images))
    network.train()
    assert not torch.equal(network(images), network(images))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pixels"),
    [
        (1, 1, 1, 1),
        (1, 3, 1, 1),
        (2, 1, 2, 1),
        (2, 3, 2, 1),
        (2, 3, 1, 2),
        (3, 5, 1, 3),
        (5, 5, 7, 1),
        (4, 3, 1, 4),
    ],
)
def test_a_small_convolution_is_a_convolution(size: int, kernel: int, stride: int, pixels: int) -> None:
    ours = Convolution(3, 4, kernel, stride, kernel // 2).double()
    images = torch.rand(6, 3, size, size, dtype=torch.float64, requires_grad=True)
    theirs = nn.functional.conv2d(images, ours.weight, ours.bias, stride, kernel // 2)
    given = ours(images)
    assert given.shape == (6, 4, pixels, pixels)
    torch.testing.assert_close(given, theirs)
    to = (images, ours.weight, ours.bias)
    slopes = [torch.autograd.grad(pixels.square().sum(), to) for pixels in (given, theirs)]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnet_is_torchvisions(name: str) -> None:
    ours = models.network(name)(ImageConfig(model=name), MNIST).double()
    theirs = get_model(name, num_classes=10)
    theirs.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    theirs.double().load_state_dict(ours.state_dict())
    images = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images))


def test_a_resnet_trains_and_resumes_to_the_same_bits(digits: Dataset) -> None:
    # Batch normalisation's running statistics are state too.
    torch.set_num_threads(1)
    parts = (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
    few = Dataset("few", *(part[:96] for part in parts))
    fields = {"dataset": "digits", "model": "resnet18", "batch_size": 32}
    whole, part, resumed = (image_run(few, **fields) for _ in range(3))
    whole.run(10)
    part.run(1)
    resumed.resume(part.state())
    resumed.run(10)
    assert whole.done
    assert resumed.weights_sha256() == whole.weights_sha256()
    assert resumed.history.values() == whole.history.values()


PLUGIN = """
from torch import nn
from helpers import hidden

def network(config):
    width = hidden(config)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))

def eleven(config):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 11))

def fails(config):
    return nn.Linear(3, 10)

def not_a_network(config):
    return 7

def any_shape(config, shape, classes):
    channels, height, width = shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

class Loop(nn.Sequential):
    def training_step(self, batch, i):
        return None

def with_a_loop(config):
    return Loop(nn.Flatten(), nn.Linear(784, 10))

constant = 3
"""


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_networks.py").write_text(PLUGIN)
    (tmp_path / "helpers.py").write_text("def hidden(config):\n    return config.width\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_users_own_network_is_counted(plugin_folder: Path) -> None:
    counted = cost(ImageConfig(model="my_networks:network", width=5))
    assert counted.facts["parameters"] == 784 * 5 + 5 + 5 * 10 + 10
    assert counted.facts["flops_per_image"] == 2 * (784 * 5 + 5 * 10)


def test_a_users_own_network_may_ask_for_the_shape_of_the_images(plugin_folder: Path) -> None:
    config = ImageConfig(model="my_networks:any_shape")
    assert counts(config, (3, 10, 12, 7))[0] == 3 * 10 * 12 * 7 + 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_networks:eleven", r"gives \[2, 11\] for 2 images; needed is \[2, 10\]"),
        ("my_networks:fails", r"fails on images \[2, 1, 28, 28\]: RuntimeError"),
        ("my_networks:not_a_network", "returned a int instead of an nn.Module"),
        ("my_networks:with_a_loop", r"has a training loop of its own \(training_step\).*docs/your-training"),
        ("my_networks:constant", "has no function 'constant'"),
        ("my_networks:absent", "has no function 'absent'"),
        ("no_such_module:f", "module 'no_such_module' can't be imported: ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_does_not_fit_is_refused(plugin_folder: Path, name: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        cost(ImageConfig(model=name))


def test_an_edit_of_what_a_plugin_imports_makes_another_trial(plugin_folder: Path) -> None:
    (plugin_folder / "net_parts").mkdir()
    (plugin_folder / "net_parts/__init__.py").write_text("")
    (plugin_folder / "net_parts/layers.py").write_text("import json\nUNITS = 10\n")
    (plugin_folder / "own_net.py").write_text(
        "from torch import nn\nfrom net_parts.layers import UNITS\n"
        "def build(config):\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, UNITS))\n"
    )
    before = meaning_sha256("own_net:build")
    code = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from study.own_code import meaning_sha256; print(meaning_sha256('own_net:build'))"
    )

    def anew() -> str:
        words = [sys.executable, "-c", code, str(plugin_folder)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    (plugin_folder / "unrelated.py").write_text("x = 1")
    assert meaning_sha256("own_net:build") == before
    (plugin_folder / "net_parts/layers.py").write_text("import json\nUNITS = 5 + 5\n")
    # Python has the old network: it must not be trained as the new one.
    with pytest.raises(StudyError, match="was edited since Python imported it"):
        meaning_sha256("own_net:build")
    assert anew() != before
    (plugin_folder / "net_parts/layers.py").write_text(
        '"""Units."""\nimport json  # not used\n\n\nUNITS = 10\n'
    )
    assert anew() == before


def test_two_modules_of_one_name_are_not_mistaken_for_each_other(
    plugin_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "my_networks.py").write_text(PLUGIN)
    (other / "its.py").write_text(
        "from study import Study\nSTUDY = Study(title='T', arms={'a': {'model': 'my_networks:network'}})\n"
    )
    loaded = load(other / "its.py")
    with pytest.raises(StudyError, match="rename one"):
        resolve(loaded.arms["a"]["model"])


NORMALISED = """
from torch import nn

def build(config, shape, classes):
    return nn.Sequential(nn.BatchNorm2d(shape[0]), nn.Flatten(), nn.Linear(shape[1] * shape[2], classes))

def ends_in_it(config, shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[1] * shape[2], classes), nn.BatchNorm1d(classes))
"""


@pytest.mark.parametrize(
    ("function", "one_image_is_refused"), [("build", False), ("ends_in_it", True), ("resnet18", True)]
)
def test_a_batch_of_one_is_refused_where_the_network_can_t_normalise_it(
    function: str, one_image_is_refused: bool, plugin_folder: Path
) -> None:
    (plugin_folder / "resnet_own.py").write_text(NORMALISED)
    model = function if function == "resnet18" else f"resnet_own:{function}"
    config = ImageConfig(model=model, dataset="digits", batch_size=1436)
    said = list(Images.misfits(config, Path()))
    assert bool(said) == one_image_is_refused
    assert all(f"the batch normalisation of {model} can't be computed" in line for line in said)
    assert not list(Images.misfits(config.model_copy(update={"batch_size": 1435}), Path()))
