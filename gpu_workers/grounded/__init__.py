"""Grounded writing: documentation entries whose every sentence stands in the evidence, word for word.

Retrieval chooses the candidate sentences and the place, a model of any size selects and orders them, and the entry is
written in the layout of its neighbours. Pure functions over texts; reading and writing files is the tool's part.
"""

from gpu_workers.grounded.evidence import Candidate, Evidence, collect
from gpu_workers.grounded.heading import about, headings_for, topic_of
from gpu_workers.grounded.layout import Entry, insert_entry
from gpu_workers.grounded.target import find_target

__all__ = [
    "Candidate",
    "Entry",
    "Evidence",
    "about",
    "collect",
    "find_target",
    "headings_for",
    "insert_entry",
    "topic_of",
]
