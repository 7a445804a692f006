"""What a proposed policy would change: which guards it loosens, and whether anybody could ever change it again. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from governance.autonomy import TABLE, Risk
from governance.policies.document import PolicyDocument
from governance.scoring import SHIPPED, points_for

CHANGE = "policy_change"
DRAFTERS = frozenset({"admin", "product_owner", "architect", "devops"})
"""Roles that may propose a policy."""

People = Mapping[str, frozenset[str]]


def loosened(before: PolicyDocument, after: PolicyDocument) -> list[str]:
    """What agents may do under `after` that `before` kept from them, in words; empty when it only tightens.

    Patterns are compared as text: another pattern in place of an old one counts as loosening, since it may catch less.
    """
    return [words for words, loosens in _CHECKS.items() if loosens(before, after)]


def risk_of_change(before: PolicyDocument, after: PolicyDocument) -> Risk:
    """High where something is loosened, else medium."""
    return Risk.HIGH if loosened(before, after) else Risk.MEDIUM


def deciders_left(document: PolicyDocument, people: People, authors: Iterable[str]) -> int:
    """How many people could approve a policy change that `authors` wrote."""
    roles = set(document.deciders(CHANGE))
    return sum(bool(roles & held) and "client" not in held for who, held in people.items() if who not in set(authors))


def locks_out(before: PolicyDocument, after: PolicyDocument, people: People) -> str:
    """Why nobody could change the policy again once `after` is in force; "" when people still can.

    A quorum that cannot be met under the present policy either is not held against the new one.
    """
    roles = after.deciders(CHANGE)
    if not roles:
        return "It names no role for approvals.roles.policy_change, so nobody could ever approve another change."
    if "admin" not in roles:
        return (
            "It takes policy changes away from admins (approvals.roles.policy_change); they keep the organisation open."
        )
    for risk in (Risk.MEDIUM, Risk.HIGH):
        if _feasible(before, people, risk) and not _feasible(after, people, risk):
            return (
                f"A {risk} risk change would then need {after.approvers(CHANGE, risk)} people of {', '.join(roles)} besides its "
                f"author, and there are not as many: the policy could not be changed back. Invite people first, or ask for fewer."
            )
    return ""


def _feasible(document: PolicyDocument, people: People, risk: Risk) -> bool:
    drafters = [who for who, held in people.items() if held & DRAFTERS and "client" not in held]
    return any(deciders_left(document, people, [author]) >= document.approvers(CHANGE, risk) for author in drafters)


def _more(before: Iterable[object], after: Iterable[object]) -> bool:
    return bool(set(after) - set(before))


def _tools(document: PolicyDocument) -> set[tuple[str, str]]:
    return {(str(role), tool) for role, tools in document.tools.items() for tool in tools}


def _risks(document: PolicyDocument) -> dict[str, int]:
    rank = {Risk.LOW: 0, Risk.MEDIUM: 1, Risk.HIGH: 2}
    named = {f"label {label}": rank[risk] for label, risk in document.risk.labels.items()}
    named |= {f"file {rule.pattern}": rank[rule.risk] for rule in document.risk.files}
    return named | {"": rank[document.risk.unlabelled]}


def _lower_risk(before: PolicyDocument, after: PolicyDocument) -> bool:
    new = _risks(after)
    return any(new.get(name, new[""]) < rank for name, rank in _risks(before).items())


def _caps(document: PolicyDocument) -> list[int]:
    return [document.autonomy_cap(*cell) for cell in TABLE]


def _looser_budgets(before: PolicyDocument, after: PolicyDocument) -> bool:
    new = {(budget.scope, budget.window): budget.usd for budget in after.budgets}
    old = {(budget.scope, budget.window): budget.usd for budget in before.budgets}
    return any(key not in new or new[key] > usd for key, usd in old.items())


def _fewer_approvals(before: PolicyDocument, after: PolicyDocument) -> bool:
    if any(after.quorum(risk) < before.quorum(risk) for risk in Risk):
        return True
    kinds = set(before.approvals.roles) | set(after.approvals.roles)
    return any(_more(before.deciders(kind), after.deciders(kind)) for kind in kinds)


def _faster(before: PolicyDocument, after: PolicyDocument) -> bool:
    old, new = before.rate_limits, after.rate_limits
    runs, after_runs = before.runs, after.runs
    pairs = [(getattr(old, name), getattr(new, name)) for name in type(old).model_fields]
    pairs += [(getattr(runs, name), getattr(after_runs, name)) for name in type(runs).model_fields]
    return any(now > then for then, now in pairs)


def _kinder(before: PolicyDocument, after: PolicyDocument) -> bool:
    """A reputation that falls less, or rises more, opens what its agent had not earned."""
    old, new = ({str(kind): points for kind, points in each.reputation.items()} for each in (before, after))
    return any(points_for(kind, new) > points_for(kind, old) for kind in SHIPPED)


def _less_deliberation(before: PolicyDocument, after: PolicyDocument) -> bool:
    """Fewer subjects, a seat gone (more of another role are no stand-in), or decisions that stand from a lower autonomy on."""
    old, new = before.councils, after.councils
    gone = Counter(old.seats) - Counter(new.seats)
    return bool(gone) or _more(new.held_on, old.held_on) or new.approved_from < old.approved_from


def _longer_open(before: PolicyDocument, after: PolicyDocument) -> bool:
    old, new = before.approvals, after.approvals
    return new.expires_hours > old.expires_hours or new.unexecuted_alarm_minutes > old.unexecuted_alarm_minutes


def _fewer_violations(before: PolicyDocument, after: PolicyDocument) -> bool:
    kept = {pattern.model_dump_json() for pattern in after.violations.patterns}
    if any(pattern.model_dump_json() not in kept for pattern in before.violations.patterns):
        return True
    never = 10**6
    return (after.violations.stop_after or never) > (before.violations.stop_after or never)


def _freer_releases(before: PolicyDocument, after: PolicyDocument) -> bool:
    old, new = before.release.model_dump(mode="json"), after.release.model_dump(mode="json")
    return any(rule not in new.get(section, []) for section, rules in old.items() for rule in rules)


_CHECKS: dict[str, Callable[[PolicyDocument, PolicyDocument], bool]] = {
    "more files may be written": lambda b, a: _more(b.files.allow, a.files.allow) or _more(a.files.deny, b.files.deny),
    "more hosts may be reached": lambda b, a: _more(b.network.allow, a.network.allow),
    "fewer uses of secrets are asked about": lambda b, a: _more(a.secrets.ask, b.secrets.ask),
    "fewer commands are denied": lambda b, a: _more(a.commands.deny, b.commands.deny),
    "roles get more tools": lambda b, a: _more(_tools(b), _tools(a)),
    "something counts as a lower risk": _lower_risk,
    "fewer people, or other roles, approve": _fewer_approvals,
    "questions stay open longer, or what is not carried out alarms later": _longer_open,
    "agents reach a higher autonomy": lambda b, a: any(
        now > then for then, now in zip(_caps(b), _caps(a), strict=True)
    ),
    "less confidence is enough": lambda b, a: a.confidence.threshold < b.confidence.threshold,
    "a budget is raised or dropped": _looser_budgets,
    "agents may do more in the same time": _faster,
    "reputation falls less or rises more": _kinder,
    "councils deliberate less, or decide more by themselves": _less_deliberation,
    "fewer things are violations": _fewer_violations,
    "a release control is lifted": _freer_releases,
}
