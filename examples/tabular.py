"""Do trees beat a linear model on the diabetes data (442 patients, 10 measurements)?"""

from typing import Literal

from ray import tune
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

import study


@study.function(study.lower("rmse"), study.higher("r2"))
def tabular(
    report,
    seed,
    model: Literal["ridge", "forest", "boosting"] = "ridge",
    alpha: float = 0.1,
    trees: int = 100,
    learning_rate: float = 0.05,
):
    """Fit one model; boosting reports after each tree."""
    x, y = load_diabetes(return_X_y=True)
    x, test_x, y, test_y = train_test_split(x, y, test_size=0.25, random_state=seed)
    models = {
        "ridge": Ridge(alpha),
        "forest": RandomForestRegressor(trees, random_state=seed),
        "boosting": HistGradientBoostingRegressor(
            max_iter=trees, learning_rate=learning_rate, random_state=seed
        ),
    }
    fitted = models[model].fit(x, y)
    guesses = fitted.staged_predict(test_x) if model == "boosting" else [fitted.predict(test_x)]
    for guess in guesses:
        report(rmse=root_mean_squared_error(test_y, guess), r2=r2_score(test_y, guess))


STUDY = study.Study(
    title="Trees or a Line",
    training=tabular,
    scientific={"model": tune.grid_search(["ridge", "forest", "boosting"])},
    seeds=5,
    claims=[
        study.below("rmse", "Boosting has the lower error.", "boosting", "ridge"),
        study.equivalent("r2", "A forest explains as much as a line does.", "forest", "ridge", margin=0.1),
    ],
)
