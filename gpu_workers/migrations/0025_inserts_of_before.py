import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns that came later have a default in the database: a process of the version before inserts rows without them."""

    dependencies = [
        ("gpu_workers", "0024_hand_in_not_green"),
    ]

    operations = [
        migrations.AlterField(
            model_name="projectcluster",
            name="kinds",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=164), db_default=[], default=list, size=None
            ),
        ),
        migrations.AlterField(
            model_name="projectcluster",
            name="accounts",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=253), db_default=[], default=list, size=None
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="prompt_version",
            field=models.CharField(db_default="v1", default="v1", max_length=20),
        ),
        migrations.AlterField(
            model_name="run",
            name="prompt_sha256",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
