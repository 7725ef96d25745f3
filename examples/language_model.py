"""Does a falling learning rate help a small character-level language model, and dropout with it?"""

import math

import numpy as np
import torch
from pydantic import Field
from torch import nn

import study

CONTEXT = 64  # characters


class LanguageModel(study.Training):
    """A transformer that predicts the next character of Python's own help texts."""

    class Config(study.Config):
        layers: int = Field(2, ge=1)
        width: int = Field(64, multiple_of=4)
        dropout: float = Field(0.0, ge=0, lt=1)
        lr: float = Field(3e-3, gt=0, description="at first")
        cosine: bool = Field(False, description="it falls to 0 along a cosine")
        batch_size: int = Field(32, ge=1)
        iterations: int = Field(400, ge=1)

    metrics = (study.lower("val_loss", "nats"), study.lower("train_loss", "nats", counts="tail"))
    watched = "train_loss"
    state = ("model", "optimizer")

    @staticmethod
    def data():
        from pydoc_data.topics import topics  # 700,000 characters

        return np.unique(np.frombuffer("".join(topics.values()).encode(), np.uint8), return_inverse=True)

    def __init__(self, config, data, seed, device):
        text, characters, width = torch.tensor(data[1], device=device), len(data[0]), config.width
        self.config, self.steps = config, config.iterations
        self.train, self.val = text.tensor_split([len(text) * 9 // 10])
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, config.dropout, "gelu", batch_first=True)
        embeddings = nn.Embedding(characters, width), nn.Embedding(CONTEXT, width)
        layers = *embeddings, nn.TransformerEncoder(layer, config.layers), nn.Linear(width, characters)
        self.model = nn.ModuleList(layers).to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), config.lr)
        self.mask = torch.full((CONTEXT, CONTEXT), -torch.inf, device=device).triu(1)
        self.facts = {"parameters": sum(weights.numel() for weights in self.model.parameters())}

    def loss(self, text, n, train=True):
        """Mean cross-entropy over n random pieces of the text."""
        self.model.train(train)
        pieces = text.unfold(0, CONTEXT + 1, 1)[torch.randint(len(text) - CONTEXT, (n,))]
        token, place, body, head = self.model
        return nn.functional.cross_entropy(
            head(body(token(pieces[:, :-1]) + place.weight, self.mask)).mT, pieces[:, 1:]
        )

    def step(self, t):
        """One update; every 100th measures the held-out text too."""
        done = t / self.steps if self.config.cosine else 0
        self.optimizer.param_groups[0]["lr"] = self.config.lr * (1 + math.cos(math.pi * done)) / 2
        loss = self.loss(self.train, self.config.batch_size)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if (t + 1) % 100 and t + 1 < self.steps:
            return {"train_loss": loss}
        with torch.no_grad():
            return {"train_loss": loss, "val_loss": self.loss(self.val, 512, train=False)}


STUDY = study.Study(
    title="Schedule and Dropout",
    training=LanguageModel,
    arms={"constant": {}, "cosine": {"cosine": True}, "both": {"cosine": True, "dropout": 0.1}},
    seeds=5,
    claims=[
        study.below("val_loss", "A learning rate that falls gives the lower loss.", "cosine", "constant"),
        study.below("val_loss", "Dropout lowers it further.", "both", "cosine"),
    ],
)
