"""Forms that register an agent and change one."""

from django.http import HttpResponse
from django.urls import reverse

from gateway.routing import route_names
from governance.events import dollars
from governance.scopes import ScopeKind
from governance.selectors import limits
from gpu_workers.actions.agents import EDITED, NewAgent, edit_agent, register_agent
from gpu_workers.models.agent import KIND_ROLES, AgentKind, AutonomyLevel
from gpu_workers.policies import GRANTS
from gpu_workers.prompts import versions_of
from gpu_workers.selectors import agent_for, has_team_role
from guildhall.kernel.errors import Denied, NotFound
from guildhall.portal.views import PageRequest, form_page
from workflows.web.plan_form import Field, Form, Sent, serve, version_of

AGENTS = ("Agents", "/agents/")
CRAFTS = tuple(
    (f"{kind}/{role}", f"{kind.label}, {'QA' if role == 'qa' else role}")
    for kind in AgentKind
    for role in KIND_ROLES[kind]
)
"""What an agent can be: its kind with the one role that it holds."""
CAPS = tuple((str(value), f"{value} {label}") for value, label in AutonomyLevel.choices)


@form_page
def new_agent(request: PageRequest) -> HttpResponse:
    """Register an agent."""
    if not has_team_role(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    if not request.actor.has_role(*GRANTS["agent.register"]):
        raise Denied("Agents are registered by admins.")

    def act(sent: Sent) -> tuple[str, str]:
        kind, _, role = sent["craft"].partition("/")
        given = {name: sent[name] for name in ("title", "route", "autonomy_cap", "prompt_version")}
        made = register_agent(actor=request.actor, new=NewAgent(sent["name"].strip(), kind=kind, role=role, **given))
        return f"{made.title} is registered. What its calls may cost is set under Limits.", reverse(
            "agent", args=[made.name]
        )

    form = Form(
        heading="New agent",
        sub="It begins with work that waits for its role, as far as policy, reputation and its cap allow.",
        save="Register the agent",
        back=AGENTS[1],
        crumbs=(AGENTS,),
        fields=(
            Field("title", "Name", required=True, limit=60),
            Field("name", "Reference", required=True, limit=40, hint="Lower-case letters, digits, hyphens. It stays."),
            Field("craft", "What it is", "select", "It holds exactly one role; its tools are that role’s.", CRAFTS),
            Field("autonomy_cap", "Goes up to", "select", options=CAPS, aside=True),
            *_how_it_works(["", *sorted({version for kind in AgentKind for version in versions_of(kind)})]),
        ),
        act=act,
        initial={"craft": CRAFTS[0][0], "autonomy_cap": AutonomyLevel.L1, "route": "code"},
    )
    return serve(request, form)


@form_page
def change_agent(request: PageRequest, name: str) -> HttpResponse:
    """Change an agent's name, model route and prompts."""
    row = agent_for(request.actor, name)
    if not request.actor.has_role(*GRANTS["agent.edit"]):
        raise Denied("Agents are changed by admins and architects.")
    url = reverse("agent", args=[name])

    def act(sent: Sent) -> tuple[str, str]:
        changes = {field: sent[field] for field in EDITED}
        made = edit_agent(actor=request.actor, agent=row, changes=changes, version=version_of(sent))
        return f"{made.title} is changed. What was queued before keeps its prompts.", url

    form = Form(
        heading=f"Edit {row.title}",
        sub=_may_cost(row.name),
        save="Save the agent",
        back=url,
        crumbs=(AGENTS, (row.title, url)),
        fields=(Field("title", "Name", required=True, limit=60), *_how_it_works(versions_of(row.kind))),
        act=act,
        initial={field: str(getattr(row, field)) for field in EDITED},
        version=row.version,
    )
    return serve(request, form)


def _may_cost(name: str) -> str:
    """What its calls may cost now, and where that is set."""
    mine = [one for one in limits() if one.scope_kind == ScopeKind.AGENT and one.scope_id in ("", name)]
    # Its own comes after the default of its kind, and counts.
    found = {one.window: dollars(f"{one.amount:f}") for one in mine}
    per = [f"{amount} {'in total' if window == 'total' else f'per {window}'}" for window, amount in found.items()]
    return f"Its calls may cost {' and '.join(per) or 'what its work may'}. Its page leads to where that is set."


def _how_it_works(versions: tuple[str, ...] | list[str]) -> tuple[Field, Field]:
    routes = tuple((route, route) for route in route_names())
    shipped = tuple((version, version or "The newest of its kind") for version in versions)
    return (
        Field("route", "Model route", "select", "Which models it uses.", routes, aside=True),
        Field("prompt_version", "Prompts", "select", "One of those that are shipped.", shipped, aside=True),
    )
