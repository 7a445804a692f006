"""How a council comes to its choice: plain Python over scores, without Django."""

from workflows.councils.choosing import CRITERIA, LOWEST, TOP, Choice, Entry, Vote, majority, rank

__all__ = ["CRITERIA", "LOWEST", "TOP", "Choice", "Entry", "Vote", "majority", "rank"]
