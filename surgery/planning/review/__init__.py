"""What a change in git means for its recipes and models: each is checked, planned and compared as strangers' work is.

Nothing is imported, nothing is downloaded, Keras is not asked: recipes are restricted, models are scanned before they are read.
Every file is reviewed by itself: whatever one does, it is a row and an error of that file, and the others are reviewed.
"""

from surgery.planning.review.change import ChangedPath, base_of, changed, merged_base
from surgery.planning.review.found import Review, ReviewedFile, ReviewedModel, ReviewedRecipe, Summary, unreadable
from surgery.planning.review.made import review

__all__ = [
    "ChangedPath",
    "Review",
    "ReviewedFile",
    "ReviewedModel",
    "ReviewedRecipe",
    "Summary",
    "base_of",
    "changed",
    "merged_base",
    "review",
    "unreadable",
]
