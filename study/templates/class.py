"""Does weight decay help a small network on the diabetes data?"""

import numpy as np
import torch
from pydantic import Field
from ray import tune
from sklearn.datasets import load_diabetes
from torch import nn
from torch.nn import functional as F

import study


class Regression(study.Training):
    """A network with one hidden layer, trained on minibatches."""

    class Config(study.Config):
        """Hyperparameters and their defaults, the baseline."""

        hidden: int = Field(32, ge=1)
        lr: float = Field(0.01, gt=0)
        weight_decay: float = Field(0.0, ge=0)
        batch_size: int = Field(32, ge=1)
        steps: int = Field(200, ge=1)

    # The first is the one of tables; "tail" counts the mean of the last tenth of the steps.
    metrics = (study.lower("test_loss", worst=10.0), study.lower("train_loss", counts="tail"))
    watched = "train_loss"
    # What a step goes on from; `study check` finds what is missing here.
    state = ("model", "optimizer")

    @staticmethod
    def data():
        """NumPy arrays that all trials share."""
        x, y = load_diabetes(return_X_y=True)
        x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
        order = np.random.default_rng(0).permutation(len(x))
        return x[order].astype("float32"), y[order].astype("float32")

    def __init__(self, config, data, seed, device):
        self.config, self.steps = config, config.steps
        x, y = (torch.tensor(part, device=device) for part in data)
        self.x, self.y, self.test_x, self.test_y = x[:342], y[:342], x[342:], y[342:]
        self.model = nn.Sequential(nn.Linear(10, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1)).to(
            device
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), config.lr, weight_decay=config.weight_decay
        )

    def step(self, t):
        """One minibatch, drawn from torch's generator, which the engine has seeded for this step."""
        batch = torch.randint(len(self.x), (self.config.batch_size,))
        loss = F.mse_loss(self.model(self.x[batch])[:, 0], self.y[batch])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if (t + 1) % 20 and t + 1 < self.steps:
            return {"train_loss": loss}
        with torch.no_grad():
            return {"train_loss": loss, "test_loss": F.mse_loss(self.model(self.test_x)[:, 0], self.test_y)}


STUDY = study.Study(
    title="Weight Decay",
    training=Regression,
    scientific={"weight_decay": tune.grid_search([0.0, 0.1, 1.0])},
    seeds=5,
    claims=[study.decreasing("test_loss", "More weight decay gives a lower loss.")],
)
