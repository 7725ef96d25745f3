"""Data sets that are cut, of another kind or size, or nonsense of the user's own making."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bad_input import Case

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(*sizes: int, value: int = 0, kind: int = 8) -> bytes:
    """An IDX file of these sizes, every value the same."""
    return struct.pack(f">HBB{len(sizes)}I", 0, kind, len(sizes), *sizes) + bytes([value]) * int(
        np.prod(sizes)
    )


SOUND = {
    IMAGES: idx(30, 28, 28),
    LABELS: idx(30),
    TEST_IMAGES: idx(20, 28, 28),
    TEST_LABELS: idx(20),
}
MNIST = "plan good.py --dataset mnist --data-dir data"


def mnist(
    id: str, said: str, files: dict[str, bytes] | None = None, make: Callable[[Path], object] | None = None
) -> Case:
    laid = {f"data/MNIST/raw/{name}": content for name, content in (SOUND | (files or {})).items()}
    return Case(f"mnist-{id}", MNIST, said, laid, make)


def plugin(id: str, body: str, said: str, command: str = "plan") -> Case:
    source = f"import numpy as np\nfrom study.images.data import Dataset\n{body}\n"
    words = f"{command} good.py --dataset own_data:make"
    return Case(f"own-{id}", words, said, {"own_data.py": source})


def own(id: str, said: str, **parts: str) -> Case:
    """A data set that is right but for these parts."""
    right = {
        "train_images": "np.zeros((30, 1, 28, 28), np.uint8)",
        "train_labels": "np.zeros(30, np.int64)",
        "test_images": "np.zeros((20, 1, 28, 28), np.uint8)",
        "test_labels": "np.zeros(20, np.int64)",
    }
    return plugin(id, f"def make(): return Dataset('own', {', '.join((right | parts).values())})", said)


def network(id: str, body: str, said: str) -> Case:
    source = f"import torch\nfrom torch import nn\n{body}\n"
    return Case(f"network-{id}", "plan good.py --set model=own_net:make", said, {"own_net.py": source})


def locked(path: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).chmod(0)


def read_only(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data").chmod(0o555)


CASES = [
    Case("mnist-absent", MNIST, "mnist is not in data, and it can't be downloaded"),
    Case(
        "cifar10-absent", "plan good.py --dataset cifar10", "CIFAR-10 can't be had in data: URLError", lines=1
    ),
    Case("mnist-read-only-folder", MNIST, "Permission denied", make=read_only),
    Case("mnist-folder-is-file", f"{MNIST}/x", "mnist is not in data/x", {"data": b""}),
    Case(
        "mnist-folder-is-study", "plan good.py --dataset mnist --data-dir good.py", "mnist is not in good.py"
    ),
    Case("mnist-folder-long", f"plan good.py --dataset mnist --data-dir {'x' * 300}", "File name too long"),
    Case(
        "mnist-folder-in-environment",
        "plan good.py --dataset mnist",
        "mnist is not in nowhere",
        environment={"STUDY_DATA": "nowhere"},
    ),
    mnist("unreadable-file", "Permission denied", make=locked(f"data/MNIST/raw/{LABELS}")),
    mnist("unreadable-folder", "path 'data' is not readable", make=locked("data")),
    mnist("truncated-images", f"{IMAGES} is damaged: it has 20,000 bytes", {IMAGES: SOUND[IMAGES][:20_000]}),
    mnist("truncated-labels", f"{LABELS} is damaged: it has 37 bytes", {LABELS: SOUND[LABELS][:-1]}),
    mnist("truncated-head", f"{TEST_IMAGES} is damaged", {TEST_IMAGES: SOUND[TEST_IMAGES][:9]}),
    mnist("empty-file", f"{IMAGES} is damaged: it does not begin as an IDX file does", {IMAGES: b""}),
    mnist("three-bytes", f"{TEST_LABELS} is damaged", {TEST_LABELS: b"\0\0\x08"}),
    mnist("too-long", f"{LABELS} is damaged: it has 39 bytes", {LABELS: SOUND[LABELS] + b"\0"}),
    mnist(
        "wrong-magic", f"{IMAGES} is damaged: it does not begin", {IMAGES: b"\1\2\3\4" + SOUND[IMAGES][4:]}
    ),
    mnist(
        "compressed", f"{IMAGES} is damaged: it does not begin", {IMAGES: b"\x1f\x8b\x08\x00" + bytes(100)}
    ),
    mnist("a-page", f"{IMAGES} is damaged: it does not begin", {IMAGES: b"<!DOCTYPE html><html>404</html>"}),
    mnist("float-images", f"{IMAGES} is damaged: it does not begin", {IMAGES: idx(30, 28, 28, kind=13)}),
    mnist(
        "announces-exabytes",
        f"{IMAGES} is damaged",
        {IMAGES: struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3)},
    ),
    mnist("labels-as-images", "train images are uint8 [30, 1]", {IMAGES: SOUND[LABELS]}),
    mnist("images-as-labels", "labels", {LABELS: SOUND[IMAGES]}),
    mnist(
        "small-images",
        "mnist: images are [1, 14, 14]; needed are [1, 28, 28]",
        {IMAGES: idx(30, 14, 14), TEST_IMAGES: idx(20, 14, 14)},
    ),
    mnist(
        "small-training-images",
        "test images are [1, 28, 28], training images [1, 14, 14]",
        {IMAGES: idx(30, 14, 14)},
    ),
    mnist("no-images", "train images are uint8 [0, 1, 28, 28]", {IMAGES: idx(0, 28, 28), LABELS: idx(0)}),
    mnist(
        "no-test-images",
        "test images are uint8 [0, 1, 28, 28]",
        {TEST_IMAGES: idx(0, 28, 28), TEST_LABELS: idx(0)},
    ),
    mnist("no-dimensions", "images", {IMAGES: struct.pack(">HBB", 0, 8, 0) + b"\0"}),
    mnist("fewer-labels", "30 train images but [29] labels", {LABELS: idx(29)}),
    mnist("label-10", "train labels reach from 10 to 10; allowed are 0 to 9", {LABELS: idx(30, value=10)}),
    mnist("test-label-255", "test labels reach from 255 to 255", {TEST_LABELS: idx(20, value=255)}),
    Case(
        "mnist-few-images",
        f"{MNIST} --set validation_size=30",
        "mnist has 30 training images",
        {f"data/MNIST/raw/{name}": content for name, content in SOUND.items()},
        lines=1,
    ),
    plugin("absent-function", "", "has no function 'make'"),
    plugin("not-callable", "make = 3", "has no function 'make'"),
    plugin("needs-arguments", "def make(folder): pass", "fails: TypeError"),
    plugin("raises", "def make(): raise RuntimeError('one\\ntwo')", "fails: RuntimeError: one"),
    plugin("exits", "def make(): raise SystemExit(3)", "fails: SystemExit: 3"),
    plugin("base-exception", "def make(): raise GeneratorExit", "fails: GeneratorExit"),
    plugin("module-raises", "1 / 0", "can't be imported: ZeroDivisionError"),
    plugin("module-syntax", "def make(:", "can't be imported: SyntaxError"),
    plugin("module-base-exception", "raise GeneratorExit", "can't be imported: GeneratorExit"),
    plugin("none", "def make(): return None", "returned a NoneType"),
    plugin("tuple", "def make(): return 1, 2, 3, 4", "returned a tuple"),
    plugin("type", "make = Dataset", "fails: TypeError"),
    plugin("of-lists", "def make(): return Dataset('x', [1], [1], [1], [1])", "train images are a list"),
    plugin(
        "of-nones", "def make(): return Dataset('x', None, None, None, None)", "train images are a NoneType"
    ),
    plugin("raises-tune", "def make(): raise RuntimeError('no')", "fails: RuntimeError: no", "tune"),
    own("floats", "train images are float64", train_images="np.zeros((30, 1, 28, 28))"),
    own(
        "colour",
        "test images are [1, 28, 28], training images [3, 28, 28]",
        train_images="np.zeros((30, 3, 28, 28), np.uint8)",
    ),
    own("no-channel", "train images are uint8 [30, 28, 28]", train_images="np.zeros((30, 28, 28), np.uint8)"),
    own(
        "large",
        "test images are [1, 32, 32], training images [1, 28, 28]",
        test_images="np.zeros((20, 1, 32, 32), np.uint8)",
    ),
    own("scalar", "train images are a uint8, not a NumPy array", train_images="np.uint8(3)"),
    own("labels-int32", "train labels are int32; needed are int64", train_labels="np.zeros(30, np.int32)"),
    own("labels-negative", "train labels reach from -1 to -1", train_labels="np.full(30, -1)"),
    own("labels-one-hot", "labels", train_labels="np.zeros((30, 10), np.int64)"),
    own("labels-text", "train labels are", train_labels="np.array(['a'] * 30)"),
    own("lengths", "30 train images but [31] labels", train_labels="np.zeros(31, np.int64)"),
    network(
        "raises",
        "def make(config): raise RuntimeError('no')",
        "fails on images [2, 1, 28, 28]: RuntimeError: no",
    ),
    network(
        "exits", "def make(config): raise SystemExit(3)", "fails on images [2, 1, 28, 28]: SystemExit: 3"
    ),
    network("none", "def make(config): return None", "returned a NoneType instead of an nn.Module"),
    network(
        "class-count",
        "def make(config): return nn.Sequential(nn.Flatten(), nn.Linear(784, 9))",
        "gives [2, 9]",
    ),
    network(
        "input-size",
        "def make(config): return nn.Linear(3, 10)",
        "fails on images [2, 1, 28, 28]: RuntimeError",
    ),
    network(
        "tuple",
        "class N(nn.Module):\n  def forward(self, x): return x, x\ndef make(config): return N()",
        "AttributeError",
    ),
]
