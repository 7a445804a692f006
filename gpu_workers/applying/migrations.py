"""Plans of migrations as they can be applied: exactly the statements that people read. Pure."""

from __future__ import annotations

import re

from gpu_workers.applying.plans import Applicable, Part
from gpu_workers.plans.migrations import MigrationPlan, MigrationStep
from gpu_workers.plans.sql import MAX_SQL, statements
from gpu_workers.reach.recording import AlembicUpgrade, DjangoMigration, Migration
from guildhall.kernel.unseen import unseen

KIND = "database"
DIALECTS = ("postgresql", "postgis")
NO_SQL = "-- It changes no table; that it was applied is written down."
WRAPPING = re.compile(r"(?:BEGIN|COMMIT)\Z", re.IGNORECASE)
"""What Alembic puts around its script, which runs in a transaction of ours."""
ENDING = re.compile(
    r"(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE|DISCARD|COPY)\b"
    r"|SET\s+(?:(?:SESSION|LOCAL)\s+)?(?:ROLE|SESSION\s+AUTHORIZATION|TRANSACTION)\b",
    re.IGNORECASE,
)
RULING = re.compile(
    r"(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER|GROUP|DATABASE|TABLESPACE|SERVER|FOREIGN\s+DATA|SUBSCRIPTION|EVENT\s+TRIGGER)\b"
    r"|(?:REASSIGN|DROP)\s+OWNED\b|IMPORT\s+FOREIGN\b|LOAD\b|ALTER\s+SYSTEM\b"
    r"|(?:GRANT|REVOKE)\b(?!.*\bON\b)",
    re.IGNORECASE | re.DOTALL,
)
"""What is the server's or reaches another one, not the database's alone. What its own code does of it is caught when applied."""
ALONE = re.compile(r"\bCONCURRENTLY\b|^VACUUM\b", re.IGNORECASE)


def applicable(made: MigrationPlan) -> Applicable:
    """What of a plan is applied, statement by statement as people read it; with the reason where nothing is."""
    return Applicable(KIND, tuple(_part(step, _script(step)) for step in made.steps), _why_not(made))


def _script(step: MigrationStep) -> list[str]:
    found = statements("\n".join(step.sql))
    return found if step.app else [one for one in found if not WRAPPING.match(one)]


def _part(step: MigrationStep, script: list[str]) -> Part:
    text = "\n".join(f"{one};" for one in script) or NO_SQL
    if step.app:
        facts = {"framework": "django", "app": step.app, "migration": step.migration, "requires": list(step.requires)}
    else:
        facts = {"framework": "alembic", "from": step.start, "to": step.end}
    return Part(step.name, text, facts)


def _why_not(made: MigrationPlan) -> str:
    if not made.steps:
        return "it plans no migration"
    if made.speaks not in DIALECTS:
        spoken = made.speaks or "a database that it does not name"
        return f"its SQL is that of {spoken}; what is applied has to be PostgreSQL's, by the project's own backend"
    if made.left_out:
        return f"{made.left_out} of its migrations are left out; plan fewer at once"
    return next(filter(None, map(_unfit, made.steps)), "") or next(filter(None, map(_unseen, made.steps)), "")


def _unseen(step: MigrationStep) -> str:
    """What nobody can see, or what turns round how the rest is read, cannot be allowed by those who read it."""
    part = _part(step, _script(step))
    facts = (word for fact in part.facts.values() for word in ([fact] if isinstance(fact, str) else fact))
    said = "".join([part.name, part.text, *facts])
    found = unseen(said)
    return f"{step.name} holds a character that is not seen: {found}" if found else ""


def _unfit(step: MigrationStep) -> str:
    if step.why_not:
        return f"{step.name}: {step.why_not.rstrip('.')}"
    if step.unsaid:
        return f"{step.name} runs code that no SQL says: {', '.join(step.unsaid)}"
    if step.replaces:
        return f"{step.name} stands for other migrations, which only its framework can settle"
    if not step.atomic:
        return f"{step.name} is not one transaction: what fails would stay half done"
    if not step.app and not step.end:
        return "its script does not lead from one version to one other"
    if sum(len(one) + 1 for one in step.sql) > MAX_SQL:
        return f"{step.name} has more SQL than is read"
    script = _script(step)
    if ending := next(filter(ENDING.match, script), ""):
        return f"{step.name} would end or leave its transaction: {ending[:80]}"
    if ruling := next(filter(RULING.match, script), ""):
        return f"{step.name} changes what is the server's: {ruling[:80]}"
    alone = next(filter(ALONE.search, script), "")
    return f"{step.name} has a statement that no transaction takes: {alone[:80]}" if alone else ""


def migration_of(part: Part) -> Migration:
    """A part as it is applied: the very statements that people read."""
    script = () if part.text == NO_SQL else tuple(statements(part.text))
    facts = part.facts
    if facts["framework"] == "django":
        return DjangoMigration(str(facts["app"]), str(facts["migration"]), script, tuple(map(str, facts["requires"])))
    return AlembicUpgrade(str(facts["from"]), str(facts["to"]), script)
