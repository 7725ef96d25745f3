"""Does a forest beat a linear model on the diabetes data?"""

from typing import Literal

from ray import tune
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

import study


@study.function(study.lower("rmse"), study.higher("r2"))
def regression(
    report, seed, model: Literal["ridge", "forest"] = "ridge", alpha: float = 1.0, trees: int = 50
):
    """Its parameters but report and seed are the hyperparameters. Call report as often as there is something new."""
    x, y = load_diabetes(return_X_y=True)
    x, test_x, y, test_y = train_test_split(x, y, random_state=seed)
    fitted = Ridge(alpha) if model == "ridge" else RandomForestRegressor(trees, random_state=seed)
    guess = fitted.fit(x, y).predict(test_x)
    report(rmse=root_mean_squared_error(test_y, guess), r2=r2_score(test_y, guess))


STUDY = study.Study(
    title="Forest or Line",
    training=regression,
    scientific={"model": tune.grid_search(["ridge", "forest"])},
    seeds=5,
    claims=[study.below("rmse", "The forest has the lower error.", "forest", "ridge")],
)
