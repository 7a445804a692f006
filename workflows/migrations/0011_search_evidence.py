"""What agents are told of a story, its evidence included, is found by its words; business notes are not among them."""

from django.db import migrations

TOLD = """
setweight(to_tsvector('pg_catalog.english', title), 'A') || setweight(to_tsvector('pg_catalog.english', brief), 'C')
|| setweight(to_tsvector('pg_catalog.english', workflows_joined(acceptance)), 'C')
|| setweight(to_tsvector('pg_catalog.english', evidence), 'D')
"""
STORIES = f"""
ALTER TABLE workflows_story ADD COLUMN search_told tsvector GENERATED ALWAYS AS ({TOLD}) STORED;
CREATE INDEX story_search_told ON workflows_story USING gin (search_told);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0010_tasks_by_holder"),
    ]

    operations = [
        migrations.RunSQL(STORIES),
    ]
