"""Comments, labels, watching, notices, files and kept filters; search columns that only the database writes.

The columns `search` are unknown to Django on purpose: no list loads them (`workflows.selectors.search`).
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models

STORY_SEARCH = """
ALTER TABLE workflows_story ADD COLUMN search tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('pg_catalog.english', title), 'A') || setweight(to_tsvector('pg_catalog.english', brief), 'C')
) STORED;
CREATE INDEX story_search ON workflows_story USING gin (search);
"""
COMMENT_SEARCH = """
ALTER TABLE workflows_comment ADD COLUMN search tsvector GENERATED ALWAYS AS (
    to_tsvector('pg_catalog.english', text)
) STORED;
CREATE INDEX comment_search ON workflows_comment USING gin (search);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0003_project_repositories"),
    ]

    operations = [
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120)),
                ("stored", models.CharField(max_length=120)),
                ("size", models.PositiveIntegerField()),
                ("media_type", models.CharField(max_length=60)),
                ("sha256", models.CharField(max_length=64)),
                ("author", models.CharField(max_length=160)),
                ("author_name", models.CharField(max_length=200)),
                ("client_visible", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField()),
                ("author", models.CharField(max_length=160)),
                ("author_name", models.CharField(max_length=200)),
                (
                    "mentions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=160), blank=True, default=list, size=None
                    ),
                ),
                ("client_visible", models.BooleanField(default=False)),
                ("version", models.PositiveIntegerField(default=1)),
                ("edited_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Label",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                ("colour", models.CharField(default="idle", max_length=4)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", models.CharField(max_length=160)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("mention", "Mentioned you"),
                            ("comment", "Commented"),
                            ("assigned", "Made you responsible"),
                            ("moved", "Moved"),
                        ],
                        max_length=10,
                    ),
                ),
                ("event", models.BigIntegerField(default=0)),
                ("sentence", models.CharField(max_length=300)),
                ("actor", models.CharField(max_length=160)),
                ("actor_name", models.CharField(max_length=200)),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="SavedFilter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("owner", models.CharField(max_length=160)),
                ("owner_name", models.CharField(max_length=200)),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(blank=True, max_length=600)),
                ("shared", models.BooleanField(default=False)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["name", "id"],
            },
        ),
        migrations.CreateModel(
            name="Watch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", models.CharField(max_length=160)),
                ("wanted", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AddField(
            model_name="story",
            name="assignee",
            field=models.CharField(blank=True, max_length=160),
        ),
        migrations.AddField(
            model_name="story",
            name="assignee_name",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(fields=["state", "-changed_at", "-id"], name="story_lane"),
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(fields=["-changed_at", "-id"], name="story_by_change"),
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(
                condition=models.Q(("assignee", ""), _negated=True), fields=["assignee"], name="story_by_assignee"
            ),
        ),
        migrations.AddField(
            model_name="attachment",
            name="story",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="attachments", to="workflows.story"
            ),
        ),
        migrations.AddField(
            model_name="attachment",
            name="task",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attachments",
                to="workflows.task",
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="story",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="comments", to="workflows.story"
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="task",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="comments",
                to="workflows.task",
            ),
        ),
        migrations.AddField(
            model_name="label",
            name="stories",
            field=models.ManyToManyField(blank=True, related_name="labels", to="workflows.story"),
        ),
        migrations.AddField(
            model_name="label",
            name="tasks",
            field=models.ManyToManyField(blank=True, related_name="labels", to="workflows.task"),
        ),
        migrations.AddField(
            model_name="notice",
            name="comment",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notices",
                to="workflows.comment",
            ),
        ),
        migrations.AddField(
            model_name="notice",
            name="story",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="workflows.story"
            ),
        ),
        migrations.AddField(
            model_name="notice",
            name="task",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notices",
                to="workflows.task",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedfilter",
            constraint=models.UniqueConstraint(fields=("owner", "name"), name="saved_filter_name_once"),
        ),
        migrations.AddConstraint(
            model_name="savedfilter",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="saved_filter_has_name"
            ),
        ),
        migrations.AddField(
            model_name="watch",
            name="story",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="watches", to="workflows.story"
            ),
        ),
        migrations.AddField(
            model_name="watch",
            name="task",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="watches",
                to="workflows.task",
            ),
        ),
        migrations.AddIndex(
            model_name="attachment",
            index=models.Index(fields=["story", "task"], name="attachment_by_story"),
        ),
        migrations.AddConstraint(
            model_name="attachment",
            constraint=models.UniqueConstraint(fields=("stored",), name="attachment_stored_once"),
        ),
        migrations.AddConstraint(
            model_name="attachment",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__gt", 0), ("size__lte", 8388608)), name="attachment_size_bounded"
            ),
        ),
        migrations.AddIndex(
            model_name="comment",
            index=models.Index(fields=["story", "task", "id"], name="comment_by_story"),
        ),
        migrations.AddIndex(
            model_name="comment",
            index=models.Index(
                condition=models.Q(("task__isnull", False)), fields=["task", "id"], name="comment_by_task"
            ),
        ),
        migrations.AddConstraint(
            model_name="comment",
            constraint=models.CheckConstraint(
                condition=models.Q(("text", ""), _negated=True), name="comment_says_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="label",
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower("name"), name="label_name_once"),
        ),
        migrations.AddConstraint(
            model_name="label",
            constraint=models.CheckConstraint(
                condition=models.Q(("colour__in", ("idle", "run", "wait", "ok", "bad", "d1", "d2", "d3", "d4"))),
                name="label_colour_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="label",
            constraint=models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="label_has_name"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["person", "-id"], name="notice_by_person"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(condition=models.Q(("read_at__isnull", True)), fields=["person"], name="notice_unread"),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["mention", "comment", "assigned", "moved"])), name="notice_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("event", 0), _negated=True), fields=("person", "event"), name="notice_once"
            ),
        ),
        migrations.AddIndex(
            model_name="watch",
            index=models.Index(fields=["person", "story"], name="watch_by_person"),
        ),
        migrations.AddConstraint(
            model_name="watch",
            constraint=models.UniqueConstraint(
                fields=("story", "task", "person"), name="watch_once", nulls_distinct=False
            ),
        ),
        migrations.RunSQL(STORY_SEARCH, "ALTER TABLE workflows_story DROP COLUMN search"),
        migrations.RunSQL(COMMENT_SEARCH, "ALTER TABLE workflows_comment DROP COLUMN search"),
    ]
