import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django_fsm
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Decision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("scope", "Scope"), ("design", "Design"), ("plan", "Plan"), ("release", "Release")],
                        max_length=10,
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("rationale", models.TextField()),
                (
                    "alternatives",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "affects",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=160), blank=True, default=list, size=None
                    ),
                ),
                ("verdict", models.CharField(default="proposed", max_length=10)),
                ("feedback", models.TextField(blank=True)),
                ("decided_by", models.CharField(max_length=160)),
                ("decided_by_name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["scope", "design", "plan", "release"])),
                        name="decision_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("verdict__in", ["proposed", "approved", "rejected"])),
                        name="decision_verdict_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.CharField(
                        max_length=10, validators=[django.core.validators.RegexValidator("\\A[A-Z][A-Z0-9]{1,9}\\Z")]
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("repository", models.CharField(max_length=200)),
                ("ci_command", models.CharField(max_length=500)),
                ("default_branch", models.CharField(default="main", max_length=100)),
                ("client", models.CharField(blank=True, max_length=120)),
                ("stories_made", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["key"],
                "constraints": [
                    models.UniqueConstraint(fields=("key",), name="project_key_once"),
                    models.CheckConstraint(
                        condition=models.Q(("key__regex", "^[A-Z][A-Z0-9]{1,9}$")), name="project_key_form"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Epic",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="epics", to="workflows.project"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Sprint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("name", models.CharField(max_length=120)),
                ("starts_on", models.DateField(blank=True, null=True)),
                ("ends_on", models.DateField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="sprints", to="workflows.project"
                    ),
                ),
            ],
            options={
                "ordering": ["project_id", "number"],
            },
        ),
        migrations.CreateModel(
            name="Story",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("reference", models.CharField(max_length=24)),
                ("title", models.CharField(max_length=200)),
                ("brief", models.TextField(blank=True)),
                ("evidence", models.TextField(blank=True)),
                (
                    "acceptance",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("size", models.CharField(blank=True, max_length=2)),
                ("priority", models.CharField(blank=True, max_length=8)),
                (
                    "risk_labels",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60), blank=True, null=True, size=None
                    ),
                ),
                ("dependencies_stated", models.BooleanField(default=False)),
                ("budget_usd", models.DecimalField(blank=True, decimal_places=10, max_digits=20, null=True)),
                ("business_notes", models.TextField(blank=True)),
                ("client_visible", models.BooleanField(default=False)),
                ("dor_score", models.PositiveSmallIntegerField(default=0)),
                ("dor_checklist", models.JSONField(default=list)),
                ("author", models.CharField(max_length=160)),
                ("author_name", models.CharField(max_length=200)),
                (
                    "state",
                    django_fsm.FSMField(
                        choices=[
                            ("draft", "Draft"),
                            ("po_review", "Scope review"),
                            ("ready_for_planning", "Ready for planning"),
                            ("planned", "Planned"),
                            ("ready_for_execution", "Ready for execution"),
                            ("in_progress", "In progress"),
                            ("code_review", "Code review"),
                            ("testing", "Testing"),
                            ("ready_to_review", "Ready to review"),
                            ("accepted", "Accepted"),
                            ("carry_over", "Carried over"),
                            ("done", "Done"),
                            ("archived", "Archived"),
                        ],
                        default="draft",
                        max_length=24,
                        protected=True,
                    ),
                ),
                ("feedback", models.TextField(blank=True)),
                ("tasks_made", models.PositiveIntegerField(default=0)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("changed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "epic",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stories",
                        to="workflows.epic",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="stories", to="workflows.project"
                    ),
                ),
                (
                    "sprint",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stories",
                        to="workflows.sprint",
                    ),
                ),
            ],
            options={
                "verbose_name": "story",
                "ordering": ["project_id", "number"],
            },
        ),
        migrations.CreateModel(
            name="Derivation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "Proposed"),
                            ("failed", "Failed"),
                            ("accepted", "Accepted"),
                            ("replaced", "Replaced"),
                        ],
                        default="proposed",
                        max_length=10,
                    ),
                ),
                ("drafts", models.JSONField(default=list)),
                (
                    "problems",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("raw", models.TextField(blank=True)),
                ("attempts", models.PositiveSmallIntegerField(default=1)),
                ("proposer", models.CharField(max_length=160)),
                ("proposer_name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "story",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="derivations", to="workflows.story"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="StoryDependency",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "needs",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="needed_by", to="workflows.story"
                    ),
                ),
                (
                    "story",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="dependencies", to="workflows.story"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Strategy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("goal", models.TextField()),
                ("success_measure", models.TextField(blank=True)),
                ("autonomy", models.CharField(default="L2", max_length=2)),
                ("budget_usd", models.DecimalField(blank=True, decimal_places=10, max_digits=20, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="strategies", to="workflows.project"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddField(
            model_name="story",
            name="strategy",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="stories",
                to="workflows.strategy",
            ),
        ),
        migrations.AddField(
            model_name="epic",
            name="strategy",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="epics",
                to="workflows.strategy",
            ),
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("reference", models.CharField(max_length=32)),
                ("rank", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=120)),
                ("role", models.CharField(max_length=16)),
                (
                    "acceptance",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("evidence", models.TextField(blank=True)),
                ("size", models.CharField(max_length=2)),
                ("risk", models.CharField(max_length=8)),
                (
                    "state",
                    django_fsm.FSMField(
                        choices=[
                            ("todo", "To do"),
                            ("implementing", "Implementing"),
                            ("pending_arch_review", "Waiting for review"),
                            ("arch_reviewing", "In review"),
                            ("pending_qa", "Waiting for testing"),
                            ("qa_testing", "In testing"),
                            ("pending_po_approval", "Waiting for approval"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="todo",
                        max_length=24,
                        protected=True,
                    ),
                ),
                ("implementer", models.CharField(blank=True, max_length=160)),
                ("reviewer", models.CharField(blank=True, max_length=160)),
                ("tester", models.CharField(blank=True, max_length=160)),
                ("approver", models.CharField(blank=True, max_length=160)),
                ("holder", models.CharField(blank=True, max_length=160)),
                ("holder_name", models.CharField(blank=True, max_length=200)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("claim_token", models.BigIntegerField(default=0)),
                ("commit_sha", models.CharField(blank=True, max_length=64)),
                ("rejected_sha", models.CharField(blank=True, max_length=64)),
                (
                    "handed_in",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64), blank=True, default=list, size=None
                    ),
                ),
                ("test_report", models.JSONField(blank=True, null=True)),
                ("feedback", models.TextField(blank=True)),
                ("merged_sha", models.CharField(blank=True, max_length=64)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("changed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "story",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="tasks", to="workflows.story"
                    ),
                ),
            ],
            options={
                "verbose_name": "task",
                "ordering": ["story_id", "rank", "number"],
            },
        ),
        migrations.CreateModel(
            name="TaskDependency",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "needs",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="needed_by", to="workflows.task"
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="dependencies", to="workflows.task"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TaskPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("actor", models.CharField(max_length=160)),
                ("actor_name", models.CharField(max_length=200)),
                ("part", models.CharField(max_length=16)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="workflows.task"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="sprint",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="sprint_number_once"),
        ),
        migrations.AddConstraint(
            model_name="sprint",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True)), fields=("project",), name="sprint_one_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="derivation",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["proposed", "failed", "accepted", "replaced"])),
                name="derivation_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="derivation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "proposed")), fields=("story",), name="derivation_one_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="storydependency",
            constraint=models.UniqueConstraint(fields=("story", "needs"), name="story_dependency_once"),
        ),
        migrations.AddConstraint(
            model_name="storydependency",
            constraint=models.CheckConstraint(
                condition=models.Q(("story", models.F("needs")), _negated=True), name="story_dependency_not_itself"
            ),
        ),
        migrations.AddConstraint(
            model_name="strategy",
            constraint=models.CheckConstraint(
                condition=models.Q(("autonomy__in", ["L0", "L1", "L2", "L3"])), name="strategy_autonomy_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="strategy",
            constraint=models.CheckConstraint(
                condition=models.Q(("budget_usd__isnull", True), ("budget_usd__gt", 0), _connector="OR"),
                name="strategy_budget_positive",
            ),
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(fields=["state"], name="story_by_state"),
        ),
        migrations.AddConstraint(
            model_name="story",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="story_number_once"),
        ),
        migrations.AddConstraint(
            model_name="story",
            constraint=models.UniqueConstraint(fields=("reference",), name="story_reference_once"),
        ),
        migrations.AddConstraint(
            model_name="story",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "draft",
                            "po_review",
                            "ready_for_planning",
                            "planned",
                            "ready_for_execution",
                            "in_progress",
                            "code_review",
                            "testing",
                            "ready_to_review",
                            "accepted",
                            "carry_over",
                            "done",
                            "archived",
                        ],
                    )
                ),
                name="story_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="story",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__in", ["", "XS", "S", "M", "L", "XL"])), name="story_size_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="story",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__in", ["", "low", "normal", "high", "urgent"])),
                name="story_priority_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="story",
            constraint=models.CheckConstraint(condition=models.Q(("dor_score__lte", 100)), name="story_score_range"),
        ),
        migrations.AddConstraint(
            model_name="story",
            constraint=models.CheckConstraint(
                condition=models.Q(("budget_usd__isnull", True), ("budget_usd__gt", 0), _connector="OR"),
                name="story_budget_positive",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["state", "role"], name="task_by_state"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("lease_until__isnull", False)), fields=["lease_until"], name="task_by_lease"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(fields=("story", "number"), name="task_number_once"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(fields=("reference",), name="task_reference_once"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "todo",
                            "implementing",
                            "pending_arch_review",
                            "arch_reviewing",
                            "pending_qa",
                            "qa_testing",
                            "pending_po_approval",
                            "done",
                            "cancelled",
                        ],
                    )
                ),
                name="task_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ("developer", "devops", "data"))), name="task_role_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__in", ("XS", "S", "M", "L", "XL"))), name="task_size_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("risk__in", ("low", "medium", "high"))), name="task_risk_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("holder", ""), ("lease_until__isnull", True)),
                    models.Q(models.Q(("holder", ""), _negated=True), ("lease_until__isnull", False)),
                    _connector="OR",
                ),
                name="task_claim_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("holder", ""), ("state__in", ["implementing", "arch_reviewing", "qa_testing"]), _connector="OR"
                ),
                name="task_claim_in_claimed_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("implementer", ""),
                        models.Q(
                            models.Q(("implementer", models.F("reviewer")), _negated=True),
                            models.Q(("implementer", models.F("tester")), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    models.Q(
                        ("reviewer", ""), models.Q(("reviewer", models.F("tester")), _negated=True), _connector="OR"
                    ),
                ),
                name="task_parts_apart",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approver", ""),
                    models.Q(
                        models.Q(("approver", models.F("implementer")), _negated=True),
                        models.Q(("approver", models.F("reviewer")), _negated=True),
                        models.Q(("approver", models.F("tester")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="task_approver_apart",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "done"), _negated=True),
                    models.Q(
                        models.Q(("merged_sha", ""), _negated=True),
                        models.Q(("approver", ""), _negated=True),
                        models.Q(("commit_sha", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="task_done_is_merged",
            ),
        ),
        migrations.AddConstraint(
            model_name="taskdependency",
            constraint=models.UniqueConstraint(fields=("task", "needs"), name="task_dependency_once"),
        ),
        migrations.AddConstraint(
            model_name="taskdependency",
            constraint=models.CheckConstraint(
                condition=models.Q(("task", models.F("needs")), _negated=True), name="task_dependency_not_itself"
            ),
        ),
        migrations.AddConstraint(
            model_name="taskpart",
            constraint=models.UniqueConstraint(fields=("task", "actor"), name="task_one_part_each"),
        ),
        migrations.AddConstraint(
            model_name="taskpart",
            constraint=models.CheckConstraint(
                condition=models.Q(("part__in", ("implementer", "reviewer", "tester", "approver"))),
                name="task_part_known",
            ),
        ),
    ]
