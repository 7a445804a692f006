"""Search finds what stories ask for and rest on, the words of tasks, and decisions.

`search_inside` of a story has what clients do not read as well. A generated column may call immutable functions alone, and
joining an array is one only for text.
"""

from django.db import migrations

CONFIG = "'pg_catalog.english'"
FUNCTION = """
CREATE FUNCTION workflows_joined(parts text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.left(pg_catalog.array_to_string(parts, ' '), 100000) $$;
"""


def weighed(weight: str, text: str) -> str:
    """A part of a search column."""
    return f"setweight(to_tsvector({CONFIG}, {text}), '{weight}')"


ASKED = f"{weighed('A', 'title')} || {weighed('C', 'brief')} || {weighed('C', 'workflows_joined(acceptance)')}"
INSIDE = f"{ASKED} || {weighed('D', 'evidence')} || {weighed('D', 'business_notes')}"
TASK = f"{weighed('A', 'title')} || {weighed('C', 'workflows_joined(acceptance)')}"
DECISION = f"{weighed('A', 'title')} || {weighed('C', 'rationale')} || {weighed('D', 'alternatives')}"
STORIES = f"""
ALTER TABLE workflows_story DROP COLUMN search,
    ADD COLUMN search tsvector GENERATED ALWAYS AS ({ASKED}) STORED,
    ADD COLUMN search_inside tsvector GENERATED ALWAYS AS ({INSIDE}) STORED;
CREATE INDEX story_search ON workflows_story USING gin (search);
CREATE INDEX story_search_inside ON workflows_story USING gin (search_inside);
"""
TASKS = f"""
ALTER TABLE workflows_task ADD COLUMN search tsvector GENERATED ALWAYS AS ({TASK}) STORED;
CREATE INDEX task_search ON workflows_task USING gin (search);
"""
DECISIONS = f"""
ALTER TABLE workflows_decision ADD COLUMN search tsvector GENERATED ALWAYS AS ({DECISION}) STORED;
CREATE INDEX decision_search ON workflows_decision USING gin (search);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0007_story_in_epic"),
    ]

    operations = [
        migrations.RunSQL(FUNCTION),
        migrations.RunSQL(STORIES),
        migrations.RunSQL(TASKS),
        migrations.RunSQL(DECISIONS),
    ]
