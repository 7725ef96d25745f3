"""A training script as many have one: a network with one hidden layer on scikit-learn's 8x8 digits."""

import argparse

from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

words = argparse.ArgumentParser(description=__doc__)
words.add_argument("--hidden", type=int, default=32, help="hidden units")
words.add_argument("--lr", type=float, default=0.01)
words.add_argument("--epochs", type=int, default=10)
words.add_argument("--seed", type=int, default=0)
given = words.parse_args()

x, y = load_digits(return_X_y=True)
x, test_x, y, test_y = train_test_split(x / 16, y, test_size=0.25, random_state=given.seed)
network = MLPClassifier((given.hidden,), learning_rate_init=given.lr, random_state=given.seed)
for epoch in range(1, given.epochs + 1):
    network.partial_fit(x, y, classes=range(10))
    loss = log_loss(test_y, network.predict_proba(test_x))
    print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy_score(test_y, network.predict(test_x)):.4f}")
