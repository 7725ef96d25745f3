"""analysis: a storage's plain files -> tidy DataFrames, tables and figures. It needs no torch and no Ray.

results     storage -> DataFrames           statistics  arrays in, numbers out
tables      what a report's tables say      figures     what a report's figures show
"""

from analysis.results import Results, load

__all__ = ["Results", "load"]
