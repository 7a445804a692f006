"""Acting on many stories of the list at once, and taking the list away as a file."""

from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, GuildhallError
from guildhall.portal.views import PageRequest, form_page
from workflows.actions.bulk import MOST, do_to_many
from workflows.machines import STORY
from workflows.models import Story
from workflows.policies import sees_all
from workflows.readiness import PRIORITIES
from workflows.selectors.filters import NOBODY, StoryFilter
from workflows.web.filtering import labels, people

Options = list[tuple[str, str]]


def bulk_choices(actor: Actor) -> list[tuple[str, Options]]:
    """What can be done to many at once, by groups: acts that need nothing said, labels, people, priorities."""
    acts = {
        row.action: row.label for row in STORY.transitions if not row.automatic and not row.needs and not row.decided_by
    }
    known = labels(actor)
    groups = [
        ("Move", [(f"move:{name}", label) for name, label in acts.items()]),
        ("Put a label on", [(f"label:{pk}", name) for pk, name in known]),
        ("Take a label off", [(f"unlabel:{pk}", f"{name} (take off)") for pk, name in known]),
        (
            "Make responsible",
            [(f"assign:{NOBODY}", "Nobody"), *((f"assign:{ref}", name) for ref, name in people(actor))],
        ),
        ("Set the priority", [(f"priority:{name}", f"{name.capitalize()} priority") for name in PRIORITIES]),
    ]
    return [(name, options) for name, options in groups if options]


def _seen(shown: list[str]) -> dict[str, int]:
    """The versions that the list showed, from `SHOP-1:7`."""
    pairs = [text.partition(":") for text in shown[:500]]
    return {ref: int(given) for ref, _, given in pairs if given.isascii() and given.isdecimal() and len(given) < 10}


@form_page
def bulk(request: PageRequest) -> HttpResponse:
    """Do one thing to the selected stories and show what became of each."""
    if not sees_all(request.actor):
        raise Denied("Stories are moved by members of the team.")
    if request.method != "POST":
        return redirect("/stories/?view=list")
    sent = request.POST
    do, _, value = sent.get("do", "").partition(":")
    back = QueryDict(sent.get("back", "")[:2000]).dict()
    context: dict[str, Any] = {
        "back": StoryFilter.parse(back).query(view="list"),
        "label": dict(option for _, options in bulk_choices(request.actor) for option in options).get(
            sent.get("do", ""), "Nothing"
        ),
        "most": MOST,
    }
    try:
        references = sent.getlist("story")
        outcomes = do_to_many(
            actor=request.actor, references=references, do=do, value=value, versions=_seen(sent.getlist("seen"))
        )
    except GuildhallError as error:
        return render(request, "workflows/bulk.html", {**context, "problem": error}, status=error.status)
    titles = dict(Story.objects.filter(reference__in=references).values_list("reference", "title"))
    context["done"] = sum(outcome.done for outcome in outcomes)
    context["rows"] = [(outcome, titles.get(outcome.reference, "")) for outcome in outcomes]
    return render(request, "workflows/bulk.html", context)
