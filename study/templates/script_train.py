"""A script that knows nothing of `study`: gradient descent with noise."""

import argparse
import random

words = argparse.ArgumentParser()
words.add_argument("--lr", type=float, default=0.1)
words.add_argument("--seed", type=int, default=0)
given = words.parse_args()

random.seed(given.seed)
x = 1.0
for step in range(50):
    x -= given.lr * (x + random.gauss(0, 0.1))
    print(f"step {step} loss {x * x:.6f}")
