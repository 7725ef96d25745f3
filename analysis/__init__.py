"""analysis: a storage's plain files -> tidy DataFrames, tables and figures. It needs no torch and no Ray.

results     storage -> DataFrames           statistics  arrays in, numbers out
measures    numbers of one curve            comparison  arms in pairs, seed by seed
claims      claims -> verdicts              tables      what a report's tables say
figures     what its figures show           report      the page, the text, all files
"""

from analysis.results import Results, load

__all__ = ["Results", "load"]
