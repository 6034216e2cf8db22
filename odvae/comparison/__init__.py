"""Whether one model is better than another: paired over clips, with seeds as the second level."""

from odvae.comparison.comparing import compare
from odvae.comparison.difference import Comparison, Difference, Finding
from odvae.comparison.paired import Level
from odvae.comparison.stored import find_levels
from odvae.comparison.verdict import verdict

__all__ = ["Comparison", "Difference", "Finding", "Level", "compare", "find_levels", "verdict"]
