"""What a language server knows of a workspace: where a name is defined and used, what is wrong, what renaming changes."""

from gpu_workers.languages.asking import LanguageError, Question, ask, language_of
from gpu_workers.languages.edits import EditError, Place, edited, places

__all__ = [
    "EditError",
    "LanguageError",
    "Place",
    "Question",
    "ask",
    "edited",
    "language_of",
    "places",
]
