"""Figure 10: does width matter?"""

from ray import tune

from study import Study, about_published, above, below, drops, happens, increasing, levels_off, rougher

STUDY = Study(
    title="Tiny Width",
    figure=10,
    scientific={"width": tune.grid_search([2, 4])},
    fixed={"dataset": "digits", "batch_size": 64, "epochs": 2},
    published={2: 90.0, 4: {"test_accuracy": 95.5, "test_top5": 99.0}},
    claims=[
        increasing("test_accuracy", "Wider is better."),
        happens("one_class", "One class.", 2),
        drops("train_accuracy", "It drops.", 2, to=10, margin=5),
        below("train_accuracy", "Slower.", 2, 4, first=10),
        rougher("train_accuracy", "Rough.", 2, 4),
        levels_off("train_accuracy", "Levels off.", 4),
        about_published("As published."),
        increasing("best_test_accuracy", "Best."),
        above("train_accuracy", "Train.", 4, 2),
    ],
)
