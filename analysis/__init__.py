"""Figures and tables from logged runs: what the notebooks of this folder share.

A notebook loads the runs of an output folder (`load`), selects those that may be compared
(`choose`) and calls one drawing function. ``python -m analysis`` executes all of them.
"""

from analysis.runs import NoRuns, Runs, load, load_benchmarks, load_generations
from analysis.selection import Selection, choose

__all__ = [
    "NoRuns",
    "Runs",
    "Selection",
    "choose",
    "load",
    "load_benchmarks",
    "load_generations",
]
