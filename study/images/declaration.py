"""The report's training as the engine sees it before it trains: hyperparameters, metrics, data, costs. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from study import own_code
from study.errors import StudyError
from study.images import data as data_sets
from study.images.config import SIZES, ImageConfig, too_deep
from study.images.cost import cost
from study.images.metrics import METRICS
from study.training import Cost, Training

# Raise it whenever a change alters the numbers that a config gives: results of another recipe are not reused.
# tests/test_golden.py notices when that is due.
RECIPE_VERSION = 1
NEEDS_VALIDATION = (
    "needs a validation_size, images held out of the training set: nuisance hyperparameters must not be "
    "selected on the test set"
)
# What changes the numbers of our networks' training, but neither its memory nor its time.
SAME_LOAD = ("lr", "weight_decay", "epochs", "validation_size")


class Images(Training):
    """Classification of images by the report's networks, or by a user's own.

    K classes and images [C, H, W] as the data set has them.
    """

    Config = ImageConfig
    metrics = METRICS
    watched = "train_accuracy"
    selected_by = "validation_accuracy"
    counts = "images"
    same_load = SAME_LOAD
    changes = ("lr", "momentum", "weight_decay")

    @classmethod
    def implementation(cls) -> type[Training]:
        """The class with torch, which planning does without; a user's own class, based on that one, is its own."""
        from study.images.training import ImageTraining

        return ImageTraining if cls is Images else cls

    @staticmethod
    def data(dataset: str, folder: Path) -> data_sets.Dataset:
        """The data set of this name."""
        return data_sets.load(dataset, folder)

    @classmethod
    def fingerprint(cls, dataset: str, folder: Path) -> str:
        """sha256 of its files, so that planning need not unpack them."""
        return data_sets.fingerprint(dataset, folder)

    @classmethod
    def identity(cls, config: ImageConfig) -> Mapping[str, Any]:
        """The recipe's version and the source of a network of the user's own, as study 0.1 had them in a key.

        Of a class that is based on the recipe also its own. Raises StudyError where it has not the recipe's steps.
        """
        source = {"source": own_code.meaning_sha256(config.model)} if own_code.is_plugin(config.model) else {}
        if not own_code.is_own(cls):
            return {"recipe": RECIPE_VERSION, **source}
        if not any(base.__module__ == "study.images.training" for base in cls.__mro__):
            raise StudyError(
                f"{cls.__name__} is based on Images, which declares the recipe and trains nothing.",
                "Base it on study.images.training.ImageTraining.",
            )
        return {"recipe": RECIPE_VERSION, "network": source, **super().identity(config)}

    @classmethod
    def former_identities(cls, config: ImageConfig) -> Iterable[Mapping[str, Any]]:
        """Study 0.1 hashed the bytes of such a source, comments and all."""
        if own_code.is_plugin(config.model) and not own_code.is_own(cls):
            yield {"recipe": RECIPE_VERSION, "source": own_code.source_sha256(config.model)}

    @classmethod
    def misfits(cls, config: ImageConfig, folder: Path) -> Iterator[str]:
        """What is wrong with the config for its training set."""
        images = data_sets.training_images(config.dataset, folder)
        shape = data_sets.shape_of(config.dataset, None)
        if config.model == "cnn" and config.dataset not in SIZES:
            yield from too_deep(config.conv_layers, min(shape[1:3]))
        left = images - config.validation_size
        if left < 1:
            yield f"validation_size = {config.validation_size}: {config.dataset} has {images:,} training images"
        elif config.model != "cnn" and left % config.batch_size == 1 % config.batch_size:
            from study.images.models import needs_two  # torch

            if needs_two(config, shape):
                yield (
                    f"batch_size = {config.batch_size}: leaves a batch of one image of {left:,}, "
                    f"from which the batch normalisation of {config.model} can't be computed"
                )

    @classmethod
    def unmeasured(cls, config: ImageConfig) -> Mapping[str, str]:
        """Without images held out, no accuracy is measured on them."""
        return {} if getattr(config, "validation_size", 0) else {"validation_accuracy": NEEDS_VALIDATION}

    @classmethod
    def files(cls) -> list[Path]:
        """Of a class that is based on the recipe, its own; the recipe is installed wherever trials run."""
        return super().files() if own_code.is_own(cls) else []

    @classmethod
    def plugins(cls, config: ImageConfig) -> Iterator[str]:
        """A network and a data set of the user's own."""
        return filter(own_code.is_plugin, (config.model, config.dataset))

    @classmethod
    def cost(cls, config: ImageConfig, dataset: data_sets.Dataset | None = None) -> Cost:
        """Parameters and operations of the network; the work in operations, where the data set is known."""
        return cost(config, dataset)
