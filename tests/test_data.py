"""Every data set arrives as uint8 [N, 1, 28, 28] and int64 labels, or with a clear error."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import study
from study import StudyError
from study.images import data
from study.images.data import Dataset


def idx(path: Path, array: np.ndarray) -> None:
    """The IDX format of the MNIST files: magic (type, dimensions), sizes, big-endian values."""
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(array.dtype.newbyteorder(">")).tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small files in torchvision's layout for all four data sets: 30 training and 20 test images."""
    generator = np.random.default_rng(0)
    for kind in ("MNIST", "FashionMNIST", "KMNIST", "QMNIST"):
        raw = tmp_path / kind / "raw"
        raw.mkdir(parents=True)
        for part, n in (("train", 30), ("t10k", 20)):
            images = generator.integers(0, 256, (n, 28, 28), np.uint8)
            labels = generator.integers(0, 10, n).astype(np.uint8)
            if kind == "QMNIST":
                part = {"train": "train", "t10k": "test"}[part]
                idx(raw / f"qmnist-{part}-images-idx3-ubyte", images)
                extended = np.zeros((n, 8), np.int32)
                extended[:, 0] = labels
                idx(raw / f"qmnist-{part}-labels-idx2-int", extended)
            else:
                idx(raw / f"{part}-images-idx3-ubyte", images)
                idx(raw / f"{part}-labels-idx1-ubyte", labels)
    return tmp_path


def shapes(dataset: Dataset) -> list[tuple[tuple[int, ...], str]]:
    arrays = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    return [(array.shape, array.dtype.name) for array in arrays]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist", "qmnist"])
def test_torchvisions_files_become_arrays(name: str, folder: Path) -> None:
    assert shapes(data.load(name, folder)) == [
        ((30, 1, 28, 28), "uint8"), ((30,), "int64"), ((20, 1, 28, 28), "uint8"), ((20,), "int64")
    ]  # fmt: skip


def test_digits_are_embedded_and_split_once_and_for_all(digits: Dataset) -> None:
    assert shapes(digits)[0] == ((1437, 1, 28, 28), "uint8")
    assert shapes(digits)[2] == ((360, 1, 28, 28), "uint8")
    assert digits.train_images.max() == 255
    # Each class is about a tenth of both parts.
    assert np.bincount(digits.test_labels).min() >= 35
    assert digits.test_labels[:8].tolist() == [7, 6, 3, 7, 7, 3, 2, 8]


def test_the_digits_are_scikit_learns_split_as_it_does() -> None:
    """As scikit-learn loads and splits them; it takes a second to import, so that `data` does without."""
    small, labels = load_digits(return_X_y=True)
    drawn = train_test_split(np.arange(len(labels)), test_size=360, stratify=labels, random_state=0)
    assert np.array_equal(np.concatenate(drawn), np.load(data.DIGITS_ORDER))
    digits = data.load("digits", Path())
    assert np.array_equal(digits.train_labels, labels[drawn[0]])
    pixels = digits.test_images[:, 0, 2:-2:3, 2:-2:3]
    assert np.array_equal(pixels, np.round(small[drawn[1]].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8))


def test_a_fingerprint_tells_data_apart(folder: Path) -> None:
    before = {name: data.fingerprint(name, folder) for name in ("mnist", "kmnist", "digits")}
    assert len(set(before.values())) == 3
    labels = folder / "MNIST/raw/t10k-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[-1] = (content[-1] + 1) % 10
    labels.write_bytes(content)
    assert data.fingerprint("mnist", folder) != before["mnist"]
    assert data.fingerprint("kmnist", folder) == before["kmnist"]


def test_truncated_files_are_named(folder: Path) -> None:
    images = folder / "MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-5])
    with pytest.raises(
        StudyError,
        match=r"train-images-idx3-ubyte is damaged: it has 23,531 bytes, and its head announces 23,536",
    ):
        data.load("mnist", folder)


def test_labels_beyond_the_classes_are_refused(folder: Path) -> None:
    idx(folder / "MNIST/raw/t10k-labels-idx1-ubyte", np.full(20, 11, np.uint8))
    with pytest.raises(StudyError, match="test labels reach from 11 to 11; allowed are 0 to 9"):
        data.load("mnist", folder)


def test_test_images_of_another_size_than_the_training_images_are_refused(folder: Path) -> None:
    idx(folder / "MNIST/raw/t10k-images-idx3-ubyte", np.zeros((20, 14, 14), np.uint8))
    with pytest.raises(StudyError, match=r"test images are \[1, 14, 14\], training images \[1, 28, 28\]"):
        data.load("mnist", folder)


@pytest.mark.skipif("STUDY_DATA" not in os.environ, reason="needs the real MNIST in STUDY_DATA")
def test_the_real_mnist() -> None:
    mnist = data.load("mnist", Path(os.environ["STUDY_DATA"]))
    assert shapes(mnist)[0][0] == (60000, 1, 28, 28)
    # 11.35 %: the share of the digit 1, and the accuracy of a network that has collapsed to it.
    assert (mnist.test_labels == 1).mean() == pytest.approx(0.1135)


OWN_DATA = """
import numpy as np
from study.images import Dataset

def made() -> Dataset:
    images = np.load("images.npy")
    labels = np.arange(len(images)) % 10
    return Dataset("own", images, labels, images, labels)
"""


def test_a_data_set_function_is_called_anew_by_each_run_and_refused_once_it_is_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_images.py").write_text(OWN_DATA)
    fixed = {"dataset": "own_images:made", "batch_size": 20, "width": 2, "epochs": 1}
    one = study.Study(title="One", arms={"a": {}}, fixed=fixed)
    found = []
    for brightness in (0, 200, 200):
        np.save("images.npy", np.full((20, 1, 28, 28), brightness, np.uint8))
        found.append(study.run(one, seeds=1, storage="results", in_process=True, progress=False))
    keys = [list(table.key) for table in found]
    assert keys[0] != keys[1] == keys[2]
    (tmp_path / "own_images.py").write_text(OWN_DATA.replace("% 10", "% 5"))
    with pytest.raises(StudyError, match=r"own_images\.py was edited since Python imported it"):
        study.run(one, seeds=1, storage="results", in_process=True, progress=False)
