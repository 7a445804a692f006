import django.contrib.postgres.fields
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gpu_workers", "0012_project_clusters"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProjectMigrator",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("project", models.CharField(max_length=12, unique=True)),
                ("address", models.TextField()),
                ("place", models.CharField(max_length=300)),
                (
                    "schemas",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=63), size=None),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["project"],
            },
        ),
    ]
