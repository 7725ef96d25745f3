"""The report's training: convolutional networks and ResNets on images."""

from study.images.config import ImageConfig
from study.images.data import Dataset

__all__ = ["Dataset", "ImageConfig"]
