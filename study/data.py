"""A data set as uint8 arrays, and the fingerprint by which trials on it are told apart.

N images, 1 channel, H = W = 28 pixels, K = 10 classes.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from study.config import IMAGE_SIZE, StudyError
from study.plugins import is_plugin, resolve

CLASSES = 10
DOWNLOAD_TIMEOUT_S = 60.0

# Our name -> torchvision's class, and the files of its `raw` folder.
_IDX = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_QMNIST = (
    "qmnist-train-images-idx3",
    "qmnist-train-labels-idx2-int",
    "qmnist-test-images-idx3",
    "qmnist-test-labels-idx2-int",
)
_TORCHVISION = {
    "mnist": ("MNIST", tuple(f"{stem}-ubyte" for stem in _IDX)),
    "fashion_mnist": ("FashionMNIST", tuple(f"{stem}-ubyte" for stem in _IDX)),
    "kmnist": ("KMNIST", tuple(f"{stem}-ubyte" for stem in _IDX)),
    "qmnist": (
        "QMNIST",
        tuple(stem if stem.endswith("int") else f"{stem}-ubyte" for stem in _QMNIST),
    ),
}


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, 1, 28, 28] and labels int64 [N] in 0 .. 9, for training and for testing."""

    name: str
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if (
                images.dtype != np.uint8
                or images.shape[1:] != (1, IMAGE_SIZE, IMAGE_SIZE)
                or len(images) == 0
            ):
                raise StudyError(
                    f"data set {self.name}: {part} images are {images.dtype} {list(images.shape)}; "
                    f"needed are uint8 [N, 1, {IMAGE_SIZE}, {IMAGE_SIZE}]"
                )
            if labels.dtype != np.int64:
                raise StudyError(f"data set {self.name}: {part} labels are {labels.dtype}; needed are int64")
            if labels.shape != images.shape[:1]:
                raise StudyError(
                    f"data set {self.name}: {len(images)} {part} images but {list(labels.shape)} labels"
                )
            if labels.min() < 0 or labels.max() >= CLASSES:
                raise StudyError(
                    f"data set {self.name}: {part} labels reach from {labels.min()} to {labels.max()}; "
                    f"allowed are 0 to {CLASSES - 1}"
                )

    def test_class_counts(self) -> list[int]:
        """Test images of each class, [K]."""
        return [int(count) for count in np.bincount(self.test_labels, minlength=CLASSES)]


def default_folder() -> Path:
    """Where data lie: the folder that STUDY_DATA names, else ./data."""
    return Path(os.environ.get("STUDY_DATA") or "data")


def fingerprint(name: str, folder: Path) -> str:
    """sha256 (hex) of the data set's source files; it needs no torch, so planning stays fast.

    Downloads the files first if they are not there. Raises StudyError where that is impossible.
    """
    digest = hashlib.sha256(name.encode())
    if is_plugin(name):
        dataset = load(name, folder)
        for array in (
            dataset.train_images,
            dataset.train_labels,
            dataset.test_images,
            dataset.test_labels,
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
    for path in _source_files(name, folder):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load(name: str, folder: Path) -> Dataset:
    """The data set of this name, from `folder` in torchvision's own layout (digits: embedded).

    `package.module:function` names a user's own: a function without arguments that returns a Dataset.

    Downloads it first if it is not there. Raises StudyError where that is impossible, or where the
    files are not what they should be.
    """
    if name == "digits":
        return _digits()
    if is_plugin(name):
        return _from_plugin(name)
    files = _source_files(name, folder)
    from torchvision import datasets

    kind = getattr(datasets, _TORCHVISION[name][0])
    try:
        train, test = kind(folder, train=True), kind(folder, train=False)
    except Exception as error:  # torchvision raises whatever its parser stumbles over
        raise StudyError(
            f"The {name} files in {files[0].parent} are damaged: {type(error).__name__}: {error}",
            "Remove that folder to download them anew.",
        ) from None
    arrays = []
    for part in (train, test):
        labels = part.targets.numpy()
        # QMNIST's labels have eight columns, of which the first is the class.
        arrays += [
            part.data.numpy()[:, None],
            (labels[:, 0] if labels.ndim == 2 else labels).astype(np.int64),
        ]
    return Dataset(name, *arrays)


@functools.cache
def _from_plugin(name: str) -> Dataset:
    try:
        dataset = resolve(name)()
    except StudyError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise StudyError(f"data set {name!r} fails: {type(error).__name__}: {error}") from None
    if not isinstance(dataset, Dataset):
        raise StudyError(f"data set {name!r} returned a {type(dataset).__name__}, not a study.data.Dataset")
    return dataset


def _source_files(name: str, folder: Path) -> list[Path]:
    if name == "digits":
        package = importlib.metadata.distribution("scikit-learn")
        return [Path(str(package.locate_file("sklearn/datasets/data/digits.csv.gz")))]
    kind, stems = _TORCHVISION[name]
    files = [folder / kind / "raw" / stem for stem in stems]
    if not all(path.is_file() for path in files):
        _download(name, kind, folder)
    return files


def _download(name: str, kind: str, folder: Path) -> None:
    from torchvision import datasets

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        for train in (True, False):
            getattr(datasets, kind)(folder, train=train, download=True)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(":")
        raise StudyError(
            f"{name} is not in {folder}, and it can't be downloaded: {reason}",
            f"Name a folder that has it ({kind}/raw/{_TORCHVISION[name][1][0]}, ...) with --data-dir or "
            "STUDY_DATA, or use the embedded data set with --dataset digits.",
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def _digits() -> Dataset:
    """scikit-learn's 1,797 handwritten 8x8 digits (UCI, optical recognition), scaled to 28x28.

    Each pixel becomes 3x3 (24x24) with a border of 2; values 0 .. 16 become 0 .. 255. The test set is a
    fixed 360 of them, each class in its share (the writers wrote the digits in a fixed sequence, so that
    every n-th image would not be).
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    small, labels = load_digits(return_X_y=True)
    pixels = np.round(small.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = np.pad(pixels.repeat(3, axis=2).repeat(3, axis=3), ((0, 0), (0, 0), (2, 2), (2, 2)))
    labels = labels.astype(np.int64)
    parts = train_test_split(images, labels, test_size=360, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = parts
    return Dataset("digits", train_images, train_labels, test_images, test_labels)
