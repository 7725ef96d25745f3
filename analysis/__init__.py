"""analysis: a storage's plain files -> tidy DataFrames, tables and figures. It needs no torch and no Ray.

results     storage -> DataFrames           trial_table  the trials' results as one table
series      numbers of one series           statistics   arrays in, numbers out
comparison  arms in pairs, seed by seed     claims       claims -> verdicts
judging     one comparison of a verdict     intervals    intervals over seeds
looks       how often seeds are looked at   digits       how many digits are shown
tables      tables as data and as files     shown        tables as people see them
plotted     what figures show               figures      drawing it
sections    what a page says of a study     summary      of all its studies
pages       templates filled in             report       the page, the text, all files
notebook    what a notebook shows           export       all of it for other programs
trackers    a trial as a run of a tracker     interactive  figures for a page with JavaScript
to_mlflow   a study as MLflow's runs         hyperparameters  a metric against them
to_wandb    the same of Weights & Biases     searching    what a search tried and found
importance  what matters to its score        search_figures  drawing a search
interactive_search  the same for a page with JavaScript
inference   which settings a report used that does not say
"""

from .results import Results, load

__all__ = ["Results", "load"]
