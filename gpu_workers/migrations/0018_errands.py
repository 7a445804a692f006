from django.db import migrations, models

KINDS = [("merge", "Merge"), ("revert", "Revert"), ("close", "Close a pull request")]


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0017_agent_previous_prompts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Errand",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=KINDS, max_length=10)),
                ("number", models.PositiveBigIntegerField()),
                ("repository", models.CharField(max_length=60)),
                ("event", models.BigIntegerField(unique=True)),
                ("asked_at", models.DateTimeField()),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("waiting_since", models.DateTimeField(null=True)),
                ("retry_at", models.DateTimeField(null=True)),
                ("reason", models.TextField(blank=True)),
                ("opened", models.CharField(blank=True, max_length=32)),
            ],
            options={
                "ordering": ["event"],
                "indexes": [models.Index(fields=["repository", "event"], name="errand_by_repository")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", [kind for kind, _ in KINDS])), name="errand_kind_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Lane",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("repository", models.CharField(max_length=60, unique=True)),
                ("fence", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["repository"],
            },
        ),
    ]
