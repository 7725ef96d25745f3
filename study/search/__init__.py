"""Search: hyperparameters that a sampler suggests one after the other, from what came of those before."""
