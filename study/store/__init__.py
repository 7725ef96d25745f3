"""Where results and checkpoints lie: records, curves, files that are whole or absent."""
