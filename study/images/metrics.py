"""What the report's training measures. Accuracies are shares in [0, 1]; tables show them in percent.

The test and validation sets are measured at the end of each epoch, the training set in each minibatch.
"""

from __future__ import annotations

from study.metric import higher, lower

METRICS = (
    higher("test_accuracy", "%", worst=0.0, label="top-1 test accuracy", cases="test_images"),
    higher("best_test_accuracy", "%", of="test_accuracy", counts="best", worst=0.0, label="best epoch's"),
    higher("test_top5", "%", worst=0.0, label="top-5"),
    lower("test_loss", "nats"),
    higher("validation_accuracy", "%", worst=0.0, optional=True),
    higher("train_accuracy", "%", counts="tail", worst=0.0, label="training accuracy"),
    lower("train_loss", "nats", counts="tail", label="training loss"),
    # 1 where the most frequent answer makes up 99 % of all answers on the test set, or more.
    lower("one_class", optional=True, label="answers one class"),
)
