"""The two answers that agents get about what is known: passages about some words, and the context of their own work."""

from collections.abc import Collection, Sequence
from functools import cached_property

from gpu_workers.knowing.assembling import Piece, Told, assemble
from gpu_workers.knowing.passages import Clean, Documents, Kind
from gpu_workers.knowing.ranking import Found, excerpt
from gpu_workers.knowing.recall import KINDS, NothingAsked, recall
from gpu_workers.knowing.scope import sees
from gpu_workers.knowing.work import Work
from gpu_workers.models import Run
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection
from workflows.selectors.knowing import Place, place_of

MOST = 8
"""Passages of an answer."""
SHOWN = 450
"""Characters of a passage that are shown."""
NAMED = 4
"""Words that are named as the reason why something was found."""
BESIDE = 4
"""Passages that come with the context of the work."""
NOTHING = "Nothing is known about any of these words."


class Knowledge:
    """What one run may be told. `clean` takes out what nobody may read."""

    def __init__(self, actor: Actor, run: Run, project: str, story: str, task: str, clean: Clean) -> None:
        self._actor, self._run, self._clean = actor, run, clean
        self._names = (project, story, task)

    @cached_property
    def _place(self) -> Place:
        return place_of(self._actor, *self._names)

    def search(self, query: str, kinds: Collection[str], documents: Documents) -> Told:
        """The best passages about any of the words, each with where it stands and why it was found. Raises `NothingAsked`."""
        found = self._recalled(query, kinds, documents)[:MOST]
        pieces = [_piece(one) for one in found]
        return Told("\n\n".join(piece.told for piece in pieces) or NOTHING, tuple(piece.ref for piece in pieces))

    def context(self, room: int, documents: Documents) -> Told:
        """What is known about the run's own work and beside it, within `room` bytes of a prompt."""
        pieces = Work(self._actor, self._run, self._place, self._clean).pieces()
        told = {piece.ref for piece in pieces}
        try:
            beside = self._recalled(_asked(pieces, self._run), KINDS, documents)
        except NothingAsked:
            beside = []
        pieces += [_piece(one) for one in beside if one.passage.ref not in told][:BESIDE]
        return assemble(pieces, room)

    def _recalled(self, query: str, kinds: Collection[str], documents: Documents) -> list[Found]:
        seen = sees(self._run.agent.role)
        release_connection()
        read = documents(self._clean) if Kind.DOCUMENT in kinds else []
        return recall(self._actor, self._place, seen, query, kinds=kinds, documents=read, clean=self._clean)


def _asked(pieces: Sequence[Piece], run: Run) -> str:
    """The words that the work is about: the run's title, and what the task or whatever it is about says."""
    return f"{run.title}\n{pieces[0].text if pieces else ''}"


def _piece(found: Found) -> Piece:
    passage = found.passage
    why = "; ".join(filter(None, [passage.stands, f"has {', '.join(found.words[:NAMED])}"]))
    text = excerpt(passage.text, found.words, SHOWN)
    return Piece(passage.ref, f"{passage.title} ({why})".strip(), text)
