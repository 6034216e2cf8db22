"""What a model is, derived from the model: its parts, what they cost and which frames they see."""

from odvae.anatomy.description import ModelDescription, Summary, describe, summarise
from odvae.anatomy.parts import Clip

__all__ = ["Clip", "ModelDescription", "Summary", "describe", "summarise"]
