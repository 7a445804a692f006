"""Who speaks on a council and how it comes to its choice: plain Python over scores, without Django."""

from workflows.councils.choosing import CRITERIA, LOWEST, TOP, Choice, Entry, Vote, majority, rank
from workflows.councils.speaking import Chair, Message

__all__ = ["CRITERIA", "LOWEST", "TOP", "Chair", "Choice", "Entry", "Message", "Vote", "majority", "rank"]
