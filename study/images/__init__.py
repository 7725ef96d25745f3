"""The report's training: convolutional networks and ResNets on images."""
