"""A tenant with very many stories: one written through the actions, the others copied from it by the database."""

from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story
from workflows.machines import STORY, TASK
from workflows.models import Story, Task

COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
WHERE table_schema = current_user AND table_name = %s AND is_generated = 'NEVER'
"""
STORIES = """
INSERT INTO workflows_story ({columns})
SELECT {made} FROM workflows_story one, generate_series(2, %(count)s) n, LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', nextval(pg_get_serial_sequence('workflows_story', 'id')),
    'number', n, 'reference', 'SHOP-' || n, 'state', (%(states)s::text[])[1 + n %% cardinality(%(states)s::text[])],
    'title', CASE WHEN n %% 400 = 0 THEN 'Answer customs duties ' ELSE 'Answer returns ' END || n, 'dor_score', n %% 100,
    'evidence', CASE WHEN n %% 4000 = 1 THEN 'The harbour rulebook' ELSE '' END,
    'client_visible', n %% 50 = 0, 'changed_at', now() - make_interval(mins => n))) made
"""
TASKS = """
INSERT INTO workflows_task ({columns})
SELECT {made} FROM workflows_task one, workflows_story s, LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', nextval(pg_get_serial_sequence('workflows_task', 'id')),
    'story_id', s.id, 'reference', s.reference || '.1',
    'title', CASE WHEN s.number %% 500 = 0 THEN 'Ask the carriers about customs ' ELSE 'Write the answer ' END || s.number,
    'state', CASE WHEN s.number %% 7 = 0 THEN 'cancelled' WHEN s.number %% 3 = 0 THEN 'pending_qa' ELSE 'todo' END)) made
WHERE s.number > 1
"""
OPEN = [state for state in STORY.states if state != "archived"]


def many_stories(tenant: TestTenant, count: int) -> None:
    """Project SHOP with `count` stories over all states but archived, each with one task. They have no events."""
    owner = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        project = create_project(actor=owner, key="SHOP", name="Shop", repository="shop", ci_command="true")
        story = create_story(actor=owner, project=project, content={"title": "Answer returns"})
        Task.objects.create(
            story=story, number=1, reference="SHOP-1.1", rank=1, title="Do it", role="developer", size="S", risk="low"
        )
        _copy("workflows_story", STORIES, {"count": count, "states": OPEN})
        _copy("workflows_task", TASKS, {})
        assert Story.objects.count() == Task.objects.count() == count
        assert Task.objects.filter(state__in=TASK.states).count() == count
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as owner_login:
        for table in ("workflows_story", "workflows_task"):
            # As autovacuum leaves them: with numbers to plan by, and what is new sorted into the index of words.
            owner_login.execute(f"VACUUM (ANALYZE) {tenant.schema}.{table}".encode())


def _copy(table: str, statement: str, values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [table])
        columns: str = cursor.fetchone()[0]
        made = ", ".join(f"made.{name}" for name in columns.split(", "))
        cursor.execute(statement.format(columns=columns, made=made), values)
