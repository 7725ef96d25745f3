"""A data set as uint8 arrays, and the fingerprint by which trials on it are told apart.

N images, C channels, H and W pixels, K classes; MNIST and its like have 1, 28, 28 and 10 of them.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.metadata
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from study import own_code
from study.declare.data import kept_for_a_plan
from study.errors import StudyError, last_line
from study.images.config import SIZES
from study.images.download import download, files

CLASSES = 10
# Channels, height and width of its images, and its classes.
Shape = tuple[int, int, int, int]
DIGITS, DIGITS_TEST = 1797, 360
# The training images, then those of the test set, as uint16 [1797] of scikit-learn's order.
DIGITS_ORDER = Path(__file__).parent / "digits_order.npy"
# Training images.
CIFAR10 = 50_000
# FashionMNIST's and MNIST's largest file has 47 million.
MOST_BYTES = 256 * 1024**2

_IDX_TYPES = {b"\x08": "u1", b"\x0c": ">i4"}


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, C, H, W] and labels int64 [N] in 0 .. K-1, for training and for testing."""

    name: str
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]
    classes: int = CLASSES

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            for what, array in (("images", images), ("labels", labels)):
                if not isinstance(array, np.ndarray):
                    raise StudyError(
                        f"data set {self.name}: {part} {what} are a {type(array).__name__}, not a NumPy array"
                    )
            if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
                raise StudyError(
                    f"data set {self.name}: {part} images are {images.dtype} {list(images.shape)}; "
                    "needed are uint8 [N, C, H, W]"
                )
            if images.shape[1:] != self.train_images.shape[1:]:
                raise StudyError(
                    f"data set {self.name}: test images are {list(images.shape[1:])}, "
                    f"training images {list(self.train_images.shape[1:])}"
                )
            if labels.dtype != np.int64:
                raise StudyError(f"data set {self.name}: {part} labels are {labels.dtype}; needed are int64")
            if labels.shape != images.shape[:1]:
                raise StudyError(
                    f"data set {self.name}: {len(images)} {part} images but {list(labels.shape)} labels"
                )
            if labels.min() < 0 or labels.max() >= self.classes:
                raise StudyError(
                    f"data set {self.name}: {part} labels reach from {labels.min()} to {labels.max()}; "
                    f"allowed are 0 to {self.classes - 1}"
                )

    @property
    def shape(self) -> Shape:
        """Channels, height, width, classes."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width, self.classes


def shape_of(name: str, dataset: Dataset | None) -> Shape:
    """The shape of a data set that may not be loaded; raises StudyError as `load` does for a user's own."""
    if dataset is None and own_code.is_plugin(name):
        dataset = _from_plugin(name)
    if dataset is not None:
        return dataset.shape
    return (3 if name == "cifar10" else 1), SIZES[name], SIZES[name], CLASSES


def fingerprint(name: str, folder: Path) -> str:
    """sha256 (hex) of the data set's source files; it needs no torch, so planning stays fast.

    Downloads the files first if they are not there. Raises StudyError where that is impossible.
    """
    digest = hashlib.sha256(name.encode())
    if own_code.is_plugin(name):
        dataset = load(name, folder)
        for array in (
            dataset.train_images,
            dataset.train_labels,
            dataset.test_images,
            dataset.test_labels,
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        if dataset.shape != (1, 28, 28, CLASSES):  # which all were in study 0.1
            digest.update(f"{dataset.shape}".encode())
        return digest.hexdigest()
    for path in _source_files(name, folder):
        digest.update(_read(path))
    return digest.hexdigest()


def training_images(name: str, folder: Path) -> int:
    """How many training images the data set has; it needs no torch. Raises StudyError as `load` does."""
    if name == "digits":
        return DIGITS - DIGITS_TEST
    if name == "cifar10":
        return CIFAR10
    return len(load(name, folder).train_labels)


def load(name: str, folder: Path) -> Dataset:
    """The data set of this name, from `folder` in torchvision's own layout (digits: embedded).

    `package.module:function` names a user's own: a function without arguments that returns a Dataset.

    Downloads the files that are not there, each checked against its published SHA-256 before it is unpacked.
    Those that are there are the user's own, perhaps a part of the data set, and only read as what they are;
    a trial's key rests on their content. Raises StudyError where a download is impossible, or where the files
    are not what they should be.
    """
    if name == "digits":
        return _digits()
    if own_code.is_plugin(name):
        return _from_plugin(name)
    if name == "cifar10":
        return _cifar10(folder)
    images, labels, test_images, test_labels = (_idx(path) for path in _source_files(name, folder))
    found = Dataset(name, images[:, None], _classes(labels), test_images[:, None], _classes(test_labels))
    size = SIZES[name]
    if found.shape[:3] != (1, size, size):
        raise StudyError(f"data set {name}: images are {[*found.shape[:3]]}; needed are {[1, size, size]}")
    return found


def _idx(path: Path) -> npt.NDArray[Any]:
    """An IDX file's array: two zero bytes, its type, its number of dimensions, their sizes, its values."""
    again = f"Remove {path.parent} to download it anew."
    content = np.frombuffer(bytearray(_read(path)), np.uint8)
    start = 4 + 4 * int(content[3]) if len(content) > 3 else 0
    kind = _IDX_TYPES.get(content[2:3].tobytes())
    if kind is None or content[:2].any() or start == 4 or len(content) < start:
        raise StudyError(f"{path} is damaged: it does not begin as an IDX file does.", again)
    sizes = content[4:start].view(">u4").tolist()
    announced = start + math.prod(sizes) * np.dtype(kind).itemsize
    if len(content) != announced:
        raise StudyError(
            f"{path} is damaged: it has {len(content):,} bytes, and its head announces {announced:,}.", again
        )
    return content[start:].view(kind).reshape(sizes)


def _classes(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    # QMNIST's labels have eight columns, of which the first is the class.
    return (labels[:, 0] if labels.ndim == 2 else labels).astype(np.int64)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise StudyError(f"{path} has more than {MOST_BYTES:,} bytes: it is no file of such a data set.")
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path} can't be read: {error.strerror or error}") from None


@kept_for_a_plan
def _from_plugin(name: str) -> Dataset:
    own_code.files(name)  # refuses one that was edited since Python imported it
    try:
        dataset = own_code.resolve(name)()
    except (StudyError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever the user's own code raises
        raise StudyError(f"data set {name!r} fails: {last_line(error)}") from None
    if not isinstance(dataset, Dataset):
        raise StudyError(f"data set {name!r} returned a {type(dataset).__name__}, not a study.images.Dataset")
    return dataset


def _source_files(name: str, folder: Path) -> list[Path]:
    if name == "digits":
        package = importlib.metadata.distribution("scikit-learn")
        return [Path(str(package.locate_file("sklearn/datasets/data/digits.csv.gz")))]
    found = _cifar10_files(folder) if name == "cifar10" else files(name, folder)
    try:
        whole = _are_files(found)
    except OSError as error:
        raise StudyError(f"data folder {folder} can't be read: {error.strerror}") from None
    if not whole and name == "cifar10":
        _cifar10(folder)
    elif not whole:
        download(name, folder)
    return found


def _cifar10(folder: Path) -> Dataset:
    """torchvision's, which checks the files by their MD5 and unpickles them; N, 3 channels, 32 x 32 pixels."""
    from torchvision.datasets import CIFAR10 as Files

    new = not folder.exists()
    try:
        parts = [
            Files(str(folder), train, download=not _are_files(_cifar10_files(folder)))
            for train in (True, False)
        ]
    except (RuntimeError, OSError) as error:
        if new:
            with contextlib.suppress(OSError):  # not empty, or never made
                folder.rmdir()
        raise StudyError(f"CIFAR-10 can't be had in {folder}: {last_line(error)}") from None
    (images, labels), (test_images, test_labels) = (
        (np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)), np.array(part.targets, np.int64))
        for part in parts
    )
    return Dataset("cifar10", images, labels, test_images, test_labels)


def _cifar10_files(folder: Path) -> list[Path]:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    return [folder / "cifar-10-batches-py" / name for name in names]


def _are_files(paths: list[Path]) -> bool:
    return all(path.is_file() for path in paths)


def _digits() -> Dataset:
    """scikit-learn's 1,797 handwritten 8x8 digits (UCI, optical recognition), scaled to 28x28.

    Each pixel becomes 3x3 (24x24) with a border of 2; values 0 .. 16 become 0 .. 255. The test set is a
    fixed 360 of them, each class in its share (the writers wrote the digits in a fixed sequence, so that
    every n-th image would not be). DIGITS_ORDER says which; scikit-learn drew it.
    """
    (path,) = _source_files("digits", Path())
    table = np.loadtxt(
        io.BytesIO(gzip.decompress(path.read_bytes())), delimiter=","
    )  # 64 pixels and the label
    order = np.load(DIGITS_ORDER)
    pixels = np.round(table[order, :64].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = np.pad(pixels.repeat(3, axis=2).repeat(3, axis=3), ((0, 0), (0, 0), (2, 2), (2, 2)))
    labels = table[order, 64].astype(np.int64)
    first = DIGITS - DIGITS_TEST
    return Dataset("digits", images[:first], labels[:first], images[first:], labels[first:])
