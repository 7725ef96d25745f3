"""Downloading MNIST and its relatives: each file is checked against its SHA-256 before it is unpacked."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import sys
import urllib.request
from pathlib import Path

from study.errors import StudyError
from study.store.local_files import LocalFiles

# Without an answer in this time, the next mirror is asked.
TIMEOUT_S = 60.0
# FashionMNIST's training images, the largest file, have 26,421,880 bytes.
MOST_BYTES = 32 * 1024**2

# Our name of a data set, and torchvision's of its class and folder.
KINDS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST", "qmnist": "QMNIST"}

# torchvision's or the authors' own, https first. Over http, only the digest tells the file from another.
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "kmnist": (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    "qmnist": ("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
}

# A file of the folder `raw`, and the SHA-256 of the same file with .gz behind its name, as a mirror has it.
# Published twice, by TensorFlow Datasets (url_checksums/mnist.txt and so on) and by torchvision
# (prototype/datasets/_builtin/mnist.py); the two agree on all sixteen. The digests of the labels, but for
# KMNIST's test labels, and of MNIST's test images were computed from the files as well.
SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    "kmnist": {
        "train-images-idx3-ubyte": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "train-labels-idx1-ubyte": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "t10k-images-idx3-ubyte": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "t10k-labels-idx1-ubyte": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    },
    "qmnist": {
        "qmnist-train-images-idx3-ubyte": "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d",
        "qmnist-train-labels-idx2-int": "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f",
        "qmnist-test-images-idx3-ubyte": "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375",
        "qmnist-test-labels-idx2-int": "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06",
    },
}


def files(name: str, folder: Path) -> list[Path]:
    """The data set's files in torchvision's layout: training images and labels, test images and labels."""
    return [folder / KINDS[name] / "raw" / file for file in SHA256[name]]


def download(name: str, folder: Path) -> None:
    """Fetch those of the data set's files that are not there; what is there is the user's own and stays.

    Raises StudyError where a file can't be had, or where no mirror has the published one; of that file
    nothing is then unpacked or kept.
    """
    first, *_ = wanted = files(name, folder)
    raw = first.parent
    made = [path for path in (raw, *raw.parents) if not path.exists()]
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for path in wanted:
            if not path.is_file():
                place = str(path.relative_to(folder))  # below the folder no link is followed
                LocalFiles(folder).write(place, gzip.decompress(_published(name, path.name)))
    except OSError as error:
        raise StudyError(
            f"{name} is not in {folder}, and it can't be downloaded: {error}",
            f"Name a folder that has it ({first.relative_to(folder)}, ...) with --data-dir or STUDY_DATA, "
            "or use the embedded data set with --dataset digits.",
        ) from None
    finally:
        for path in made:
            with contextlib.suppress(OSError):  # not made, or not empty
                path.rmdir()


def _published(name: str, file: str) -> bytes:
    """The compressed file, from the first mirror that has it with its digest.

    Raises OSError with what each mirror gave instead.
    """
    given = []
    for mirror in MIRRORS[name]:
        url = f"{mirror}{file}.gz"
        try:
            content = _received(url)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a redirect to no URL
            given.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        found = hashlib.sha256(content).hexdigest()
        if found == SHA256[name][file]:
            return content
        size = f"{len(content):,} bytes" if len(content) <= MOST_BYTES else f"more than {MOST_BYTES:,} bytes"
        given.append(f"{url} is not the published file ({size}, SHA-256 {found[:16]}...)")
    raise OSError("; ".join(given))


def _received(url: str) -> bytes:
    """What the URL answers, up to one byte more than MOST_BYTES."""
    request = urllib.request.Request(url, headers={"User-Agent": "study"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        print(f"Downloading {url}", file=sys.stderr)
        content: bytes = response.read(MOST_BYTES + 1)
        return content
