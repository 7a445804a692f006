"""Strategies with schedules, epics in order, sprints that close, decisions with their alternatives, repositories."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import django_fsm
from django.db import migrations, models

FILL = """
INSERT INTO workflows_projectrepository (project_id, name, ci_command, default_branch, "primary")
SELECT id, repository, ci_command, default_branch, true FROM workflows_project;
UPDATE workflows_project SET environments = '{staging,production}';
UPDATE workflows_strategy SET title = left(split_part(goal, E'\\n', 1), 120);
UPDATE workflows_epic SET rank = id;
UPDATE workflows_decision SET proposed_by = decided_by, proposed_by_name = decided_by_name,
    options = (SELECT coalesce(jsonb_agg(jsonb_build_object('title', title, 'why_not', '')), '[]')
               FROM unnest(alternatives) AS title);
UPDATE workflows_decision SET decided_by = '', decided_by_name = '' WHERE verdict = 'proposed';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
COMMENT ON TABLE workflows_sprintchange IS 'append-only';
"""
"""What the new columns and tables hold of what was there before."""


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProjectRepository",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("ci_command", models.CharField(max_length=500)),
                ("default_branch", models.CharField(default="main", max_length=100)),
                ("primary", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="SprintChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("points", models.IntegerField()),
                ("tasks", models.IntegerField()),
                ("cause", models.CharField(max_length=40)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="StrategyRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("due_at", models.DateTimeField()),
                ("fired_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("missed", models.PositiveIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("fired", "Writing the story"),
                            ("planned", "Story written"),
                            ("queued", "Waiting for the one before"),
                            ("skipped", "Skipped"),
                            ("replaced", "Replaced"),
                            ("failed", "Failed"),
                        ],
                        default="fired",
                        max_length=8,
                    ),
                ),
                ("submitted", models.BooleanField(default=False)),
                ("reason", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["strategy_id", "number"],
            },
        ),
        migrations.CreateModel(
            name="StrategySchedule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cron", models.CharField(max_length=100)),
                ("timezone", models.CharField(max_length=64)),
                (
                    "overlap",
                    models.CharField(
                        choices=[("skip", "Skip"), ("queue", "Queue"), ("replace", "Replace")],
                        default="skip",
                        max_length=8,
                    ),
                ),
                ("template", models.JSONField(default=dict)),
                ("owner", models.CharField(max_length=160)),
                ("owner_name", models.CharField(max_length=200)),
                ("next_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AlterModelOptions(
            name="decision",
            options={"ordering": ["id"], "verbose_name": "decision"},
        ),
        migrations.AlterModelOptions(
            name="epic",
            options={"ordering": ["project_id", "rank", "id"], "verbose_name": "epic"},
        ),
        migrations.AlterModelOptions(
            name="sprint",
            options={"ordering": ["project_id", "number"], "verbose_name": "sprint"},
        ),
        migrations.AlterModelOptions(
            name="strategy",
            options={"ordering": ["id"], "verbose_name": "strategy"},
        ),
        migrations.AddField(
            model_name="decision",
            name="decided_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="decision",
            name="proposed_by",
            field=models.CharField(blank=True, max_length=160),
        ),
        migrations.AddField(
            model_name="decision",
            name="proposed_by_name",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="decision",
            name="superseded_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="supersedes",
                to="workflows.decision",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="epic",
            name="changed_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="epic",
            name="description",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="epic",
            name="rank",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="epic",
            name="state",
            field=django_fsm.FSMField(
                choices=[("open", "Open"), ("closed", "Closed")], default="open", max_length=8, protected=True
            ),
        ),
        migrations.AddField(
            model_name="epic",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="project",
            name="environments",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=40), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="sprint",
            name="capacity",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="sprint",
            name="changed_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="sprint",
            name="closed_by",
            field=models.CharField(blank=True, max_length=160),
        ),
        migrations.AddField(
            model_name="sprint",
            name="closed_by_name",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="sprint",
            name="closing_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="sprint",
            name="goal",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="sprint",
            name="state",
            field=django_fsm.FSMField(
                choices=[("open", "Open"), ("closing", "Closing"), ("closed", "Closed")],
                default="open",
                max_length=8,
                protected=True,
            ),
        ),
        migrations.AddField(
            model_name="sprint",
            name="summary",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="sprint",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="strategy",
            name="changed_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="strategy",
            name="state",
            field=django_fsm.FSMField(
                choices=[("active", "Active"), ("paused", "Paused"), ("ended", "Ended")],
                default="active",
                max_length=8,
                protected=True,
            ),
        ),
        migrations.AddField(
            model_name="strategy",
            name="title",
            field=models.CharField(blank=True, max_length=120),
        ),
        migrations.AddField(
            model_name="strategy",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="decision",
            name="options",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AlterField(
            model_name="decision",
            name="decided_by",
            field=models.CharField(blank=True, max_length=160),
        ),
        migrations.AlterField(
            model_name="decision",
            name="decided_by_name",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddIndex(
            model_name="decision",
            index=django.contrib.postgres.indexes.GinIndex(fields=["affects"], name="decision_by_affected"),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("superseded_by", models.F("id")), _negated=True),
                name="decision_not_its_own_successor",
            ),
        ),
        migrations.AddConstraint(
            model_name="epic",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["open", "closed"])), name="epic_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="sprint",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["open", "closing", "closed"])), name="sprint_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="sprint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", False), ("state", "closed")),
                    models.Q(models.Q(("state", "closed"), _negated=True), ("closed_at__isnull", True)),
                    _connector="OR",
                ),
                name="sprint_closed_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="sprint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("starts_on__isnull", True),
                    ("ends_on__isnull", True),
                    ("ends_on__gte", models.F("starts_on")),
                    _connector="OR",
                ),
                name="sprint_ends_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategy",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["active", "paused", "ended"])), name="strategy_state_known"
            ),
        ),
        migrations.AddField(
            model_name="projectrepository",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="repositories", to="workflows.project"
            ),
        ),
        migrations.AddField(
            model_name="task",
            name="repository",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="tasks",
                to="workflows.projectrepository",
            ),
        ),
        migrations.AddField(
            model_name="sprintchange",
            name="sprint",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="changes", to="workflows.sprint"
            ),
        ),
        migrations.AddField(
            model_name="sprintchange",
            name="story",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="sprint_changes", to="workflows.story"
            ),
        ),
        migrations.AddField(
            model_name="strategyrun",
            name="story",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="strategy_run",
                to="workflows.story",
            ),
        ),
        migrations.AddField(
            model_name="strategyrun",
            name="strategy",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="workflows.strategy"
            ),
        ),
        migrations.AddField(
            model_name="strategyschedule",
            name="strategy",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="schedule", to="workflows.strategy"
            ),
        ),
        migrations.AddConstraint(
            model_name="projectrepository",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="project_repository_once"),
        ),
        migrations.AddConstraint(
            model_name="projectrepository",
            constraint=models.UniqueConstraint(
                condition=models.Q(("primary", True)), fields=("project",), name="project_one_primary"
            ),
        ),
        migrations.AddIndex(
            model_name="sprintchange",
            index=models.Index(fields=["sprint", "story"], name="sprint_change_by_story"),
        ),
        migrations.AddConstraint(
            model_name="sprintchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("points", 0), ("tasks", 0), _negated=True), ("cause", "entered"), _connector="OR"
                ),
                name="sprint_change_changes",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyrun",
            constraint=models.UniqueConstraint(fields=("strategy", "due_at"), name="strategy_fires_once"),
        ),
        migrations.AddConstraint(
            model_name="strategyrun",
            constraint=models.UniqueConstraint(fields=("strategy", "number"), name="strategy_run_number_once"),
        ),
        migrations.AddConstraint(
            model_name="strategyrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["fired", "planned", "queued", "skipped", "replaced", "failed"])),
                name="strategy_run_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="strategyrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "planned"), _negated=True), ("story__isnull", False), _connector="OR"
                ),
                name="strategy_run_planned_has_story",
            ),
        ),
        migrations.AddIndex(
            model_name="strategyschedule",
            index=models.Index(fields=["next_at"], name="schedule_by_next"),
        ),
        migrations.AddConstraint(
            model_name="strategyschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("overlap__in", ["skip", "queue", "replace"])), name="schedule_overlap_known"
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RemoveField(model_name="decision", name="alternatives"),
        migrations.RenameField(model_name="decision", old_name="options", new_name="alternatives"),
    ]
