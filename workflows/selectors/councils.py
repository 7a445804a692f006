"""Reading councils: lists, the state of a deliberation, and which stories wait for one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from governance.selectors import active_policy
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from workflows.councils import Choice, Entry, Vote, rank
from workflows.models import Council, CouncilScore, Story
from workflows.models.council import OPEN_COUNCIL, Contribution, CouncilPhase, CouncilState
from workflows.policies import sees_all

HELD_IN = ("planned", "ready_for_execution", "in_progress")
"""States of a story in which a council that it waits for is called."""
TEXTS = (CouncilPhase.PROPOSAL, CouncilPhase.REVISION)


def councils_visible_to(actor: Actor) -> QuerySet[Council]:
    """Councils that the actor may know of, newest first: the team's, never a client's."""
    rows = Council.objects.select_related("story__project", "winner", "decision").prefetch_related("seats")
    return rows if sees_all(actor) else rows.none()


def find_council(actor: Actor, pk: int) -> Council:
    """One council. Raises `NotFound`, whether it is missing or not the actor's to see."""
    row = councils_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no council {pk}.")
    return row


def open_council(story: Story, subject: str) -> Council | None:
    """The council that deliberates on this now."""
    return story.councils.filter(subject=subject, state__in=OPEN_COUNCIL, stands=True).first()


def required_subjects() -> tuple[str, ...]:
    """What the policy has councils deliberate on before agents begin a story."""
    return tuple(active_policy().document.councils.held_on)


def passed(council: Council) -> bool:
    """Whether the story may go on as far as this council is concerned."""
    if not council.stands:
        return False
    decided = council.state == CouncilState.COMPLETED and council.decision is not None
    return bool(council.waived_by) or (decided and council.decision.verdict != "rejected")  # type: ignore[union-attr]


def missing_councils(stories: Iterable[int]) -> dict[int, list[str]]:
    """By story (primary key): the subjects that it waits for a council on. Stories that wait for none are left out."""
    wanted = list(dict.fromkeys(stories))
    required = required_subjects()
    if not required or not wanted:
        return {}
    decided = Q(state=CouncilState.COMPLETED) & ~Q(decision__verdict="rejected")
    done = set(
        Council.objects.filter(decided | ~Q(waived_by=""), story__in=wanted, stands=True).values_list(
            "story", "subject"
        )
    )
    found = {pk: [subject for subject in required if (pk, subject) not in done] for pk in wanted}
    return {pk: subjects for pk, subjects in found.items() if subjects}


def unheld(story: Story, subject: str) -> bool:
    """Whether the plan that stands has had no council on this at all, not even one that stopped."""
    return not story.councils.filter(subject=subject, stands=True).exists()


@dataclass(frozen=True, slots=True)
class BestText:
    """What a seat stands for in the end: its revision, or its proposal where that failed."""

    title: str
    text: str


def best_texts(council: Council) -> dict[str, BestText]:
    """By letter, for every seat that made a usable proposal."""
    rows = council.contributions.filter(phase__in=TEXTS, valid=True).select_related("author").order_by("id")
    found: dict[str, BestText] = {}
    for row in sorted(rows, key=lambda row: TEXTS.index(CouncilPhase(row.phase))):
        if row.phase == CouncilPhase.PROPOSAL or row.author.letter in found:
            found[row.author.letter] = BestText(row.title, row.text)
    return found


def ranking(council: Council) -> list[Choice]:
    """The proposals by the scores that are there now, best first."""
    proposals = council.contributions.filter(phase=CouncilPhase.PROPOSAL, valid=True).order_by("id")
    said = council.contributions.filter(phase__in=TEXTS).values_list("author").annotate(cost=Sum("cost")).order_by()
    costs = dict(said)
    entries = [
        Entry(row.author.letter, costs.get(row.author_id, Decimal(0)), order)
        for order, row in enumerate(proposals.select_related("author"))
    ]
    scores = CouncilScore.objects.filter(author__council=council).select_related("author", "about")
    return rank(entries, [Vote(row.author.letter, row.about.letter, row.ratings) for row in scores])


@dataclass(frozen=True, slots=True)
class Spent:
    """What a council has used so far."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = field(default=Decimal(0))
    messages: int = 0
    abstained: int = 0


def spent_on(council: Council) -> Spent:
    """Tokens, cost (USD) and messages of all contributions, the unusable ones too."""
    sums: dict[str, Any] = council.contributions.aggregate(
        tokens_in=Sum("tokens_in"),
        tokens_out=Sum("tokens_out"),
        cost=Sum("cost"),
        messages=Count("id"),
        abstained=Count("id", filter=Q(valid=False)),
    )
    return Spent(cost=sums.pop("cost") or Decimal(0), **{name: value or 0 for name, value in sums.items()})


def contributions_of(council: Council) -> list[Contribution]:
    """Everything that was said, in order, with the scores."""
    rows = council.contributions.select_related("author", "about").prefetch_related("scores__about", "scores__author")
    return list(rows.order_by("id"))


def voters_of(story: Story) -> list[str]:
    """References of everybody who sat on a council that stands for the story; they approve nothing of it."""
    rows = story.councils.filter(stands=True).values_list("seats__agent", flat=True)
    return sorted({agent for agent in rows if agent})


def counsel_for(story: Story) -> dict[str, str]:
    """What the councils that stand have chosen, by subject: texts written by agents, and data like all of them."""
    rows = story.councils.filter(stands=True, state=CouncilState.COMPLETED).select_related("winner", "decision")
    found = {}
    for council in rows.order_by("id"):
        if council.winner is not None and passed(council):
            found[str(council.subject)] = best_texts(council)[council.winner.letter].text
    return found


def votes_of(story: Story) -> list[tuple[str, list[dict[str, int]]]]:
    """For each council that stands and decided: the winner's letter, and what each seat gave to the others' proposals."""
    found = []
    rows = story.councils.filter(stands=True, state=CouncilState.COMPLETED).select_related("winner", "decision")
    for council in rows.order_by("id"):
        if council.winner is None or not passed(council):
            continue
        found.append((str(council.winner.letter), votes_in(council)))
    return found


def votes_in(council: Council) -> list[dict[str, int]]:
    """What each seat gave to the others' proposals, by their letters; in the order of the seats that gave."""
    given: dict[str, dict[str, int]] = {}
    for score in CouncilScore.objects.filter(author__council=council).select_related("author", "about"):
        given.setdefault(score.author.letter, {})[score.about.letter] = sum(score.ratings.values())
    return [given[letter] for letter in sorted(given)]
