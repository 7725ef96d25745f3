"""Running the trials of a plan on Ray Tune."""
