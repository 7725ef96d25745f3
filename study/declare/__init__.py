"""What a study says: arms, hyperparameters, claims; and how its file is found and loaded."""
